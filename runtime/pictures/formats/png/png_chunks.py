"""The chunks of a PNG file: all that its pixels need must be whole; side chunks that are damaged are left out."""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .....errors import UserError
from ....tiling.planner import Span
from .png_scanlines import SIGNATURE, Chunk

_READ_AT_ONCE = 2**20
_END_NOTE = "the end of the file is damaged or missing; the pixels are whole"


@dataclass(frozen=True, kw_only=True, slots=True)
class PngChunks:
    """What a PNG file holds."""

    chunks: tuple[Chunk, ...]
    """In order, their checksums right, the last one IEND. Those of pixels are without their payload."""
    packed: tuple[Span, ...]
    """Where the payloads of pixels lie in the file."""
    end: int
    """Where the last chunk ends; the end of the file where it is missing."""
    notes: tuple[str, ...]
    """What is damaged or missing and not needed for the pixels, as sentences for a person."""


def chunks_in(file: BinaryIO) -> PngChunks:
    """All chunks of an open PNG file but what the pixels are packed in, which `packed_pixels` reads.

    Raises UserError where a chunk that the pixels need is damaged or missing.
    """
    chunks: list[Chunk] = []
    packed: list[Span] = []
    damaged: list[bytes] = []
    position = file.seek(len(SIGNATURE))
    while True:
        head = file.read(8)
        name, length = head[4:], int.from_bytes(head[:4])
        if len(head) < 8 or not name.isalpha():
            if not packed:
                raise UserError("truncated PNG: it ends before the chunk IEND")
            break
        position += 8
        if name == b"IDAT":
            packed.append(Span(position, position + length))
            chunks.append((name, b""))
            file.seek(position + length + 4)
        else:
            payload = _side_payload(file, name, length, has_pixels=bool(packed))
            if payload is None:
                damaged.append(name)
            else:
                chunks.append((name, payload))
        position += length + 4
        if name == b"IEND":
            break
    ends_well = bool(chunks) and chunks[-1][0] == b"IEND"
    named = [name.decode() for name in dict.fromkeys(damaged) if name != b"IEND"]
    return PngChunks(
        chunks=tuple(chunks) if ends_well else (*chunks, (b"IEND", b"")),
        packed=tuple(packed),
        end=position if ends_well else file.seek(0, io.SEEK_END),
        notes=(*([note_on_damage(named)] if named else []), *([] if ends_well else [_END_NOTE])),
    )


def note_on_damage(names: Iterable[str]) -> str:
    """What to tell a person of chunks that were left out."""
    return f"damaged parts of the file were left out ({', '.join(names)}); the pixels are whole"


def packed_pixels(file: BinaryIO, places: Iterable[Span]) -> Iterator[bytes]:
    """The bytes of the chunks IDAT that lie at `places`, checked. Raises UserError for damage."""
    for place in places:
        file.seek(place.start)
        yield from _pieces(file, b"IDAT", len(place))


def _side_payload(file: BinaryIO, name: bytes, length: int, *, has_pixels: bool) -> bytes | None:
    """The payload of the chunk that begins here; None where it is damaged and the pixels do not need it."""
    try:
        return b"".join(_pieces(file, name, length))
    except UserError:
        # A transparent colour is as good as pixels. What stands behind the pixels is not needed at all.
        if not has_pixels and (name in (b"tRNS", b"IEND") or not name[0] & 0x20):
            raise
        return None


def _pieces(file: BinaryIO, name: bytes, length: int) -> Iterator[bytes]:
    """The payload of the chunk `name` that begins here, checked at its end. Raises UserError for damage."""
    position, found = file.tell(), zlib.crc32(name)
    end = position + length
    while position < end:
        file.seek(position)
        piece = file.read(min(_READ_AT_ONCE, end - position))
        if not piece:
            raise UserError(f"truncated PNG: it ends within the chunk {name.decode('latin-1')!r}")
        found = zlib.crc32(piece, found)
        position += len(piece)
        yield piece
    file.seek(end)
    if file.read(4) != struct.pack(">I", found):
        raise UserError(f"damaged PNG: wrong checksum of the chunk {name.decode('latin-1')!r}")
