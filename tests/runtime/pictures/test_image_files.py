"""Picture files in and out: depth, alpha and metadata stay; what cannot stay is named.

Files are made and read back with other libraries where there are any.
"""

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hinas.runtime.pictures.image_files import read_picture
from hinas.runtime.pictures.picture import Picture
from PIL import Image, ImageCms, PngImagePlugin
from stand_ins.picture_files import channels, exif_block, png_of, rewritten, save

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>hinas</a></x:xmpmeta>'


def assert_exif_is_whole(exif: Image.Exif) -> None:
    assert exif[0x0112] == 6
    assert exif[0x010F].rstrip("\0") == "hinas camera"
    assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 250)
    assert bytes(exif.get_ifd(0x8769)[0x927C]) == b"maker note of the camera"
    assert [float(part) for part in exif.get_ifd(0x8825)[2]] == [48.0, 8.0, 30.5]


def joined(picture: Picture) -> np.ndarray:
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


@pytest.mark.parametrize("target", ["png", "tif"])
@pytest.mark.parametrize("source", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("num", [1, 2, 3, 4])
def test_lossless_formats_keep_every_bit(
    tmp_path: Path, generator: np.random.Generator, source: str, target: str, dtype: Any, num: int
) -> None:
    array = channels(generator, num, dtype)
    picture = rewritten(save(array, tmp_path / f"in.{source}"), tmp_path / f"out.{target}")
    assert picture.bits == np.dtype(dtype).itemsize * 8
    assert picture.is_colour == (num >= 3)
    assert (picture.alpha is not None) == (num in (2, 4))
    assert np.array_equal(joined(picture), array)
    data = (tmp_path / f"out.{target}").read_bytes()
    stored = imagecodecs.png_decode(data) if target == "png" else tifffile.imread(tmp_path / "out.tif")
    assert stored.dtype == dtype
    assert np.array_equal(stored, array)
    if dtype == np.uint8:
        assert np.array_equal(np.asarray(Image.open(tmp_path / f"out.{target}")), array)


@pytest.mark.parametrize("num", [3, 4])
def test_lossless_webp_stays_lossless(tmp_path: Path, generator: np.random.Generator, num: int) -> None:
    array = channels(generator, num, np.uint8)
    save(array, tmp_path / "in.webp", lossless=True, exact=True)
    picture = rewritten(tmp_path / "in.webp", tmp_path / "out.webp")
    assert picture.is_lossless
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.webp")), array)


def test_lossy_webp_stays_lossy_and_keeps_alpha(tmp_path: Path, generator: np.random.Generator) -> None:
    array = channels(generator, 4, np.uint8)
    save(array, tmp_path / "in.webp", quality=80)
    picture = rewritten(tmp_path / "in.webp", tmp_path / "out.webp")
    assert not picture.is_lossless
    assert b"VP8L" not in (tmp_path / "out.webp").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.webp"))[:, :, 3], array[:, :, 3])


def test_jpeg_is_written_well(tmp_path: Path, generator: np.random.Generator) -> None:
    smooth = np.kron(channels(generator, 3, np.uint8)[:4, :4], np.ones((16, 16, 1), np.uint8))
    save(smooth, tmp_path / "in.jpg", quality=60)
    picture = rewritten(tmp_path / "in.jpg", tmp_path / "out.jpg")
    written: Any = Image.open(tmp_path / "out.jpg")
    assert np.abs(np.asarray(written).astype(int) - picture.pixels).mean() < 2
    assert [layer[1:3] for layer in written.layer] == [(1, 1)] * 3  # 4:4:4
    assert sum(written.quantization[0]) < sum(Image.open(tmp_path / "in.jpg").quantization[0])  # type: ignore[attr-defined]


def test_a_finer_jpeg_stays_finer(tmp_path: Path, generator: np.random.Generator) -> None:
    save(channels(generator, 3, np.uint8), tmp_path / "in.jpg", quality=100)
    rewritten(tmp_path / "in.jpg", tmp_path / "out.jpg")
    first, second = (Image.open(tmp_path / name) for name in ("in.jpg", "out.jpg"))
    assert second.quantization == first.quantization  # type: ignore[attr-defined]


def test_grey_jpeg_stays_grey(tmp_path: Path, generator: np.random.Generator) -> None:
    save(channels(generator, 1, np.uint8), tmp_path / "in.jpg")
    rewritten(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert Image.open(tmp_path / "out.jpg").mode == "L"


@pytest.mark.parametrize("target", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("source", ["png", "jpg", "webp", "tif"])
def test_metadata_go_from_every_format_to_every_format(
    tmp_path: Path, generator: np.random.Generator, source: str, target: str
) -> None:
    options: dict[str, Any] = {"exif": exif_block(), "icc_profile": ICC}
    if source in ("jpg", "webp"):
        options["xmp"] = XMP
    if source != "webp":
        options["dpi"] = (300, 300)
    image = Image.fromarray(channels(generator, 3, np.uint8))
    if source == "tif":
        exif = Image.Exif()
        exif.load(exif_block())
        exif[700] = XMP
        options["exif"] = exif
    if source == "png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    image.save(tmp_path / f"in.{source}", **options)
    rewritten(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    written = Image.open(tmp_path / f"out.{target}")
    assert read_picture(tmp_path / f"out.{target}").pixels.shape == (13, 17, 3), "the orientation stays a tag"
    assert_exif_is_whole(written.getexif())
    assert written.info["icc_profile"] == ICC
    xmp = written.tag_v2[700] if target == "tif" else written.info["xmp"]  # type: ignore[attr-defined]
    assert (xmp if isinstance(xmp, bytes) else xmp.encode()).rstrip(b"\0") == XMP
    if source != "webp" and target != "webp":
        assert [round(float(dots)) for dots in written.info["dpi"]] == [300, 300]
    written.load()


def test_16_bit_tiff_takes_exif(tmp_path: Path, generator: np.random.Generator) -> None:
    array = channels(generator, 3, np.uint16)
    data = png_of(array)
    exif = exif_block().removeprefix(b"Exif\0\0")
    (tmp_path / "in.png").write_bytes(with_chunk(data, b"eXIf", exif))
    rewritten(tmp_path / "in.png", tmp_path / "out.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), array)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        assert tags["ExifTag"].value["ExposureTime"] == (1, 250)
        assert tags["Orientation"].value == 6
        assert tags["GPSTag"].value["GPSLatitude"][:2] == (48, 1)
    # And back: the block survives another round.
    rewritten(tmp_path / "out.tif", tmp_path / "back.png")
    assert_exif_is_whole(Image.open(tmp_path / "back.png").getexif())


def with_chunk(png: bytes, name: bytes, payload: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    chunk = struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
    return png[:33] + chunk + png[33:]


def chunk_names(png: bytes) -> list[bytes]:
    names, position = [], 8
    while position < len(png):
        names.append(png[position + 4 : position + 8])
        position += 12 + int.from_bytes(png[position : position + 4])
    return names


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_chunks_are_copied_as_bytes(tmp_path: Path, generator: np.random.Generator, dtype: Any) -> None:
    data = png_of(channels(generator, 3, dtype))
    kept = {
        b"gAMA": struct.pack(">I", 45455),
        b"cHRM": struct.pack(">8I", *range(31000, 31008)),
        b"sRGB": b"\0",
        b"tEXt": b"Author\0somebody",
        b"zTXt": b"Comment\0\0" + zlib.compress(b"long " * 50),
        b"iTXt": "Title\0\0\0de\0Titel\0Überschrift".encode(),
        b"tIME": struct.pack(">H5B", 2024, 2, 29, 12, 30, 59),
        b"pHYs": struct.pack(">IIB", 11811, 11811, 1),
        b"prVt": b"private and safe to copy",
    }
    dropped = {b"sBIT": b"\5\6\5", b"hIST": b"\0\0", b"prVT": b"private and about the pixels"}
    for name, payload in {**kept, **dropped}.items():
        data = with_chunk(data, name, payload)
    (tmp_path / "in.png").write_bytes(data)
    rewritten(tmp_path / "in.png", tmp_path / "out.png")
    written = (tmp_path / "out.png").read_bytes()
    for name, payload in kept.items():
        assert name + payload in written
    assert not set(dropped) & set(chunk_names(written))
    assert chunk_names(written)[0] == b"IHDR"


def test_jpeg_segments_are_copied_as_bytes(tmp_path: Path, generator: np.random.Generator) -> None:
    save(channels(generator, 3, np.uint8), tmp_path / "plain.jpg")
    data = (tmp_path / "plain.jpg").read_bytes()
    iptc = b"\xff\xed" + struct.pack(">H", 2 + 24) + b"Photoshop 3.0\0 and IPTC."[:24]
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 7) + b"a word."
    (tmp_path / "in.jpg").write_bytes(data[:20] + iptc + comment + data[20:])
    rewritten(tmp_path / "in.jpg", tmp_path / "out.jpg")
    written = (tmp_path / "out.jpg").read_bytes()
    assert iptc in written
    assert comment in written
    assert Image.open(tmp_path / "out.jpg").size == (17, 13)


def test_large_profiles_are_split_over_jpeg_segments(tmp_path: Path, generator: np.random.Generator) -> None:
    profile = ICC + bytes(150_000)
    save(channels(generator, 3, np.uint8), tmp_path / "in.png", icc_profile=profile)
    rewritten(tmp_path / "in.png", tmp_path / "out.jpg")
    assert Image.open(tmp_path / "out.jpg").info["icc_profile"] == profile


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits"])
def test_tiff_keeps_its_compression_and_foreign_tags(
    tmp_path: Path, generator: np.random.Generator, compression: str | None
) -> None:
    array = channels(generator, 3, np.uint16)
    foreign = [(33550, "d", 3, (0.5, 0.25, 0.0), True), (315, "s", 0, "an artist", True)]
    save(array, tmp_path / "in.tif", compression=compression, extratags=foreign, description="about it", metadata=None)
    rewritten(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "in.tif") as before, tifffile.TiffFile(tmp_path / "out.tif") as after:
        first, second = before.pages[0], after.pages[0]
        assert second.compression == first.compression  # type: ignore[union-attr]
        for tag in (33550, 315, "ImageDescription"):
            assert second.tags[tag].value == first.tags[tag].value  # type: ignore[union-attr]
        assert np.array_equal(second.asarray(), array)


def test_big_endian_and_planar_tiff(tmp_path: Path, generator: np.random.Generator) -> None:
    array = channels(generator, 3, np.uint16)
    planes = np.moveaxis(array, 2, 0)
    tifffile.imwrite(
        tmp_path / "in.tif", planes, photometric="rgb", planarconfig="separate", byteorder=">", resolution=(72, 72)
    )
    picture = rewritten(tmp_path / "in.tif", tmp_path / "out.tif")
    assert np.array_equal(picture.pixels, array)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), array)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].tags["XResolution"].value == (72, 1)  # type: ignore[union-attr]


def test_inverted_grey_tiff_becomes_plain_and_says_so(tmp_path: Path, generator: np.random.Generator) -> None:
    array = channels(generator, 1, np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", array, photometric="miniswhite")
    picture = rewritten(tmp_path / "in.tif", tmp_path / "out.tif")
    assert np.array_equal(picture.pixels, 255 - array)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.tif")), 255 - array)
    assert "inverted grey" in picture.notes[0]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_palettes_become_rgb_and_say_so(tmp_path: Path, generator: np.random.Generator, suffix: str) -> None:
    image = Image.fromarray(channels(generator, 3, np.uint8)).quantize(7)
    image.save(tmp_path / f"in.{suffix}")
    picture = rewritten(tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}")
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert "palette" in picture.notes[0]
    assert Image.open(tmp_path / f"out.{suffix}").mode == "RGB"


def test_a_palette_with_transparency_becomes_rgba(tmp_path: Path, generator: np.random.Generator) -> None:
    image = Image.fromarray(channels(generator, 3, np.uint8)).quantize(7)
    image.save(tmp_path / "in.png", transparency=bytes([0, 100, 255]))
    picture = rewritten(tmp_path / "in.png", tmp_path / "out.png")
    expected = np.asarray(Image.open(tmp_path / "in.png").convert("RGBA"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), expected)
    assert picture.alpha is not None and picture.alpha.min() == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_transparent_colour_becomes_alpha(tmp_path: Path, generator: np.random.Generator, dtype: Any) -> None:
    array = channels(generator, 3, dtype)
    key = struct.pack(">3H", *(int(value) for value in array[4, 5]))
    data = png_of(array)
    # tRNS stands before the pixels.
    (tmp_path / "in.png").write_bytes(with_chunk(data, b"tRNS", key))
    picture = rewritten(tmp_path / "in.png", tmp_path / "out.png")
    assert picture.alpha is not None
    assert picture.alpha[4, 5] == 0
    assert np.count_nonzero(picture.alpha == 0) == 1
    assert b"tRNS" not in chunk_names((tmp_path / "out.png").read_bytes())


def test_low_depth_grey_png_becomes_8_bits(tmp_path: Path) -> None:
    packed = zlib.compress(b"".join(b"\0" + bytes([0b00011011]) for _ in range(3)))
    header = struct.pack(">IIBBBBB", 4, 3, 2, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, payload in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")):
        data += struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
    (tmp_path / "in.png").write_bytes(data)
    picture = rewritten(tmp_path / "in.png", tmp_path / "out.png")
    assert np.array_equal(picture.pixels, np.tile(np.array([0, 85, 170, 255], np.uint8), (3, 1)))
