"""Damaged and malicious picture files: denoised, or refused in one line; no traceback, no hang, no output left."""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

Models = dict[str, Path]
NUM_PICTURES = 200
MOST_SECONDS = 240
"""For all of them, on a busy machine; alone they take ten."""


def _array(num: int, dtype: Any) -> np.ndarray:
    shape = (37, 45) if num == 1 else (37, 45, num)
    return np.random.default_rng(num).integers(0, np.iinfo(dtype).max, shape, dtype)


def _pillow(format: str, mode: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(_array(3, np.uint8))
    (image.quantize(9) if mode == "P" else image.convert(mode)).save(buffer, format, **options)
    return buffer.getvalue()


def _tiff(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def pictures() -> list[tuple[str, bytes]]:
    """(suffix, file) of every kind that hinas takes or knows to refuse."""
    exif = Image.Exif()
    exif[0x010F] = "hinas camera"
    exif.get_ifd(0x8769)[0x829A] = 0.004
    with_tags: dict[str, Any] = {"exif": exif, "dpi": (300, 300)}
    return [
        ("png", _pillow("PNG", "RGB", **with_tags)),
        ("png", _pillow("PNG", "RGBA")),
        ("png", _pillow("PNG", "P", transparency=bytes([0, 90]))),
        ("png", _pillow("PNG", "LA")),
        ("png", bytes(imagecodecs.png_encode(_array(1, np.uint16)))),
        ("png", bytes(imagecodecs.png_encode(_array(4, np.uint16)))),
        ("jpg", _pillow("JPEG", "RGB", **with_tags)),
        ("jpg", _pillow("JPEG", "L", progressive=True)),
        ("jpg", _pillow("JPEG", "CMYK")),
        ("webp", _pillow("WEBP", "RGB", exif=exif)),
        ("webp", _pillow("WEBP", "RGBA", lossless=True)),
        ("tif", _pillow("TIFF", "RGB", **with_tags)),
        ("tif", _pillow("TIFF", "CMYK")),
        ("tif", _pillow("TIFF", "P")),
        ("tif", _pillow("TIFF", "RGB", compression="jpeg")),
        ("tif", _tiff(_array(1, np.uint16), photometric="minisblack", compression="zlib", predictor=True)),
        ("tif", _tiff(_array(4, np.uint16), photometric="rgb", extrasamples=["unassalpha"], compression="lzw")),
        ("tif", _tiff(_array(3, np.uint8), photometric="rgb", tile=(16, 16), byteorder=">", bigtiff=True)),
        ("tif", _tiff(_array(3, np.uint16) / np.float32(65535), photometric="rgb", compression="zlib")),
        ("tif", _tiff(_array(1, np.uint16) >> 4, photometric="minisblack", bitspersample=12)),
        ("mpo", _pillow("MPO", "RGB", save_all=True, append_images=[Image.fromarray(_array(3, np.uint8)[::-1])])),
        ("bmp", _pillow("BMP", "RGB")),
        ("bmp", _pillow("BMP", "P")),
        ("ppm", _pillow("PPM", "RGB")),
        ("npy", _npy(_array(3, np.uint16))),
    ]


def _cut(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    return data[: draw.integers(len(data))]


def _changed(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.integers(1, 9)):
        changed[draw.integers(len(data))] = draw.integers(256)
    return bytes(changed)


def _header_changed(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    """The numbers that sizes, offsets and counts stand in, most of them large."""
    place = int(draw.integers(4, min(200, len(data) - 4)))
    number = int(draw.choice([0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, len(data)]))
    return data[:place] + struct.pack(draw.choice([">I", "<I"]), number) + data[place + 4 :]


def _spliced(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    """A part once more somewhere else, over what stands there or between it."""
    start, stop = sorted(draw.integers(len(data), size=2))
    place = int(draw.integers(len(data)))
    return data[:place] + data[start:stop] + data[place + (stop - start) * int(draw.integers(2)) :]


def _of_two_files(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    """One file's beginning, the other's end."""
    place = int(draw.integers(4, min(len(data), len(other), 400)))
    return data[:place] + other[place:]


def _zeroed(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    start, stop = sorted(draw.integers(8, len(data), size=2))
    return data[:start] + bytes(int(stop - start)) + data[stop:]


MUTATIONS: list[Callable[[bytes, bytes, np.random.Generator], bytes]] = [
    _cut,
    _changed,
    _header_changed,
    _header_changed,
    _spliced,
    _of_two_files,
    _zeroed,
]


def with_right_checksums(png: bytes) -> bytes:
    """A damaged PNG whose chunks claim to be whole, so that what lies behind the checksums is reached."""
    data, place = bytearray(png), 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        end = place + 8 + length
        if end + 4 > len(data):
            break
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4)
        place = end + 4
    return bytes(data)


def mutated(seed: int) -> tuple[str, bytes]:
    """(suffix, damaged file)"""
    draw = np.random.default_rng(seed)
    kinds = pictures()
    suffix, data = kinds[seed % len(kinds)]
    _, other = kinds[draw.integers(len(kinds))]
    for _ in range(draw.integers(1, 3)):
        if len(data) > 20:
            data = MUTATIONS[draw.integers(len(MUTATIONS))](data, other, draw)
    if data.startswith(b"\x89PNG") and draw.random() < 0.7:
        data = with_right_checksums(data)
    return suffix, data


def _named(stderr: str) -> list[str]:
    """The pictures that the last error lists, a line each."""
    return [line for line in stderr.splitlines() if line.startswith("  in/") and line.count(".") == 1]


@pytest.mark.slow
def test_mutated_pictures_end_in_a_picture_or_one_line(models: Models, tmp_path: Path) -> None:
    """As a person runs it, on a folder: a hang, a crash of a decoder or a traceback would end the command."""
    (tmp_path / "in").mkdir()
    for seed in range(NUM_PICTURES):
        suffix, data = mutated(seed)
        (tmp_path / "in" / f"{seed:03}.{suffix}").write_bytes(data)
    command = [sys.executable, "-m", "hinas.runtime.denoise_command", "in", "out", "--model", str(models["color"])]
    result = subprocess.run(
        [*command, "--sigma", "20", "--threads", "1", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=MOST_SECONDS,
    )  # fmt: skip
    assert result.returncode == 2, result.stderr[-2000:]
    # Two threads' warnings of the PNG decoder may mix, text and line end apart.
    assert {line.partition(":")[0] for line in result.stderr.splitlines() if line} <= {
        "error",
        "note",
        "PNG warning",  # the decoder's own
        *_named(result.stderr),
    }
    *lines, _ = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == NUM_PICTURES
    assert all("\n" not in line.get("error", "") for line in lines)
    refused = {Path(line["input"]).name for line in lines if "error" in line}
    written = {file.name for file in (tmp_path / "out").rglob("*")}
    assert written == {Path(line["input"]).name for line in lines} - refused
    assert len(refused) > NUM_PICTURES // 4 and len(written) > NUM_PICTURES // 20
