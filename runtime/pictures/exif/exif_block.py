"""The tag structure that TIFF files and EXIF blocks share: read it in either byte order, write it little-endian.

Values are carried as raw bytes (byte order aside), so nothing is reinterpreted. Directories below
the main one (EXIF, GPS, interoperability) are followed. BigTIFF is the same with wider counts and offsets.
"""

import mmap
import struct
from dataclasses import dataclass, field

from ....errors import UserError
from .maker_notes import MAKER_NOTE, moved_note

_UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNITS_PER_VALUE = {5: 2, 10: 2}
_SUB_DIRECTORIES = {34665, 34853, 40965}
_POINTERS = {4, 13, 16, 18}
_MOST_DEPTH = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How wide the structure's numbers are, as `struct` codes."""

    magic: int
    """The number behind the byte order mark."""
    pointer_at: int
    """Where in a file the offset of its main directory stands."""
    count: str
    """Number of a directory's entries."""
    entry: str
    """Tag, type and number of values."""
    offset: str
    """Where values lie; a value that fits stands in its place."""
    pointer_type: int
    """TIFF's number of the type for a directory's offset."""


CLASSIC = Layout(magic=42, pointer_at=4, count="H", entry="HHI", offset="I", pointer_type=4)
BIG = Layout(magic=43, pointer_at=8, count="Q", entry="HHQ", offset="Q", pointer_type=18)


@dataclass(frozen=True, slots=True)
class Value:
    """One tag's value."""

    type: int
    """TIFF's number of the type: 2 text, 3 short, 4 long, 5 rational, 7 bytes and so on."""
    data: bytes
    """Little-endian."""
    directory: "Directory | None" = None
    """For tags that point to a directory: the directory; `data` is then empty."""
    place: int | None = field(default=None, compare=False)
    """For a maker note: where it stood in its file, since it may hold offsets; else None."""

    @property
    def count(self) -> int:
        return len(self.data) // (_UNIT_BYTES[self.type] * _UNITS_PER_VALUE.get(self.type, 1))


Directory = dict[int, Value]
"""Values by tag number."""


def directory_from(data: bytes | mmap.mmap, at: int | None = None) -> Directory:
    """A directory of a TIFF file (also BigTIFF) or of an EXIF block without its prefix.

    `at`: where it begins; None: the main one.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise UserError("damaged EXIF or TIFF: no byte order mark")
    layout = BIG if struct.unpack_from(order + "H", data, 2)[0] == BIG.magic else CLASSIC
    (start,) = struct.unpack_from(order + layout.offset, data, layout.pointer_at)
    return _read(data, start if at is None else at, order, layout, 0)


def block_from(directory: Directory) -> bytes:
    """An EXIF block (a TIFF structure without pixels) of `directory`."""
    return b"II*\0" + struct.pack("<I", 8) + directory_bytes(directory, 8, CLASSIC)


def directory_bytes(directory: Directory, start: int, layout: Layout) -> bytes:
    """`directory` as it stands in a little-endian file from offset `start` on, with all values behind it."""
    offset_size = struct.calcsize("<" + layout.offset)
    entry_size = struct.calcsize("<" + layout.entry) + offset_size
    entries: list[bytes] = []
    values: list[bytes] = []
    position = start + struct.calcsize("<" + layout.count) + entry_size * len(directory) + offset_size
    for tag, value in sorted(directory.items()):
        if value.directory is not None:
            data = directory_bytes(value.directory, position, layout)
            head = struct.pack("<" + layout.entry, tag, layout.pointer_type, 1)
        else:
            data = value.data if value.place is None else moved_note(value.data, value.place, position)
            head = struct.pack("<" + layout.entry, tag, value.type, value.count)
            if len(data) <= offset_size:
                entries.append(head + data.ljust(offset_size, b"\0"))
                continue
        entries.append(head + struct.pack("<" + layout.offset, position))
        data += b"\0" * (len(data) % 2)
        values.append(data)
        position += len(data)
    return struct.pack("<" + layout.count, len(entries)) + b"".join(entries) + bytes(offset_size) + b"".join(values)


def _read(data: bytes | mmap.mmap, start: int, order: str, layout: Layout, depth: int) -> Directory:
    offset_size = struct.calcsize("<" + layout.offset)
    head_size = struct.calcsize("<" + layout.entry)
    (num_entries,) = struct.unpack_from(order + layout.count, data, start)
    first = start + struct.calcsize("<" + layout.count)
    directory: Directory = {}
    for index in range(num_entries):
        position = first + index * (head_size + offset_size)
        tag, type_, count = struct.unpack_from(order + layout.entry, data, position)
        if type_ not in _UNIT_BYTES:
            continue
        inline = position + head_size
        if tag in _SUB_DIRECTORIES and depth < _MOST_DEPTH:
            if type_ in _POINTERS:
                # A narrow pointer in a wide field stands at its beginning.
                (below,) = struct.unpack_from(order + ("I" if _UNIT_BYTES[type_] == 4 else "Q"), data, inline)
                directory[tag] = Value(4, b"", _read(data, below, order, layout, depth + 1))
            continue
        size = count * _UNIT_BYTES[type_] * _UNITS_PER_VALUE.get(type_, 1)
        (offset,) = struct.unpack_from(order + layout.offset, data, inline)
        where = inline if size <= offset_size else offset
        raw = data[where : where + size]
        if len(raw) < size:
            raise UserError(f"damaged or truncated: the value of tag {tag} lies beyond the file's end")
        place = where if tag == MAKER_NOTE else None
        directory[tag] = Value(type_, raw if order == "<" else _swapped(raw, _UNIT_BYTES[type_]), place=place)
    return directory


def _swapped(data: bytes, unit: int) -> bytes:
    return b"".join(data[start : start + unit][::-1] for start in range(0, len(data), unit)) if unit > 1 else data
