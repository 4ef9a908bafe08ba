"""Animations and TIFFs of several pages: every frame and page denoised; times, repeats, sizes, depths and tags kept."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import read_picture
from hinas.runtime.pictures.series import animation_files
from PIL import Image, ImageCms

Models = dict[str, Path]
Read = pytest.CaptureFixture[str]
FORMATS = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP"}


def noisy(seed: int, shape: tuple[int, ...] = (40, 48, 3)) -> np.ndarray:
    return np.random.default_rng(seed).normal(128, 20, shape).clip(0, 255).astype(np.uint8)


def run(source: Path, target: Path, model: Path | str, **options: Any) -> None:
    values = {"sigma": 20.0, **options}
    request = Request(source=source, target=target, model=str(model), threads=1, **values)
    denoise_files(request, Reporter(quiet=False, json=True))


def values_of(capsys: Read) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def animation(path: Path, **options: Any) -> Path:
    first, *others = (Image.fromarray(noisy(seed)) for seed in range(3))
    options = {"duration": [50, 120, 300], "loop": 3, "lossless": True, **options}
    first.save(path, FORMATS[path.suffix], save_all=True, append_images=others, **options)
    return path


def frames_of(path: Path) -> list[tuple[np.ndarray, float]]:
    image: Any = Image.open(path)
    found = []
    for index in range(image.n_frames):
        image.seek(index)
        found.append((np.asarray(image.convert("RGBA")), image.info.get("duration", 0)))
    return found


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_frame_is_denoised_and_times_and_repeats_stay(
    models: Models, tmp_path: Path, source: str, target: str
) -> None:
    file = animation(tmp_path / f"in{source}")
    run(file, tmp_path / f"out{target}", models["color"])
    before, after = frames_of(file), frames_of(tmp_path / f"out{target}")
    assert [time for _, time in after] == [time for _, time in before] == [50, 120, 300]
    # GIF counts how often it is played again.
    plays = {
        suffix: int(Image.open(path).info["loop"]) + (suffix == ".gif")
        for suffix, path in ((source, file), (target, tmp_path / f"out{target}"))
    }
    assert plays[source] == plays[target]
    denoiser = Denoiser.load(models["color"], "cpu", threads=1)
    for (old, _), (new, _) in zip(before, after, strict=True):
        expected = denoiser(np.ascontiguousarray(old[:, :, :3]), 20.0)
        difference = np.abs(new[:, :, :3].astype(int) - expected)
        assert difference.mean() < (8 if target == ".gif" else 1e-9)


def test_a_frame_that_changes_a_part_is_whole_in_the_result(models: Models, tmp_path: Path) -> None:
    """The second frame of the file holds a small part alone; the third takes it away again."""
    still = noisy(0)
    moved = still.copy()
    moved[10:20, 10:20] = 255
    frames = [Image.fromarray(pixels) for pixels in (still, moved, still)]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:], duration=100, disposal=0)
    run(tmp_path / "in.png", tmp_path / "out.png", models["color"])
    first, second, third = (pixels for pixels, _ in frames_of(tmp_path / "out.png"))
    np.testing.assert_array_equal(first, third)
    assert (first != second).any()
    np.testing.assert_array_equal(first[30:, 30:], second[30:, 30:])


@pytest.mark.parametrize("target", FORMATS)
def test_opacity_stays(models: Models, tmp_path: Path, target: str) -> None:
    frames = []
    for place in (4, 20):
        alpha = np.zeros((40, 48), np.uint8)
        alpha[place : place + 12, place : place + 12] = 255
        frames.append(Image.fromarray(np.dstack([noisy(place), alpha])))
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:], duration=100, disposal=1, blend=0)
    run(tmp_path / "in.png", tmp_path / f"out{target}", models["color"])
    after = frames_of(tmp_path / f"out{target}")
    assert len(after) == 2
    for (new, _), old in zip(after, frames, strict=True):
        np.testing.assert_array_equal(new[:, :, 3], np.asarray(old)[:, :, 3])


@pytest.mark.parametrize("source", [".png", ".webp"])
def test_partial_transparency_does_not_go_to_gif(models: Models, tmp_path: Path, source: str) -> None:
    frames = [Image.fromarray(np.dstack([noisy(seed), np.full((40, 48), 128, np.uint8)])) for seed in range(2)]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 100, "lossless": True}
    frames[0].save(tmp_path / f"in{source}", **options)
    with pytest.raises(UserError, match=r"partly transparent and GIF holds no such pixels; write \.webp or \.png"):
        run(tmp_path / f"in{source}", tmp_path / "out.gif", models["color"])
    run(tmp_path / f"in{source}", tmp_path / "out.webp", models["color"])
    assert (frames_of(tmp_path / "out.webp")[0][0][:, :, 3] == 128).all()


def test_a_gif_that_is_played_once_and_without_end(models: Models, tmp_path: Path) -> None:
    first, second = (Image.fromarray(noisy(seed)) for seed in range(2))
    first.save(tmp_path / "once.gif", save_all=True, append_images=[second], duration=100, comment=b"by me")
    first.save(tmp_path / "endless.gif", save_all=True, append_images=[second], duration=100, loop=0)
    for name, loop in (("once", None), ("endless", 0)):
        run(tmp_path / f"{name}.gif", tmp_path / f"{name}-out.gif", models["color"])
        assert Image.open(tmp_path / f"{name}-out.gif").info.get("loop") == loop
    assert Image.open(tmp_path / "once-out.gif").info["comment"] == b"by me"


def test_grey_animations_go_to_the_grey_model(models: Models, tmp_path: Path) -> None:
    frames = [Image.fromarray(noisy(seed, (40, 48))) for seed in range(2)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:], duration=100)
    run(tmp_path / "in.gif", tmp_path / "out.png", models["gray"])
    assert len(frames_of(tmp_path / "out.png")) == 2


def test_one_noise_level_for_all_frames(models: Models, tmp_path: Path, capsys: Read) -> None:
    shape = (96, 96, 3)
    frames = [Image.fromarray(noisy(seed, shape)) for seed in range(4)]
    frames.insert(0, Image.new("RGB", (96, 96)))
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:], duration=100)
    run(tmp_path / "in.png", tmp_path / "out.png", "auto", sigma=None)
    values = values_of(capsys)
    (part,) = values["parts"]
    assert values["frames"] == 5
    assert part["model"] == "color"
    assert part["sigma_estimate"] == pytest.approx(20, rel=0.1)


def test_side_chunks_of_an_animated_png_and_the_picture_for_other_programs_stay(models: Models, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    animation(tmp_path / "in.png", default_image=True, duration=[70, 90], icc_profile=profile)
    run(tmp_path / "in.png", tmp_path / "out.png", models["color"])
    before, after = Image.open(tmp_path / "in.png"), Image.open(tmp_path / "out.png")
    assert after.info["icc_profile"] == before.info["icc_profile"]
    assert after.info["default_image"] is True
    assert [time for _, time in frames_of(tmp_path / "out.png")][1:] == [70, 90]
    run(tmp_path / "in.png", tmp_path / "out.webp", models["color"])
    assert len(frames_of(tmp_path / "out.webp")) == 2
    assert Image.open(tmp_path / "out.webp").info["icc_profile"] == before.info["icc_profile"]


@pytest.mark.parametrize("shape", [(40, 48), (40, 48, 3)])
def test_metadata_of_an_animated_webp_go_to_png(models: Models, tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A profile of RGB needs a picture in RGB, also where all of it is grey."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "hinas camera"
    first, second = (Image.fromarray(noisy(seed, shape)) for seed in range(2))
    options: dict[str, Any] = {"icc_profile": profile, "exif": exif, "xmp": b"<x/>", "lossless": True}
    first.save(tmp_path / "in.webp", save_all=True, append_images=[second], duration=100, **options)
    run(tmp_path / "in.webp", tmp_path / "out.png", models["gray" if len(shape) == 2 else "color"])
    with Image.open(tmp_path / "out.png") as written:
        assert written.mode == "RGB"
        assert written.info["icc_profile"] == profile
        assert written.getexif()[0x010F].rstrip("\0") == "hinas camera"
        assert written.info["xmp"] == b"<x/>"
    assert len(frames_of(tmp_path / "out.png")) == 2


def different_pages(path: Path) -> list[np.ndarray]:
    """Grey and colour, 8 and 16 bits, each of its own size and with its own tags."""
    pages = [
        noisy(0, (40, 48)),
        noisy(1, (30, 64)).astype(np.uint16) * 257,
        noisy(2, (50, 20, 3)),
        noisy(3, (33, 17)).astype(np.float32) / 255,
    ]
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(pages):
            writer.write(
                page,
                photometric="rgb" if page.ndim == 3 else "minisblack",
                compression="zlib" if number % 2 else None,
                description=f"page {number}",
                resolution=(100 + number, 100),
                subfiletype=2,
                extratags=[(297, 3, 2, (number, 4), True)],
                metadata=None,
                contiguous=False,
            )
    return pages


def test_every_page_is_denoised_and_keeps_its_size_depth_and_tags(models: Models, tmp_path: Path, capsys: Read) -> None:
    pages = different_pages(tmp_path / "in.tif")
    run(tmp_path / "in.tif", tmp_path / "out.tif", models["color"])
    assert [(part["channels"], part["bits"]) for part in values_of(capsys)["parts"]] == [
        (1, 8),
        (1, 16),
        (3, 8),
        (1, 32),
    ]
    denoiser = Denoiser.load(models["color"], "cpu", threads=1)
    with tifffile.TiffFile(tmp_path / "out.tif") as file, tifffile.TiffFile(tmp_path / "in.tif") as source:
        assert len(file.pages) == 4
        for old, new, pixels in zip(source.pages, file.pages, pages, strict=True):
            np.testing.assert_array_equal(new.asarray(), denoiser(pixels, 20.0))
            for tag in (254, 270, 282, 297):
                assert new.tags[tag].value == old.tags[tag].value  # pyright: ignore[reportAttributeAccessIssue]
    # A program of its own reads them too.
    image: Any = Image.open(tmp_path / "out.tif")
    assert image.n_frames == 4


def test_each_page_gets_its_own_noise_level_and_model(tmp_path: Path, capsys: Read) -> None:
    generator = np.random.default_rng(0)
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for sigma, shape in ((10, (96, 96)), (40, (96, 96, 3))):
            page = generator.normal(128, sigma, shape).clip(0, 255).astype(np.uint8)
            writer.write(page, photometric="rgb" if len(shape) == 3 else "minisblack", metadata=None)
    run(tmp_path / "in.tif", tmp_path / "out.tif", "auto", sigma=None)
    first, second = values_of(capsys)["parts"]
    assert (first["model"], second["model"]) == ("gray", "color")
    assert first["sigma"] == pytest.approx(10, rel=0.1)
    assert second["sigma"] == pytest.approx(40, rel=0.1)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"bigtiff": True}, {"imagej": True}])
def test_stacks_of_equal_pages(models: Models, tmp_path: Path, options: dict[str, Any]) -> None:
    stack = noisy(0, (3, 40, 48))
    tifffile.imwrite(tmp_path / "in.tif", stack, photometric="minisblack", **options)
    run(tmp_path / "in.tif", tmp_path / "out.tif", models["gray"])
    denoiser = Denoiser.load(models["gray"], "cpu", threads=1)
    expected = np.stack([denoiser(page, 20.0) for page in stack])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)


def test_a_model_that_enlarges_enlarges_every_page(models: Models, tiny: Any, tmp_path: Path) -> None:
    different_pages(tmp_path / "in.tif")
    model = tiny(tmp_path / "twice.onnx", channels=3, scale=2, conditioned=False, sigma_range=None)
    run(tmp_path / "in.tif", tmp_path / "out.tif", model, sigma=None)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert [page.shape[:2] for page in file.pages] == [(80, 96), (60, 128), (100, 40), (66, 34)]


def test_smaller_copies_among_the_pages_are_left_out(models: Models, tmp_path: Path, capsys: Read) -> None:
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(noisy(0, (40, 48)), photometric="minisblack", metadata=None)
        writer.write(noisy(0, (20, 24)), photometric="minisblack", subfiletype=1, metadata=None)
    run(tmp_path / "in.tif", tmp_path / "out.tif", models["gray"])
    values = values_of(capsys)
    assert values["pages"] == 1 and "1 smaller copies" in values["notes"][0]
    assert read_picture(tmp_path / "out.tif").size_text == "48x40"


def test_a_folder_takes_them_among_pictures(models: Models, tmp_path: Path, capsys: Read) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "below").mkdir(parents=True)
    animation(source / "below" / "a.gif")
    different_pages(source / "b.tif")
    Image.fromarray(noisy(0)).save(source / "c.png")
    run(source, target, models["color"])
    assert len(frames_of(target / "below" / "a.gif")) == 3
    assert (target / "c.png").is_file()
    assert values_of(capsys)["summary"]["written"] == 3
    run(source, target, models["color"], skip_existing=True)
    assert values_of(capsys)["summary"]["skipped"] == 3


def damaged(data: bytes) -> bytes:
    return data[: len(data) // 2]


def with_a_frame_far_away(gif: bytes) -> bytes:
    """The second frame is moved by 65,000 pixels each way, which takes no byte more."""
    near, far = (b"," + struct.pack("<HHHH", offset, offset, 48, 40) for offset in (0, 65000))
    before, first, *others = gif.split(near)
    return near.join([before, first]) + far + near.join(others)


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("a.gif", "out.tif", r"a\.gif: an animation, which is written to \.gif, \.png, \.apng, \.webp alone"),
        ("a.webp", "out.jpg", r"an animation, which is written to"),
        ("b.tif", "out.png", r"a TIFF of several pages, which is written to \.tif, \.tiff alone"),
        ("deep.png", "out.png", r"an animated PNG of 16 bits per channel"),
        ("fax.tif", "out.tif", r"page 2: a black-and-white TIFF"),
        ("long.png", "out.webp", r"its frames are 17000x1 and WebP holds at most 16383 pixels a side"),
        ("cut.gif", "out.gif", r"cut\.gif: damaged or truncated"),
        ("far.gif", "out.png", r"far\.gif: frame 2 claims more pixels than any picture has; damaged"),
        ("cut.tif", "out.tif", r"cut\.tif: "),
        ("a.gif", "a.gif", r"exists already"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(
    models: Models, tmp_path: Path, name: str, target: str, words: str
) -> None:
    animation(tmp_path / "a.gif")
    animation(tmp_path / "a.webp")
    different_pages(tmp_path / "b.tif")
    (tmp_path / "cut.gif").write_bytes(damaged((tmp_path / "a.gif").read_bytes()))
    (tmp_path / "far.gif").write_bytes(with_a_frame_far_away((tmp_path / "a.gif").read_bytes()))
    (tmp_path / "cut.tif").write_bytes((tmp_path / "b.tif").read_bytes()[:-600])
    rows = [Image.new("L", (17000, 1), grey) for grey in (0, 9)]
    rows[0].save(tmp_path / "long.png", save_all=True, append_images=rows[1:], duration=100)
    deep = bytearray(animation(tmp_path / "deep.png").read_bytes())
    deep[24] = 16
    (tmp_path / "deep.png").write_bytes(deep)
    with tifffile.TiffWriter(tmp_path / "fax.tif") as writer:
        writer.write(noisy(0, (40, 48)), photometric="minisblack", metadata=None)
        writer.write(noisy(0, (40, 48)) > 128, photometric="minisblack", metadata=None)
    before = sorted(file.name for file in tmp_path.iterdir())
    with pytest.raises(UserError, match=words):
        run(tmp_path / name, tmp_path / target, models["color"])
    assert sorted(file.name for file in tmp_path.iterdir()) == before


def test_frames_are_counted_as_they_grow(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the head of a GIF says of its size is too little where a frame reaches beyond it."""
    monkeypatch.setattr(animation_files, "_MOST_PIXELS", 3 * 40 * 48 + 2000)
    whole = animation(tmp_path / "a.gif")
    run(whole, tmp_path / "out.gif", models["color"])
    near, far = struct.pack("<HHHH", 0, 0, 48, 40), struct.pack("<HHHH", 48, 0, 48, 40)
    before, first, *others = whole.read_bytes().split(near)
    (tmp_path / "grows.gif").write_bytes(near.join([before, first]) + far + near.join(others))
    with pytest.raises(
        UserError, match=r"grows\.gif: 3 frames that grow to 96x40 pixels are more than hinas holds at once"
    ):
        run(tmp_path / "grows.gif", tmp_path / "out2.gif", models["color"])


def test_a_run_that_is_stopped_leaves_nothing(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    different_pages(tmp_path / "in.tif")

    def stopped(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Denoiser, "__call__", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "in.tif", tmp_path / "out.tif", models["color"])
    assert [file.name for file in tmp_path.iterdir()] == ["in.tif"]
