"""BMP and PNM, in and out: written by another library, read by it, every level kept."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.pictures.image_files import decoded_bytes, left_out, read_picture, write_picture
from hinas.runtime.pictures.picture import Metadata, Picture
from PIL import Image, ImageCms

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def channels(generator: np.random.Generator, num: int, dtype: Any = np.uint8) -> np.ndarray:
    shape = (7, 5) if num == 1 else (7, 5, num)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("num", [1, 3])
def test_bmp_keeps_every_level_and_the_resolution(tmp_path: Path, generator: np.random.Generator, num: int) -> None:
    array = channels(generator, num)
    Image.fromarray(array).save(tmp_path / "in.bmp", dpi=(300, 200))
    picture = read_picture(tmp_path / "in.bmp")
    assert np.array_equal(picture.pixels, array)
    write_picture(picture, tmp_path / "out.bmp", format="BMP")
    written = Image.open(tmp_path / "out.bmp")
    assert np.array_equal(np.asarray(written), array)
    assert [round(dots) for dots in written.info["dpi"]] == [300, 200]
    assert decoded_bytes(tmp_path / "out.bmp") == array.size


@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_bmp_holds_alpha_and_a_profile(
    tmp_path: Path, generator: np.random.Generator, num: int, has_alpha: bool
) -> None:
    opacity = channels(generator, 1)
    pixels = channels(generator, num)
    alpha = opacity if has_alpha else None
    picture = Picture(pixels=pixels, alpha=alpha, format="PNG", metadata=Metadata(icc=ICC))
    write_picture(picture, tmp_path / "a.bmp", format="BMP")
    read = read_picture(tmp_path / "a.bmp")
    assert read.metadata.icc == ICC
    assert np.array_equal(read.pixels, pixels if num == 3 or not has_alpha else np.dstack([pixels] * 3))
    assert (read.alpha is not None) == has_alpha
    if has_alpha:
        assert np.array_equal(np.asarray(Image.open(tmp_path / "a.bmp"))[:, :, 3], opacity)


def test_bmp_with_a_palette_becomes_rgb_and_says_so(tmp_path: Path, generator: np.random.Generator) -> None:
    image = Image.fromarray(channels(generator, 3)).quantize(5)
    image.save(tmp_path / "in.bmp")
    picture = read_picture(tmp_path / "in.bmp")
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert "palette" in picture.notes[0]


def test_old_bmps_of_16_bits_per_pixel(tmp_path: Path) -> None:
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 58, 0, 54, 40, 2, 1, 1, 16, 0, 4, 0, 0, 0, 0)
    (tmp_path / "in.bmp").write_bytes(head + struct.pack("<HH", 0x7FFF, 0x7C00))
    picture = read_picture(tmp_path / "in.bmp")
    assert picture.pixels.tolist() == [[[255, 255, 255], [255, 0, 0]]]
    assert picture.notes == ("16 bits per pixel became 8 per channel",)


@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pnm_keeps_every_level(tmp_path: Path, generator: np.random.Generator, num: int, dtype: Any) -> None:
    array = channels(generator, num, dtype)
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    head = f"P{6 if num == 3 else 5} # made by a test\n5 # wide\n 7\n{np.iinfo(dtype).max}\n".encode()
    (tmp_path / "in.pnm").write_bytes(head + big_endian.tobytes())
    picture = read_picture(tmp_path / "in.pnm")
    assert picture.pixels.dtype == dtype
    assert np.array_equal(picture.pixels, array)
    assert picture.notes == ()
    write_picture(picture, tmp_path / "out.ppm", format="PNM")
    assert (tmp_path / "out.ppm").read_bytes() == re_headed(head, num, dtype) + big_endian.tobytes()
    if dtype == np.uint8:
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out.ppm")), array)


def re_headed(head: bytes, num: int, dtype: Any) -> bytes:
    """The header without its comments."""
    return head[:2] + f"\n5 7\n{np.iinfo(dtype).max}\n".encode()


@pytest.mark.parametrize(("kind", "num"), [("P2", 1), ("P3", 3)])
def test_pnm_of_numbers(tmp_path: Path, generator: np.random.Generator, kind: str, num: int) -> None:
    array = channels(generator, num, np.uint16)
    text = f"{kind}\n5 7\n65535\n" + "\n# between\n".join(" ".join(map(str, row.ravel())) for row in array)
    (tmp_path / "in.pgm").write_text(text)
    assert np.array_equal(read_picture(tmp_path / "in.pgm").pixels, array)


@pytest.mark.parametrize(("white", "pixels"), [(15, [0, 17, 255]), (1023, [0, 64, 65535])])
def test_levels_with_another_white_are_stretched_and_told(tmp_path: Path, white: int, pixels: list[int]) -> None:
    levels = np.array([0, 1, white], np.uint8 if white < 256 else ">u2")
    (tmp_path / "in.pgm").write_bytes(f"P5 3 1 {white}\n".encode() + levels.tobytes())
    picture = read_picture(tmp_path / "in.pgm")
    assert picture.pixels.tolist() == [pixels]
    assert picture.notes == (f"levels of 0 to {white} became 0 to {pixels[-1]}",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"P5 3 2 255\nabcde", "truncated PNM"),
        (b"P2 3 2 255\n1 2 3", "truncated PNM"),
        (b"P2 3 1 255\n1 x 3", "something else between its numbers"),
        (b"P5 3 1 7\n\1\2\10", "white is 7, and holds 8"),
        (b"P5 3 1 70000\nabcdef", "white is 70000; allowed: 1 to 65535"),
        (b"P5 many", "header is not that of a PGM or PPM"),
        (b"P5 99999 99999 255\n", "claims 99999x99999 pixels"),
        (b"P4 8 1\n\1", r"black-and-white PBM \(1 bit\)"),
        (b"P5 1 1 255\naP5 1 1 255\na", "another picture behind the first"),
    ],
)
def test_damaged_pnms_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "in.pnm").write_bytes(content)
    with pytest.raises(UserError, match=rf"in\.pnm: .*{words}"):
        read_picture(tmp_path / "in.pnm")


def test_what_these_formats_cannot_hold_is_said(generator: np.random.Generator) -> None:
    metadata = Metadata(icc=ICC, exif=b"II*\0", xmp=b"<x/>")
    picture = Picture(pixels=channels(generator, 3), format="PNG", metadata=metadata)
    assert left_out(picture, "PNM") == (
        "PNM cannot hold all that the picture has; left out: EXIF, XMP, colour profile",
    )
    assert left_out(picture, "BMP") == ("BMP cannot hold all that the picture has; left out: EXIF, XMP",)
    assert left_out(picture, "TIFF") == ()


def test_alpha_does_not_fit_into_pnm_nor_16_bits_into_bmp(tmp_path: Path, generator: np.random.Generator) -> None:
    grey = channels(generator, 1)
    with pytest.raises(UserError, match="transparency and PNM cannot hold it"):
        write_picture(Picture(pixels=grey, alpha=grey, format="PNG"), tmp_path / "a.pgm", format="PNM")
    with pytest.raises(UserError, match="16 bits per channel and BMP holds 8"):
        write_picture(Picture(pixels=grey.astype(np.uint16), format="PNG"), tmp_path / "a.bmp", format="BMP")
