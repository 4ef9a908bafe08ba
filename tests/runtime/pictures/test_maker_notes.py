"""A camera's own notes can be read wherever they come to stand: their values follow them."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.pictures.exif.exif_block import Value, block_from, directory_from
from hinas.runtime.pictures.exif.maker_notes import MAKER_NOTE, moved_note
from hinas.runtime.pictures.image_files import read_picture, write_picture
from hinas.runtime.pictures.known_formats import format_for
from PIL import Image

EXIF_DIRECTORY = 34665
TEXT = b"the lens of the camera\0\0"


def note_at(offset: int, order: str, name: bytes) -> bytes:
    """Notes as cameras write them: a name, a short in its entry, a text at an offset from the file's beginning."""
    first = len(name) + 2 + 2 * 12 + 4
    entries = struct.pack(order + "HHIHH", 1, 3, 1, 7, 0) + struct.pack(order + "HHII", 2, 2, len(TEXT), offset + first)
    return name + struct.pack(order + "H", 2) + entries + bytes(4) + TEXT


def text_in(content: bytes, place: int, order: str, name: bytes) -> bytes:
    """The text of the notes that stand at `place` in a file."""
    entry = place + len(name) + 2 + 12
    _, _, count, offset = struct.unpack_from(order + "HHII", content, entry)
    return content[offset : offset + count]


def place_of_note(content: bytes) -> int:
    below = directory_from(content)[EXIF_DIRECTORY].directory
    assert below is not None
    place = below[MAKER_NOTE].place
    assert place is not None
    return place


def exif_with_note(order: str, name: bytes) -> bytes:
    length = len(note_at(0, order, name))
    note = Value(7, bytes(length))
    block = block_from({271: Value(2, b"hinas camera\0"), EXIF_DIRECTORY: Value(4, b"", {MAKER_NOTE: note})})
    place = place_of_note(block)
    return b"Exif\0\0" + block[:place] + note_at(place, order, name) + block[place + length :]


@pytest.mark.parametrize(("order", "name"), [("<", b""), (">", b"OLYMP\0\1\0"), ("<", b"Panasonic\0\0\0")])
@pytest.mark.parametrize("source", ["in.jpg", "in.png"])
def test_notes_in_a_tiff_lead_to_their_values(
    tmp_path: Path, generator: np.random.Generator, order: str, name: bytes, source: str
) -> None:
    pixels = generator.integers(0, 255, (13, 17, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / source, exif=exif_with_note(order, name))
    write_picture(read_picture(tmp_path / source), tmp_path / "first.tif", format="TIFF")
    write_picture(read_picture(tmp_path / "first.tif"), tmp_path / "second.tif", format="TIFF")
    for file in ("first.tif", "second.tif"):
        content = (tmp_path / file).read_bytes()
        assert text_in(content, place_of_note(content), order, name) == TEXT


@pytest.mark.parametrize("target", ["out.jpg", "out.webp", "out.png"])
def test_notes_out_of_a_tiff_lead_to_their_values(tmp_path: Path, generator: np.random.Generator, target: str) -> None:
    pixels = generator.integers(0, 255, (13, 17, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.jpg", exif=exif_with_note("<", b""))
    write_picture(read_picture(tmp_path / "in.jpg"), tmp_path / "in.tif", format="TIFF")
    write_picture(read_picture(tmp_path / "in.tif"), tmp_path / target, format=format_for(Path(target)))
    block = read_picture(tmp_path / target).metadata.exif
    assert block is not None
    assert text_in(block, place_of_note(block), "<", b"") == TEXT


def test_notes_that_count_from_their_own_beginning_stay() -> None:
    own = note_at(0, "<", b"FUJIFILM")
    for note in (own, b"free text", b"", b"\1", bytes(40)):
        assert moved_note(note, before=5000, after=90000) == note
