"""Packed rows of a PNG become pixels band by band: interlaced, padded and overlong ones too, without a warning."""

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.pictures.formats.png import png_scanlines
from hinas.runtime.pictures.formats.png.png_scanlines import PngHeader, decoded_bands, png_bytes
from hinas.runtime.pictures.image_files import read_picture
from PIL import Image

COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""First row, first column, and their steps, as in the table of PNG's specification."""


def packed_rows(pixels: np.ndarray) -> bytes:
    """Rows with the filters None, Sub and Up in turns."""
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(len(pixels), -1).view(np.uint8)
    pixel_bytes = rows.shape[1] // pixels.shape[1]
    parts = []
    for index, row in enumerate(rows):
        left = np.concatenate([np.zeros(pixel_bytes, np.uint8), row[:-pixel_bytes]])
        above = rows[index - 1] if index else np.zeros_like(row)
        parts.append(bytes([index % 3]) + (row - (0, left, above)[index % 3]).astype(np.uint8).tobytes())
    return b"".join(parts)


def png(pixels: np.ndarray, *, rows: bytes, is_interlaced: bool = False) -> bytes:
    """The file of `pixels` (H, W, C) whose IDAT chunks, of 100 bytes each, hold `rows`."""
    height, width, num = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, COLOURS[num], 0, 0, is_interlaced)
    packed = zlib.compress(rows)
    parts = [(b"IDAT", packed[start : start + 100]) for start in range(0, len(packed), 100)]
    return png_bytes([(b"IHDR", header), *parts, (b"IEND", b"")])


def drawn(generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def channels_in(path: Path) -> np.ndarray:
    picture = read_picture(path)
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


@pytest.mark.parametrize("num", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 9), (33, 21)])
def test_interlaced_pictures_are_read_without_a_word(
    tmp_path: Path,
    generator: np.random.Generator,
    capfd: pytest.CaptureFixture[str],
    num: int,
    dtype: Any,
    size: tuple[int, int],
) -> None:
    pixels = drawn(generator, (*size, num), dtype)
    parts = [pixels[top::down, left::across] for top, left, down, across in PASSES]
    rows = b"".join(packed_rows(part) for part in parts if part.size)
    (tmp_path / "in.png").write_bytes(png(pixels, rows=rows, is_interlaced=True))
    assert np.array_equal(channels_in(tmp_path / "in.png"), pixels.squeeze(2) if num == 1 else pixels)
    if dtype == np.uint8:
        assert np.array_equal(np.asarray(Image.open(tmp_path / "in.png")).reshape(pixels.shape), pixels)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rest", [b"\0" * 5, b"\7" * 5000], ids=["padded", "too long"])
def test_rows_behind_the_last_are_passed_over_without_a_word(
    tmp_path: Path, generator: np.random.Generator, capfd: pytest.CaptureFixture[str], rest: bytes
) -> None:
    pixels = drawn(generator, (20, 30, 3), np.uint8)
    (tmp_path / "in.png").write_bytes(png(pixels, rows=packed_rows(pixels) + rest))
    assert np.array_equal(channels_in(tmp_path / "in.png"), pixels)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("band_bytes", [1, 200, 1000, 10**6])
def test_bands_of_any_height_join_to_the_picture(
    generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch, band_bytes: int
) -> None:
    monkeypatch.setattr(png_scanlines, "BAND_BYTES", band_bytes)
    pixels = drawn(generator, (41, 13, 3), np.uint16)
    # Written by libpng, so that every filter comes.
    packed = bytes(imagecodecs.png_encode(np.sort(np.sort(pixels, axis=0), axis=1)))
    start = packed.index(b"IDAT") + 4
    payload = packed[start : start + int.from_bytes(packed[start - 8 : start - 4])]
    header = PngHeader(width=13, height=41, depth=16, colour=2, is_interlaced=False)
    bands = list(decoded_bands(header, [payload[:50], b"", payload[50:]]))
    assert np.array_equal(np.concatenate(bands), imagecodecs.png_decode(packed))
    assert (len(bands) == 1) == (band_bytes == 10**6)


def test_too_few_rows_are_a_truncated_picture(tmp_path: Path, generator: np.random.Generator) -> None:
    pixels = drawn(generator, (20, 30, 3), np.uint8)
    (tmp_path / "in.png").write_bytes(png(pixels, rows=packed_rows(pixels)[:-1]))
    with pytest.raises(UserError, match=r"in\.png: damaged or truncated PNG: it ends before the last pixels"):
        read_picture(tmp_path / "in.png")


def test_a_filter_that_is_none_is_damage(tmp_path: Path, generator: np.random.Generator) -> None:
    pixels = drawn(generator, (20, 30, 3), np.uint8)
    (tmp_path / "in.png").write_bytes(png(pixels, rows=b"\x09" + packed_rows(pixels)[1:]))
    with pytest.raises(UserError, match=r"in\.png: damaged or truncated"):
        read_picture(tmp_path / "in.png")
