"""Files of several pictures that are not denoised: refused by name, so that no frame or page is dropped unsaid."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import read_picture
from PIL import Image

Models = dict[str, Path]
QUIET = Reporter(quiet=True, json=False)
STACK = np.random.default_rng(0).integers(0, 255, (3, 40, 48), np.uint8)


def one_after_the_other(path: Path, format: str) -> None:
    for page in STACK[:2]:
        buffer = io.BytesIO()
        Image.fromarray(page).convert("RGB").save(buffer, format)
        with path.open("ab") as file:
            file.write(buffer.getvalue())


def pages_with_one_listed(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK, photometric="minisblack", truncate=True)


def imagej_pages_with_one_listed(path: Path) -> None:
    tifffile.imwrite(path, STACK[0], photometric="minisblack", metadata=None, description="ImageJ=1.54f\nimages=3\n")
    # Behind the one page, as ImageJ writes stacks beyond 4 GB.
    whole = path.read_bytes()
    path.write_bytes(whole + STACK[1:].tobytes() + bytes(64))


def picture_below_a_page(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK[0], photometric="minisblack", subifds=1)
        writer.write(STACK[1], photometric="minisblack")


FILES: dict[str, tuple[Any, str]] = {
    "truncated.tif": (pages_with_one_listed, "holds 3 pictures under one page"),
    "imagej-stack.tif": (imagej_pages_with_one_listed, "holds 3 pictures under one page"),
    "below.tif": (picture_below_a_page, "holds other pictures below its page"),
    "glued.jpg": (lambda path: one_after_the_other(path, "JPEG"), "holds another picture behind the first"),
    "glued.png": (lambda path: one_after_the_other(path, "PNG"), "holds another picture behind the first"),
    "glued.webp": (lambda path: one_after_the_other(path, "WEBP"), "holds another picture behind the first"),
}


def run(source: Path, target: Path, models: Models, **options: Any) -> None:
    model = str(models["color"])
    denoise_files(Request(source=source, target=target, model=model, threads=1, sigma=20.0, **options), QUIET)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_several_pictures_is_refused_by_name(models: Models, tmp_path: Path, name: str) -> None:
    make, words = FILES[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: .*{words}"):
        run(tmp_path / name, tmp_path / "out.tif", models)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_folder_refuses_each_of_them_by_name_and_denoises_the_others(models: Models, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, (make, _) in FILES.items():
        make(tmp_path / "in" / name)
    Image.fromarray(STACK[0]).save(tmp_path / "in" / "one.png")
    with pytest.raises(UserError) as caught:
        run(tmp_path / "in", tmp_path / "out", models)
    refused = {Path(line).name for line in str(caught.value).splitlines()[1:]}
    assert refused == set(FILES)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["one.png"]


def test_smaller_copies_in_a_tiff_are_left_out_and_named(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as writer:
        writer.write(STACK[0], photometric="minisblack", subifds=1)
        writer.write(STACK[0][::2, ::2], photometric="minisblack", subfiletype=1)
    picture = read_picture(tmp_path / "pyramid.tif")
    assert np.array_equal(picture.pixels, STACK[0])
    assert picture.notes == ("smaller copies of the picture (SubIFDs) were left out",)


def test_a_description_of_pages_that_are_not_there_refuses_nothing(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], description='{"shape": [3, 40, 48]}', metadata=None)
    assert np.array_equal(read_picture(tmp_path / "a.tif").pixels, STACK[0])


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_video_behind_a_picture_is_named_and_padding_is_not(tmp_path: Path, format: str) -> None:
    with_pixels = io.BytesIO()
    Image.fromarray(STACK[0]).convert("RGB").save(with_pixels, format, progressive=True)
    (tmp_path / "padded").write_bytes(with_pixels.getvalue() + bytes(10))
    assert read_picture(tmp_path / "padded").notes == ()
    (tmp_path / "motion").write_bytes(with_pixels.getvalue() + b"\0\0\0\x18ftypmp42")
    assert read_picture(tmp_path / "motion").notes == (
        "12 bytes behind the picture (such as the video of a motion photo) were left out",
    )
