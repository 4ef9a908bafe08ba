"""Picture files that cannot be read or kept: damaged, absurd, of unknown kinds; each is a mistake that is named."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_command import app
from hinas.runtime.pictures import pillow_files
from hinas.runtime.pictures.image_files import read_picture
from hinas.runtime.pictures.known_formats import format_for
from PIL import Image
from stand_ins.picture_files import channels, exif_block, png_of, rewritten, save


def refused_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are refused, with the words that say why."""
    generator = np.random.default_rng(0)
    colour = Image.fromarray(generator.integers(0, 255, (9, 9, 3), np.uint8))
    files: dict[str, tuple[Path, str]] = {}

    def add(name: str, words: str, save: Any) -> None:
        save(folder / name)
        files[name] = (folder / name, words)

    add("lab.tif", "TIFF in CIELAB", colour.convert("LAB").save)
    add("signed.tif", "16-bit signed whole numbers", lambda path: tifffile.imwrite(path, np.zeros((4, 4), np.int16)))
    add("double.tif", "64-bit floating-point numbers", lambda path: tifffile.imwrite(path, np.zeros((4, 4))))
    add("deep.tif", "TIFF of 32 bits per channel", lambda path: tifffile.imwrite(path, np.zeros((4, 4), np.uint32)))
    add("bits.png", r"black-and-white PNG \(1 bit\)", colour.convert("1").save)
    add("bits.tif", r"black-and-white TIFF \(1 bit\)", colour.convert("1").save)
    pages = {"save_all": True, "append_images": [colour.rotate(90)]}
    add("pages.tif", "holds 2 pages, .* split it first", lambda path: colour.save(path, **pages))
    add("animated.webp", "holds 2 pictures .*animated", lambda path: colour.save(path, **pages))
    add("animated.png", "an animated PNG", lambda path: colour.save(path, **pages))
    add("wrong.png", "not a picture that hinas can read; it reads PNG, JPEG", lambda path: path.write_text("hello"))
    add("animated.gif", "holds 2 pictures .*animated", lambda path: colour.save(path, **pages))
    add("bits.bmp", r"black-and-white BMP \(1 bit\)", colour.convert("1").save)
    add("empty.jpg", "the file is empty", lambda path: path.write_bytes(b""))
    return files


