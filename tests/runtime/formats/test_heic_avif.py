"""HEIC and AVIF, in and out: depth, alpha, metadata and orientation stay; what cannot stay is named."""

import io
import struct
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.formats import heic_files
from hinas.runtime.pictures.formats.heic_files import HeicDetails
from hinas.runtime.pictures.image_files import check_writable, decoded_bytes, read_picture, write_picture
from hinas.runtime.pictures.picture import Metadata, Picture
from PIL import Image, ImageCms, features

pillow_heif: Any = pytest.importorskip("pillow_heif", reason="needs pip install 'hinas[formats]'")
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>hinas</a></x:xmpmeta>'


def exif_with(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "hinas camera"
    return exif.tobytes()


def smooth(generator: np.random.Generator, num: int, white: int) -> np.ndarray:
    """(64, 96) or (64, 96, num) of flat areas, which lossy formats keep nearly."""
    areas = np.kron(generator.integers(0, white, (4, 6, num), endpoint=True), np.ones((16, 16, 1), int))
    return (areas[:, :, 0] if num == 1 else areas).astype(np.uint8 if white < 256 else np.uint16)


def heic_of(levels: np.ndarray, bits: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    mode = {2: "L", 3: {3: "RGB", 4: "RGBA"}.get(levels.shape[-1], "")}[levels.ndim]
    options = {"quality": 95, "chroma": 444, **options} if mode != "L" else {"quality": 95, **options}
    size = levels.shape[1::-1]
    pillow_heif.encode(
        mode if bits == 8 else f"{mode};{bits}", size, levels.tobytes(), buffer, bit_depth=bits, **options
    )
    return buffer.getvalue()


def apart(first: Any, second: Any) -> float:
    return float(np.abs(np.asarray(first).astype(float) - np.asarray(second)).mean())


@pytest.mark.parametrize("num", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_heic_keeps_its_depth_and_alpha(tmp_path: Path, generator: np.random.Generator, bits: int, num: int) -> None:
    white = 2**bits - 1
    levels = smooth(generator, num, white)
    (tmp_path / "in.heic").write_bytes(heic_of(levels, bits))
    picture = read_picture(tmp_path / "in.heic")
    assert (picture.format, picture.bits) == ("HEIC", 8 if bits == 8 else 16)
    assert picture.is_colour == (num > 1)
    joined = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    full = np.iinfo(joined.dtype).max
    assert apart(joined / full, levels / white) < 0.01
    assert decoded_bytes(tmp_path / "in.heic") == joined.nbytes
    write_picture(picture, tmp_path / "out.heic", format="HEIC")
    again = read_picture(tmp_path / "out.heic")
    assert again.native == picture.native == HeicDetails(bits=bits, chroma=picture.native.chroma)
    assert apart(again.pixels / full, picture.pixels / full) < 0.01
    if bits > 8:
        write_picture(picture, tmp_path / "out.png", format="PNG")
        assert np.array_equal(read_picture(tmp_path / "out.png").pixels, picture.pixels)


@pytest.mark.parametrize("suffix", ["heic", pytest.param("avif", marks=needs_avif)])
def test_metadata_come_and_go(tmp_path: Path, generator: np.random.Generator, suffix: str) -> None:
    pixels = smooth(generator, 3, 255)
    Image.fromarray(pixels).save(tmp_path / "in.jpg", exif=exif_with(6), icc_profile=ICC, xmp=XMP, quality=95)
    format: Any = suffix.upper()
    write_picture(read_picture(tmp_path / "in.jpg"), tmp_path / f"a.{suffix}", format=format)
    picture = read_picture(tmp_path / f"a.{suffix}")
    assert picture.metadata.icc == ICC
    assert picture.metadata.xmp == XMP
    write_picture(picture, tmp_path / f"b.{suffix}", format=format)
    write_picture(read_picture(tmp_path / f"b.{suffix}"), tmp_path / "out.png", format="PNG")
    with Image.open(tmp_path / "out.png") as out:
        assert out.getexif()[0x010F].rstrip("\0") == "hinas camera"
        assert out.info["icc_profile"] == ICC
        # As a person sees it: turned by the tag, or turned already.
        turned = np.rot90(pixels, -1) if out.getexif()[0x0112] == 6 else np.asarray(out)
        assert apart(turned, np.rot90(pixels, -1)) < 5


def test_a_picture_that_heic_turns_is_turned_once(tmp_path: Path, generator: np.random.Generator) -> None:
    levels = smooth(generator, 3, 255)
    (tmp_path / "in.heic").write_bytes(heic_of(levels, 8, exif=exif_with(6)))
    picture = read_picture(tmp_path / "in.heic")
    assert picture.pixels.shape == (96, 64, 3)
    assert apart(picture.pixels, np.rot90(levels, -1)) < 2
    write_picture(picture, tmp_path / "out.heic", format="HEIC")
    assert read_picture(tmp_path / "out.heic").pixels.shape == (96, 64, 3)
    write_picture(picture, tmp_path / "out.jpg", format="JPEG")
    assert Image.open(tmp_path / "out.jpg").getexif()[0x0112] == 1


def test_other_pictures_in_a_heic_are_left_out_and_named(tmp_path: Path, generator: np.random.Generator) -> None:
    first, second = (Image.fromarray(smooth(generator, 3, 255)) for _ in range(2))
    file = pillow_heif.from_pillow(first)
    file.add_from_pillow(second)
    file.save(tmp_path / "in.heic", quality=95, primary_index=1)
    picture = read_picture(tmp_path / "in.heic")
    assert apart(picture.pixels, second) < 5
    assert "(such as a gain map, a depth map or others) was left out" in picture.notes[0]


def test_large_pictures_are_written_in_tiles(
    tmp_path: Path, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heic_files, "_MOST_IN_ONE_PIECE", 1000)
    pixels = np.kron(generator.integers(0, 255, (5, 9, 3)), np.ones((64, 64, 1), int)).astype(np.uint8)[:-7, :-9]
    picture = Picture(pixels=pixels, format="PNG", metadata=Metadata(icc=ICC, xmp=XMP))
    write_picture(picture, tmp_path / "a.heic", format="HEIC")
    assert pillow_heif.open_heif(tmp_path / "a.heic").info["tiling"]["tile_width"] == 512
    again = read_picture(tmp_path / "a.heic")
    assert again.pixels.shape == pixels.shape
    assert apart(again.pixels, pixels) < 3
    assert (again.metadata.icc, again.metadata.xmp) == (ICC, XMP)


def test_hdr_colours_keep_their_description(tmp_path: Path, generator: np.random.Generator) -> None:
    described = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9, "full_range_flag": 1}
    (tmp_path / "in.heic").write_bytes(heic_of(smooth(generator, 3, 1023), 10, **described))
    picture = read_picture(tmp_path / "in.heic")
    write_picture(picture, tmp_path / "out.heic", format="HEIC")
    assert read_picture(tmp_path / "out.heic").metadata.codes == picture.metadata.codes is not None
    write_picture(picture, tmp_path / "out.png", format="PNG")
    assert b"cICP" + bytes([9, 16, 0, 1]) in (tmp_path / "out.png").read_bytes()
    assert read_picture(tmp_path / "out.png").metadata.codes == picture.metadata.codes
    with pytest.raises(UserError, match="HDR or of a wide gamut, without a profile that TIFF could hold; write PNG"):
        check_writable(picture, "TIFF")


@needs_avif
@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif_is_read_whole_and_not_written(tmp_path: Path, generator: np.random.Generator, bits: int) -> None:
    levels = smooth(generator, 3, 2**bits - 1)
    (tmp_path / "in.avif").write_bytes(bytes(imagecodecs.avif_encode(levels, 100, speed=10, bitspersample=bits)))
    picture = read_picture(tmp_path / "in.avif")
    assert picture.notes == (f"{bits} bits per channel became 16",)
    assert np.array_equal(np.rint(picture.pixels * ((2**bits - 1) / 65535)), levels)
    with pytest.raises(UserError, match="16 bits per channel and AVIF is written with 8; write PNG or TIFF"):
        check_writable(picture, "AVIF")


@needs_avif
def test_avif_keeps_alpha_and_grey_becomes_rgb(tmp_path: Path, generator: np.random.Generator) -> None:
    grey, alpha = smooth(generator, 1, 255), smooth(generator, 1, 255)
    write_picture(Picture(pixels=grey, alpha=alpha, format="PNG"), tmp_path / "a.avif", format="AVIF")
    picture = read_picture(tmp_path / "a.avif")
    assert apart(picture.pixels, np.dstack([grey] * 3)) < 2
    assert picture.alpha is not None and apart(picture.alpha, alpha) < 2


def test_16_bits_do_not_fit_into_heic(generator: np.random.Generator) -> None:
    picture = Picture(pixels=smooth(generator, 1, 65535), format="PNG")
    with pytest.raises(UserError, match="16 bits per channel and HEIC is written with 8; write PNG or TIFF"):
        check_writable(picture, "HEIC")


def test_without_the_package_one_line_says_what_to_install(
    tmp_path: Path, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.heic").write_bytes(heic_of(smooth(generator, 3, 255), 8))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UserError, match=r"in\.heic: HEIC needs the package pillow-heif; .* pip install .*cpu,formats"):
        read_picture(tmp_path / "in.heic")
    with pytest.raises(UserError, match="pillow-heif"):
        check_writable(Picture(pixels=smooth(generator, 1, 255), format="PNG"), "HEIC")
    assert decoded_bytes(tmp_path / "in.heic") == 0


@pytest.mark.parametrize("suffix", ["heic", pytest.param("avif", marks=needs_avif)])
def test_damaged_files_are_a_persons_mistake(tmp_path: Path, generator: np.random.Generator, suffix: str) -> None:
    picture = Picture(pixels=smooth(generator, 3, 255), format="PNG")
    format: Any = suffix.upper()
    write_picture(picture, tmp_path / f"whole.{suffix}", format=format)
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"in.{suffix}"
    for length in range(0, len(data) - len(data) // 4, len(data) // 20):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match=rf"in\.{suffix}: "):
            read_picture(path)
    for place in generator.integers(0, len(data), 60):
        path.write_bytes(data[:place] + struct.pack("B", data[place] ^ 0x55) + data[place + 1 :])
        try:
            read_picture(path)
        except UserError as error:
            assert "\n" not in str(error)


def test_a_folder_of_a_phone_is_denoised(
    models: dict[str, Path], tmp_path: Path, generator: np.random.Generator
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "IMG_1.HEIC").write_bytes(heic_of(smooth(generator, 3, 255), 8))
    request = Request(
        source=tmp_path / "in", target=tmp_path / "out", model=str(models["color"]), sigma=20.0, threads=1
    )
    denoise_files(request, Reporter(quiet=True, json=False))
    assert read_picture(tmp_path / "out" / "IMG_1.HEIC").format == "HEIC"
