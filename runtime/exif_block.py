"""The tag structure that TIFF files and EXIF blocks share: read it in either byte order, write it little-endian.

Values are carried as raw bytes (byte order aside), so nothing is reinterpreted. Directories below
the main one (EXIF, GPS, interoperability) are followed.
"""

import struct
from dataclasses import dataclass

from ..errors import UserError

_UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
_UNITS_PER_VALUE = {5: 2, 10: 2}
_SUB_DIRECTORIES = {34665, 34853, 40965}
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Value:
    """One tag's value."""

    type: int
    """TIFF's number of the type: 2 text, 3 short, 4 long, 5 rational, 7 bytes and so on."""
    data: bytes
    """Little-endian."""
    directory: "Directory | None" = None
    """For tags that point to a directory: the directory; `data` is then empty."""

    @property
    def count(self) -> int:
        return len(self.data) // (_UNIT_BYTES[self.type] * _UNITS_PER_VALUE.get(self.type, 1))


Directory = dict[int, Value]
"""Values by tag number."""


def directory_from(data: bytes) -> Directory:
    """The main directory of a TIFF file (also BigTIFF) or of an EXIF block without its prefix."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise UserError("damaged EXIF or TIFF: no byte order mark")
    (magic,) = struct.unpack_from(order + "H", data, 2)
    is_big = magic == 43
    (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    return _read(data, start, order, is_big, 0)


def block_from(directory: Directory) -> bytes:
    """An EXIF block (a TIFF structure without pixels) of `directory`."""
    return b"II*\0" + struct.pack("<I", 8) + directory_bytes(directory, 8)


def directory_bytes(directory: Directory, start: int) -> bytes:
    """`directory` as it stands in a little-endian file from offset `start` on, with all values behind it."""
    entries: list[bytes] = []
    values: list[bytes] = []
    position = start + 2 + 12 * len(directory) + 4
    for tag, value in sorted(directory.items()):
        if value.directory is not None:
            data = directory_bytes(value.directory, position)
            entries.append(struct.pack("<HHII", tag, 4, 1, position))
        elif len(value.data) <= 4:
            entries.append(struct.pack("<HHI", tag, value.type, value.count) + value.data.ljust(4, b"\0"))
            continue
        else:
            data = value.data
            entries.append(struct.pack("<HHII", tag, value.type, value.count, position))
        data += b"\0" * (len(data) % 2)
        values.append(data)
        position += len(data)
    return struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + b"".join(values)


def _read(data: bytes, start: int, order: str, is_big: bool, depth: int) -> Directory:
    count_code, entry_code, entry_size = ("Q", "HHQ", 20) if is_big else ("H", "HHI", 12)
    offset_code = "Q" if is_big else "I"
    (num_entries,) = struct.unpack_from(order + count_code, data, start)
    first = start + struct.calcsize(order + count_code)
    directory: Directory = {}
    for position in range(first, first + num_entries * entry_size, entry_size):
        tag, type_, count = struct.unpack_from(order + entry_code, data, position)
        if type_ not in _UNIT_BYTES:
            continue
        size = count * _UNIT_BYTES[type_] * _UNITS_PER_VALUE.get(type_, 1)
        inline = position + struct.calcsize(order + entry_code)
        (offset,) = struct.unpack_from(order + offset_code, data, inline)
        if tag in _SUB_DIRECTORIES and depth < _MOST_DEPTH:
            if type_ in (4, 13) and not is_big:
                directory[tag] = Value(4, b"", _read(data, offset, order, is_big, depth + 1))
            continue
        where = inline if size <= struct.calcsize(offset_code) else offset
        raw = data[where : where + size]
        if len(raw) < size:
            raise UserError(f"damaged or truncated: the value of tag {tag} lies beyond the file's end")
        directory[tag] = Value(type_, raw if order == "<" else _swapped(raw, _UNIT_BYTES[type_]))
    return directory


def _swapped(data: bytes, unit: int) -> bytes:
    return b"".join(data[start : start + unit][::-1] for start in range(0, len(data), unit)) if unit > 1 else data
