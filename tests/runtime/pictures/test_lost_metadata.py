"""What a format does not hold of a picture's metadata is left out with a note, and never written wrong."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.pictures.image_files import check_writable, left_out, read_picture, write_picture
from hinas.runtime.pictures.known_formats import format_for
from hinas.runtime.pictures.picture import Metadata, Picture
from hinas.runtime.pictures.series.animation_files import left_out_of_animation, read_animation
from hinas.runtime.pictures.series.series_formats import SeriesFormat
from PIL import Image, PngImagePlugin


def with_dpi(*dpi: float) -> Picture:
    return Picture(pixels=np.zeros((4, 6), np.uint8), format="WebP", metadata=Metadata(dpi=(dpi[0], dpi[-1])))


def written(picture: Picture, target: Path) -> tuple[float, float] | None:
    """The density that another program finds."""
    check_writable(picture, format_for(target))
    write_picture(picture, target, format=format_for(target))
    with Image.open(target) as image:
        dpi = image.info.get("dpi")
    return None if dpi is None else (float(dpi[0]), float(dpi[1]))


ABSURD = (2**32 - 1) * 0.0254


@pytest.mark.parametrize(
    ("name", "dpi", "fits"),
    [
        ("a.jpg", 65535, True),
        ("a.jpg", 76200, False),
        ("a.jpg", 0.127, False),
        ("a.tif", 76200, True),
        ("a.tif", ABSURD, False),
        ("a.bmp", 76200, True),
        ("a.bmp", ABSURD, False),
        ("a.png", 76200, True),
        ("a.png", 2.0**40, False),
    ],
)
def test_a_density_that_does_not_fit_is_left_out_with_a_note(tmp_path: Path, name: str, dpi: float, fits: bool) -> None:
    picture, format = with_dpi(dpi), format_for(Path(name))
    found = written(picture, tmp_path / name)
    if fits:
        assert found == pytest.approx((dpi, dpi), rel=1e-4)
        assert left_out(picture, format) == ()
    else:
        assert found is None
        (note,) = left_out(picture, format)
        assert note.startswith(f"{format} cannot hold all that the picture has; left out: {round(dpi, 2):.12g} DPI")


def test_both_sides_of_a_density_are_named_where_they_differ() -> None:
    assert left_out(with_dpi(70000, 300), "JPEG")[0].endswith("left out: 70000x300 DPI")


def test_a_density_of_zero_says_nothing(tmp_path: Path) -> None:
    assert left_out(with_dpi(0), "JPEG") == ()
    assert written(with_dpi(0), tmp_path / "a.png") is None
    assert read_picture(tmp_path / "a.png").metadata.dpi is None


@pytest.mark.parametrize("name", ["a.webp", "a.heic", "a.avif", "a.ppm", "a.npy"])
def test_a_density_that_a_format_has_no_place_for_is_named(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (6, 4)).save(tmp_path / "in.png", dpi=(300, 300))
    format = format_for(Path(name))
    assert left_out(read_picture(tmp_path / "in.png"), format) == (
        f"{format} cannot hold all that the picture has; left out: 300 DPI",
    )


@pytest.mark.parametrize("dpi", [72, 96])
@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.bmp"])
def test_the_density_of_screens_is_no_loss(tmp_path: Path, name: str, dpi: int) -> None:
    Image.new("RGB", (6, 4)).save(tmp_path / name, dpi=(dpi, dpi))
    assert left_out(read_picture(tmp_path / name), "WebP") == ()


def test_a_density_that_exif_states_too_is_not_lost(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 300.0, 300.0, 2
    Image.new("RGB", (6, 4)).save(tmp_path / "in.jpg", dpi=(300, 300), exif=exif)
    picture = read_picture(tmp_path / "in.jpg")
    assert left_out(picture, "WebP") == ()
    assert left_out(picture, "PNM")[0].endswith("left out: EXIF, 300 DPI")
    exif[282] = 72.0
    Image.new("RGB", (6, 4)).save(tmp_path / "other.jpg", dpi=(300, 300), exif=exif)
    assert left_out(read_picture(tmp_path / "other.jpg"), "WebP")[0].endswith("left out: 300 DPI")


@pytest.mark.parametrize("format", ["GIF", "WebP"])
def test_the_density_of_an_animation_is_named(tmp_path: Path, format: SeriesFormat) -> None:
    first, second = (Image.new("L", (6, 4), grey) for grey in (0, 9))
    first.save(tmp_path / "in.png", save_all=True, append_images=[second], dpi=(300, 300))
    animation = read_animation(tmp_path / "in.png", "PNG")
    assert left_out_of_animation(animation, "PNG") == ()
    assert left_out_of_animation(animation, format)[-1] == (
        f"{format} cannot hold all that the animation has; left out: 300 DPI"
    )


@pytest.mark.parametrize(
    ("chunks", "is_told"),
    [
        ({b"gAMA": struct.pack(">I", 100_000)}, True),
        ({b"gAMA": struct.pack(">I", 55_556)}, True),
        ({b"gAMA": struct.pack(">I", 45_455)}, False),
        ({b"gAMA": struct.pack(">I", 45_000)}, False),
        ({b"gAMA": bytes(4)}, False),
        ({b"gAMA": struct.pack(">I", 100_000), b"sRGB": b"\0"}, False),
        ({b"sRGB": b"\0", b"gAMA": struct.pack(">I", 100_000)}, False),
    ],
)
def test_the_gamma_of_a_png_is_named_where_nothing_else_says_what_its_colours_are(
    tmp_path: Path, chunks: dict[bytes, bytes], is_told: bool
) -> None:
    info = PngImagePlugin.PngInfo()
    for name, payload in chunks.items():
        info.add(name, payload)
    Image.new("RGB", (6, 4)).save(tmp_path / "in.png", pnginfo=info)
    picture = read_picture(tmp_path / "in.png")
    assert left_out(picture, "PNG") == ()
    for format in ("JPEG", "TIFF", "WebP"):
        notes = left_out(picture, format)
        assert [note.split(" (")[0] for note in notes] == ["the PNG's gamma"] * is_told
