"""A GIF of a single frame is a picture like others, and goes to every format that can hold it."""

from pathlib import Path

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import decoded_bytes, left_out, read_picture
from hinas.runtime.pictures.series.series_formats import series_in
from PIL import Image
from stand_ins.picture_files import rewritten

COLOURS_NOTE = "a GIF has 256 colours, which brings noise back; .webp and .png hold all"


def few_colours(generator: np.random.Generator) -> Image.Image:
    return Image.fromarray(generator.integers(0, 255, (40, 48, 3), np.uint8)).quantize(60)


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("name", ["out.jpg", "out.tif", "out.png", "out.webp", "out.gif"])
def test_it_is_denoised_to_every_format(
    models: dict[str, Path], tmp_path: Path, generator: np.random.Generator, name: str, interlace: int
) -> None:
    few_colours(generator).save(tmp_path / "in.gif", comment=b"by me", interlace=interlace)
    request = Request(source=tmp_path / "in.gif", target=tmp_path / name, model=str(models["color"]), sigma=20.0)
    denoise_files(request, Reporter(quiet=True, json=False))
    with Image.open(tmp_path / name) as written:
        assert written.size == (48, 40)
        assert getattr(written, "n_frames", 1) == 1
        assert written.info.get("comment") == (b"by me" if name == "out.gif" else None)


def test_colours_and_transparency_are_kept(tmp_path: Path, generator: np.random.Generator) -> None:
    image = few_colours(generator)
    image.save(tmp_path / "in.gif", transparency=7)
    expected = np.asarray(Image.open(tmp_path / "in.gif").convert("RGBA"))
    assert not expected[:, :, 3].all()
    for name in ("out.png", "out.webp"):
        rewritten(tmp_path / "in.gif", tmp_path / name)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name).convert("RGBA")), expected)
    rewritten(tmp_path / "in.gif", tmp_path / "out.gif")
    again = np.asarray(Image.open(tmp_path / "out.gif").convert("RGBA"))
    np.testing.assert_array_equal(again[:, :, 3], expected[:, :, 3])
    is_seen = expected[:, :, 3] > 0
    np.testing.assert_array_equal(again[is_seen], expected[is_seen])
    assert decoded_bytes(tmp_path / "in.gif") > 0


def test_grey_is_grey(tmp_path: Path, generator: np.random.Generator) -> None:
    levels = generator.integers(0, 255, (40, 48), np.uint8)
    Image.fromarray(levels).save(tmp_path / "in.gif")
    np.testing.assert_array_equal(rewritten(tmp_path / "in.gif", tmp_path / "out.gif").pixels, levels)
    np.testing.assert_array_equal(read_picture(tmp_path / "out.gif").pixels, levels)


def test_what_is_lost_is_said(tmp_path: Path, generator: np.random.Generator) -> None:
    few_colours(generator).save(tmp_path / "in.gif", comment=b"by me")
    picture = read_picture(tmp_path / "in.gif")
    assert left_out(picture, "GIF") == (COLOURS_NOTE,)
    assert left_out(picture, "TIFF") == ("the GIF's comment was left out, which TIFF does not hold",)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "in.png")
    with pytest.raises(UserError, match=r"GIF holds 256 colours, .* and is written of GIFs alone; write PNG or WebP"):
        rewritten(tmp_path / "in.png", tmp_path / "out.gif")


def test_frames_are_counted_in_files_cut_anywhere(tmp_path: Path, generator: np.random.Generator) -> None:
    first, second = few_colours(generator), few_colours(generator)
    first.save(tmp_path / "two.gif", save_all=True, append_images=[second], comment=b"by me", loop=0)
    content = (tmp_path / "two.gif").read_bytes()
    assert series_in(tmp_path / "two.gif") == "GIF"
    for length in range(6, len(content), 29):
        (tmp_path / "cut.gif").write_bytes(content[:length])
        if series_in(tmp_path / "cut.gif") is None and length < len(content) // 2 - 50:
            with pytest.raises(UserError, match=r"cut\.gif: damaged or truncated"):
                read_picture(tmp_path / "cut.gif")