REFUSED = [
    *("lab.tif", "double.tif", "signed.tif", "deep.tif", "bits.png", "bits.tif", "bits.bmp", "pages.tif"),
    *("animated.webp", "animated.png", "wrong.png", "animated.gif", "empty.jpg"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_named(tmp_path: Path, name: str) -> None:
    path, words = refused_files(tmp_path)[name]
    with pytest.raises(UserError, match=words) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.fixture
def not_read(tmp_path: Path) -> Path:
    """A folder of pictures in formats that other programs have, and one of ours."""
    pixels = np.full((9, 9, 3), 100, np.uint8)
    (tmp_path / "in").mkdir()
    for name, content in {
        "a.jxl": imagecodecs.jpegxl_encode(pixels, usecontainer=False),
        "b.jxl": imagecodecs.jpegxl_encode(pixels, usecontainer=True),
        "c.jp2": imagecodecs.jpeg2k_encode(pixels, codecformat="JP2"),
        "d.j2k": imagecodecs.jpeg2k_encode(pixels, codecformat="J2K"),
        "e.psd": b"8BPS\0\x01" + bytes(40),
        "f.png": b"",
        "g.gif": b"nothing",
        "h.tga": struct.pack("<12xHHBB", 1, 1, 24, 0) + bytes(3),
    }.items():
        (tmp_path / "in" / name).write_bytes(content)
    Image.fromarray(pixels).save(tmp_path / "in" / "z.png")
    return tmp_path / "in"


def test_formats_that_are_not_read_are_called_by_their_names(
    not_read: Path, models: dict[str, Path], mistake: Callable[..., str]
) -> None:
    """In a folder and alone: what cannot be read is said, whatever name the output would have had."""
    kinds = {
        "a.jxl": "JPEG XL, which hinas does not read; convert it to PNG or TIFF first",
        "b.jxl": "JPEG XL, which hinas does not read; convert it to PNG or TIFF first",
        "c.jp2": "JPEG 2000, which hinas does not read; convert it to PNG or TIFF first",
        "d.j2k": "JPEG 2000, which hinas does not read; convert it to PNG or TIFF first",
        "e.psd": "a Photoshop document, which hinas does not read; convert it to PNG or TIFF first",
        "f.png": "the file is empty",
        "g.gif": "not a picture that hinas can read; it reads PNG, JPEG, TIFF",
        "h.tga": "not a picture that hinas can read; it reads PNG, JPEG, TIFF",
    }
    out = not_read.parent / "out"
    lines = mistake(app, not_read, out, "--model", models["color"], "--sigma", "9", "--quiet").splitlines()
    for line, (name, words) in zip(lines, kinds.items(), strict=False):
        assert line.startswith(f"error: {not_read / name}: {words}")
    assert lines[len(kinds)] == "error: 8 of 9 pictures failed, the others are written:"
    assert [file.name for file in out.iterdir()] == ["z.png"]
    for target in ("out.jxl", "out.png"):
        (line,) = mistake(app, not_read / "b.jxl", not_read / target, "--model", models["color"]).splitlines()
        assert line == f"error: {not_read / 'b.jxl'}: {kinds['b.jxl']}"


def test_16_bits_do_not_fit_into_jpeg_or_webp(tmp_path: Path, generator: np.random.Generator) -> None:
    source = save(channels(generator, 3, np.uint16), tmp_path / "in.png")
    for target, format in (("out.jpg", "JPEG"), ("out.webp", "WebP")):
        with pytest.raises(UserError, match=f"16 bits per channel and {format} holds 8; write PNG or TIFF"):
            rewritten(source, tmp_path / target)


def test_alpha_does_not_fit_into_jpeg(tmp_path: Path, generator: np.random.Generator) -> None:
    source = save(channels(generator, 4, np.uint8), tmp_path / "in.png")
    with pytest.raises(UserError, match="transparency and JPEG cannot hold it; write PNG, TIFF or WebP"):
        rewritten(source, tmp_path / "out.jpg")


def test_a_damaged_exif_block_is_copied_or_named(tmp_path: Path, generator: np.random.Generator) -> None:
    """From JPEG to JPEG it is copied; TIFF has to take it apart, which fails before any work is done."""
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 3) + b"cut"
    save(channels(generator, 3, np.uint8), tmp_path / "in.jpg", exif=exif)
    rewritten(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert exif in (tmp_path / "out.jpg").read_bytes()
    with pytest.raises(
        UserError, match="the EXIF block is damaged and cannot become TIFF tags; write PNG, JPEG or WebP"
    ):
        rewritten(tmp_path / "in.jpg", tmp_path / "out.tif")


def test_associated_alpha_stays_in_tiff(tmp_path: Path, generator: np.random.Generator) -> None:
    array = channels(generator, 4, np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", array, photometric="rgb", extrasamples=["assocalpha"])
    rewritten(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert int(file.pages[0].extrasamples[0]) == 1  # type: ignore[union-attr]
    with pytest.raises(UserError, match="associated alpha"):
        rewritten(tmp_path / "in.tif", tmp_path / "out.png")


@pytest.mark.parametrize("num", [2, 4])
def test_a_channel_of_unknown_meaning_does_not_become_transparency(
    tmp_path: Path, generator: np.random.Generator, num: int
) -> None:
    array = channels(generator, num, np.uint8)
    options: dict[str, Any] = {"photometric": "rgb" if num == 4 else "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "in.tif", array, extrasamples=["unspecified"], **options)
    for name in ("out.png", "out.webp", "out.bmp"):
        with pytest.raises(UserError, match=r"does not say what its last channel is .*; write TIFF or NumPy"):
            rewritten(tmp_path / "in.tif", tmp_path / name)
    for name in ("out.tif", "out.npy"):
        rewritten(tmp_path / "in.tif", tmp_path / name)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), array)
    assert np.array_equal(np.load(tmp_path / "out.npy"), array)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_a_file_cut_anywhere_is_a_user_error(tmp_path: Path, generator: np.random.Generator, suffix: str) -> None:
    source = save(channels(generator, 3, np.uint8), tmp_path / f"in.{suffix}")
    data = source.read_bytes()
    num_refused = 0
    for length in range(0, len(data), max(1, len(data) // 40)):
        (tmp_path / "cut").write_bytes(data[:length])
        try:
            read_picture(tmp_path / "cut")
        except UserError:
            num_refused += 1
    assert num_refused >= 38


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_flipped_bytes_never_give_another_error(tmp_path: Path, generator: np.random.Generator, suffix: str) -> None:
    buffer = io.BytesIO()
    formats = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "webp": "WEBP"}
    Image.fromarray(channels(generator, 3, np.uint8)).save(buffer, formats[suffix], exif=exif_block())
    data = buffer.getvalue()
    num_refused = 0
    for position in generator.integers(0, len(data), 150):
        damaged = bytearray(data)
        damaged[position] ^= int(generator.integers(1, 256))
        (tmp_path / "damaged").write_bytes(bytes(damaged))
        try:
            read_picture(tmp_path / "damaged")
        except UserError:
            num_refused += 1
    assert num_refused > 0


def test_an_unknown_kind_of_alpha_is_written_back_as_unspecified(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    array = channels(generator, 4, np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        where = file.pages[0].tags["ExtraSamples"].valueoffset  # type: ignore[union-attr]
    data = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "in.tif").write_bytes(data[:where] + struct.pack("<H", 999) + data[where + 2 :])
    rewritten(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert int(file.pages[0].extrasamples[0]) == 0  # type: ignore[union-attr]
        assert np.array_equal(file.pages[0].asarray(), array)


def test_a_tiff_that_lists_too_few_tiles_is_not_filled_with_black(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    array = np.tile(channels(generator, 3, np.uint8), (4, 4, 1))
    tifffile.imwrite(tmp_path / "in.tif", array, photometric="rgb", tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        tags = [file.pages[0].tags[name] for name in ("TileOffsets", "TileByteCounts")]  # type: ignore[union-attr]
    data = bytearray((tmp_path / "in.tif").read_bytes())
    for tag in tags:
        data[tag.offset + 4 : tag.offset + 8] = struct.pack("<I", tag.count - 3)
    (tmp_path / "in.tif").write_bytes(data)
    with pytest.raises(UserError, match=r"damaged TIFF: it lists 17 of its 20 tiles or strips"):
        read_picture(tmp_path / "in.tif")


@pytest.mark.parametrize("kind", [(7, 2, 0, 0, 0), (8, 5, 0, 0, 0), (8, 2, 1, 0, 0), (8, 2, 0, 9, 0), (8, 2, 0, 0, 2)])
def test_a_png_of_no_known_kind(tmp_path: Path, generator: np.random.Generator, kind: tuple[int, ...]) -> None:
    data = bytearray(png_of(channels(generator, 3, np.uint8)))
    data[24:29] = bytes(kind)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "in.png").write_bytes(data)
    with pytest.raises(UserError, match=r"in\.png: damaged PNG: no such kind of pixels"):
        read_picture(tmp_path / "in.png")


def test_absurd_sizes_are_refused_before_decoding(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, payload in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        data += struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(UserError, match=r"claims 100000x100000 pixels; hinas reads at most 536 megapixels"):
        read_picture(tmp_path / "bomb.png")


def test_pillows_own_limit_does_not_stop_large_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    save(np.zeros((30, 30, 3), np.uint8), tmp_path / "in.jpg")
    assert read_picture(tmp_path / "in.jpg").pixels.shape == (30, 30, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(pillow_files, "MOST_PIXELS", 500)
    with pytest.raises(UserError, match="claims 30x30 pixels"):
        read_picture(tmp_path / "in.jpg")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(UserError, match="is a folder; expected a picture file"):
        read_picture(tmp_path)


def test_the_content_decides_not_the_name(tmp_path: Path, generator: np.random.Generator) -> None:
    array = channels(generator, 3, np.uint8)
    save(array, tmp_path / "in.png").rename(tmp_path / "in.jpg")
    assert np.array_equal(read_picture(tmp_path / "in.jpg").pixels, array)


def test_unknown_suffixes_are_named() -> None:
    with pytest.raises(UserError, match=r"out\.jxl: no format for the suffix '\.jxl'; allowed: \.png, \.apng, \.jpg"):
        format_for(Path("out.jxl"))
