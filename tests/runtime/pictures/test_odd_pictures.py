"""Pictures that people really have: odd densities and thumbnails in JPEG, truncated and piped TIFFs, damaged PNGs."""

import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.damage import damage_is_the_users
from hinas.runtime.pictures.image_files import left_out, read_picture, write_picture
from PIL import Image, UnidentifiedImageError


def segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


@pytest.fixture
def jpeg(tmp_path: Path, generator: np.random.Generator) -> bytes:
    Image.fromarray(generator.integers(0, 255, (16, 16, 3), np.uint8)).save(tmp_path / "plain.jpg")
    return (tmp_path / "plain.jpg").read_bytes()


@pytest.mark.parametrize("density", [(0, 1, 2), (2, 1, 1), (1, 300, 150)], ids=["aspect 1:2", "1 dot/cm", "dpi"])
def test_a_jpegs_density_is_kept(tmp_path: Path, jpeg: bytes, density: tuple[int, int, int]) -> None:
    stated = struct.pack(">BHH", *density)
    (tmp_path / "in.jpg").write_bytes(jpeg[:13] + stated + jpeg[18:])
    write_picture(read_picture(tmp_path / "in.jpg"), tmp_path / "out.jpg", format="JPEG")
    assert (tmp_path / "out.jpg").read_bytes()[13:18] == stated


def test_thumbnails_and_notes_of_old_cameras_are_kept(tmp_path: Path, jpeg: bytes) -> None:
    thumbnail = segment(0xE0, b"JFXX\0\x13\1\1" + bytes(3))
    ciff = segment(0xE0, b"II\x1a\0\0\0HEAPJPGM" + bytes(8))
    (tmp_path / "in.jpg").write_bytes(jpeg[:20] + thumbnail + ciff + jpeg[20:])
    write_picture(read_picture(tmp_path / "in.jpg"), tmp_path / "out.jpg", format="JPEG")
    written = (tmp_path / "out.jpg").read_bytes()
    assert written[20:].startswith(thumbnail + ciff)
    assert Image.open(tmp_path / "out.jpg").size == (16, 16)


def test_stray_bytes_between_a_jpegs_parts_are_passed_over(tmp_path: Path, jpeg: bytes) -> None:
    """As every viewer does: a part whose stated length is too small leaves such bytes."""
    comment = segment(0xFE, b"a comment")
    (tmp_path / "in.jpg").write_bytes(jpeg[:20] + comment + b"\1\2\xff\0" + jpeg[20:])
    picture = read_picture(tmp_path / "in.jpg")
    assert np.array_equal(picture.pixels, np.asarray(Image.open(tmp_path / "plain.jpg")))
    assert picture.notes == ("stray bytes between the JPEG's parts were left out (4)",)
    write_picture(picture, tmp_path / "out.jpg", format="JPEG")
    assert (tmp_path / "out.jpg").read_bytes()[20:].startswith(comment)
    assert read_picture(tmp_path / "out.jpg").notes == ()


def test_captions_that_another_format_does_not_take_are_named(tmp_path: Path, jpeg: bytes) -> None:
    records = segment(0xED, b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x78\0\x03sea")
    (tmp_path / "in.jpg").write_bytes(jpeg[:20] + records + jpeg[20:])
    picture = read_picture(tmp_path / "in.jpg")
    assert left_out(picture, "JPEG") == ()
    assert "IPTC records do not go from JPEG to PNG" in left_out(picture, "PNG")[0]
    (tmp_path / "plain.jpg").write_bytes(jpeg)
    assert left_out(read_picture(tmp_path / "plain.jpg"), "PNG") == ()


def test_a_tiff_that_ends_before_its_first_page_is_truncated(tmp_path: Path, generator: np.random.Generator) -> None:
    pixels = generator.integers(0, 255, (40, 50), np.uint8)
    # The directory stands behind the pixels, as most programs write it.
    Image.fromarray(pixels).save(tmp_path / "whole.tif", compression="tiff_lzw")
    content = (tmp_path / "whole.tif").read_bytes()
    (directory,) = struct.unpack_from("<I", content, 4)
    moved = content[:4] + struct.pack("<I", 10**6) + content[8:]
    for name, damaged in (("cut.tif", content[: directory + 1]), ("far.tif", moved)):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(UserError, match=rf"{name}: damaged or truncated") as error:
            read_picture(tmp_path / name)
        assert "split" not in str(error.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_tiff_comes_through_a_pipe(models: dict[str, Path], tmp_path: Path, generator: np.random.Generator) -> None:
    pixels = generator.integers(0, 255, (40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "file.tif", pixels)
    os.mkfifo(tmp_path / "pipe.tif")
    content = (tmp_path / "file.tif").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe.tif").write_bytes, args=(content,), daemon=True)
    writer.start()
    for name in ("pipe", "file"):
        request = Request(
            source=tmp_path / f"{name}.tif", target=tmp_path / f"{name}-out.tif", model=str(models["gray"]), sigma=20.0
        )
        denoise_files(request, Reporter(quiet=True, json=False))
    assert (tmp_path / "pipe-out.tif").read_bytes() == (tmp_path / "file-out.tif").read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_pages_do_not_come_through_a_pipe(models: dict[str, Path], tmp_path: Path) -> None:
    """Whatever the output is called: what to do is to save them as a file."""
    tifffile.imwrite(tmp_path / "file.tif", np.zeros((3, 40, 50), np.uint8), photometric="minisblack")
    os.mkfifo(tmp_path / "pipe.tif")
    content = (tmp_path / "file.tif").read_bytes()
    threading.Thread(target=(tmp_path / "pipe.tif").write_bytes, args=(content,), daemon=True).start()
    request = Request(source=tmp_path / "pipe.tif", target=tmp_path / "out.tif", model=str(models["gray"]), sigma=20.0)
    with pytest.raises(UserError, match=r"holds 3 pages, .* not through a pipe; save it as a file first, or split it"):
        denoise_files(request, Reporter(quiet=True, json=False))


def test_a_palette_that_is_missing_is_damage(tmp_path: Path, generator: np.random.Generator) -> None:
    Image.fromarray(generator.integers(0, 255, (9, 9, 3), np.uint8)).quantize(5).save(tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    start = content.index(b"PLTE") - 4
    (length,) = struct.unpack_from(">I", content, start)
    (tmp_path / "in.png").write_bytes(content[:start] + content[start + 12 + length :])
    with pytest.raises(UserError, match=r"in\.png: damaged PNG: its palette"):
        read_picture(tmp_path / "in.png")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TypeError("unsupported operand type(s) for /: 'bytes' and 'bytes'"), ""),
        (KeyError(296), ""),
        (UnidentifiedImageError("cannot identify image file <_io.BytesIO object at 0x7f00>"), ""),
        (zlib.error("Error -3 while decompressing data"), " (Error -3 while decompressing data)"),
        (OSError("image file is truncated\nhere"), " (image file is truncated)"),
        (OSError(), ""),
    ],
)
def test_a_decoders_stumbles_are_not_told(error: Exception, words: str) -> None:
    with pytest.raises(UserError) as told, damage_is_the_users():
        raise error
    assert str(told.value) == f"damaged or truncated, cannot be decoded{words}"
