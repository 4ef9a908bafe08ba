"""PNGs whose pixels are whole and whose side chunks are damaged are read; where pixels depend on it they are not."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.pictures.formats.png.png_regions import PngRegions
from hinas.runtime.pictures.image_files import read_picture, write_picture
from hinas.runtime.tiling.planner import Region, Span
from PIL import Image, PngImagePlugin

END_IS_MISSING = "the end of the file is damaged or missing; the pixels are whole"


def chunk(name: bytes, payload: bytes) -> bytes:
    return len(payload).to_bytes(4) + name + payload + zlib.crc32(name + payload).to_bytes(4)


@pytest.fixture
def pixels(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 255, (30, 40, 3), np.uint8)


@pytest.fixture
def png(pixels: np.ndarray) -> bytes:
    """With a text in front of the pixels and one behind."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()[:-12] + chunk(b"tEXt", b"Title\0something") + chunk(b"IEND", b"")


def damaged(png: bytes, word: bytes) -> bytes:
    """One bit of `word` is wrong."""
    place = png.index(word)
    return png[:place] + bytes([png[place] ^ 1]) + png[place + 1 :]


def read(tmp_path: Path, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """As the whole file is read, and as it is read in parts: the same."""
    (tmp_path / "in.png").write_bytes(data)
    picture = read_picture(tmp_path / "in.png")
    with (tmp_path / "in.png").open("rb") as file:
        regions = PngRegions(file)
        in_parts, _ = regions.read(Region(Span(0, picture.height), Span(0, picture.width)))
        assert tuple(regions.notes) == picture.notes
    assert np.array_equal(in_parts, picture.pixels)
    return picture.pixels, picture.notes


@pytest.mark.parametrize("word", [b"somebody", b"something"])
def test_a_damaged_text_is_left_out_and_named(tmp_path: Path, pixels: np.ndarray, png: bytes, word: bytes) -> None:
    found, notes = read(tmp_path, damaged(png, word))
    assert np.array_equal(found, pixels)
    assert notes == ("damaged parts of the file were left out (tEXt); the pixels are whole",)
    write_picture(read_picture(tmp_path / "in.png"), tmp_path / "out.png", format="PNG")
    written = (tmp_path / "out.png").read_bytes()
    assert word[1:] not in written
    assert all(other in written for other in {b"somebody", b"something"} - {word})


@pytest.mark.parametrize("num_missing", [1, 4, 8, 12, 20])
def test_a_missing_end_is_told(tmp_path: Path, pixels: np.ndarray, png: bytes, num_missing: int) -> None:
    found, notes = read(tmp_path, png[:-num_missing])
    assert np.array_equal(found, pixels)
    assert notes[-1] == END_IS_MISSING


def test_rubbish_behind_the_pixels_is_the_end(tmp_path: Path, pixels: np.ndarray, png: bytes) -> None:
    place = png.index(b"tEXt", png.index(b"IDAT")) - 4
    found, notes = read(tmp_path, png[:place] + bytes(range(1, 40)))
    assert np.array_equal(found, pixels)
    assert notes == (END_IS_MISSING,)


@pytest.mark.parametrize(
    "content",
    [(b"iCCP", b"a profile\0\0no zlib"), (b"iCCP", b"nothing"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0no zlib")],
    ids=["profile", "empty profile", "XMP"],
)
def test_damage_below_a_right_checksum(
    tmp_path: Path, pixels: np.ndarray, png: bytes, content: tuple[bytes, bytes]
) -> None:
    (tmp_path / "in.png").write_bytes(png[:33] + chunk(*content) + png[33:])
    picture = read_picture(tmp_path / "in.png")
    assert np.array_equal(picture.pixels, pixels)
    assert picture.notes == (f"damaged parts of the file were left out ({content[0].decode()}); the pixels are whole",)
    assert (picture.metadata.icc, picture.metadata.xmp) == (None, None)
    write_picture(picture, tmp_path / "out.png", format="PNG")
    assert content[1] not in (tmp_path / "out.png").read_bytes()


def test_what_the_pixels_need_is_not_guessed(tmp_path: Path, png: bytes) -> None:
    packed_at = png.index(b"IDAT") + 4
    key = chunk(b"tRNS", bytes([0, 1, 0, 2, 0, 3]))
    wrong = {
        "header": png[:20] + bytes([png[20] ^ 1]) + png[21:],
        "pixels": png[: packed_at + 50] + bytes([png[packed_at + 50] ^ 1]) + png[packed_at + 51 :],
        "half": png[: packed_at + 500],
        "transparent colour": png[:33] + key[:-1] + bytes([key[-1] ^ 1]) + png[33:],
        "none": png[: packed_at - 8],
    }
    for name, data in wrong.items():
        (tmp_path / f"{name}.png").write_bytes(data)
        with pytest.raises(UserError, match=rf"{name}\.png: .*(damaged|truncated)"):
            read_picture(tmp_path / f"{name}.png")
