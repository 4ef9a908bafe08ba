"""A camera's own notes (EXIF's MakerNote) at another place in a file.

Most makers write a directory like EXIF's whose values lie at offsets from the beginning of the whole file; these follow
the notes. Notes whose offsets count from their own beginning, and such as are no directory, stay as they are.
"""

import struct

MAKER_NOTE = 37500

_DIRECTORY_STARTS = (0, 6, 8, 10, 12)
"""Behind no name (Canon, Sony), and behind such as AOC, OLYMP, SIGMA and Panasonic."""
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ENTRY_BYTES = 12
_MOST_OFFSET = 2**32 - 1


def moved_note(note: bytes, before: int, after: int) -> bytes:
    """`note`, which stood at the offset `before` of one file, for the offset `after` of another."""
    for start in _DIRECTORY_STARTS:
        for order in ("<", ">"):
            places = _offset_places(note, start, order)
            if places is not None:
                return _moved(note, order, places, before, after)
    return note


def _offset_places(note: bytes, start: int, order: str) -> list[tuple[int, int]] | None:
    """(where an offset stands, size of the value there) of a directory at `start`; None where there is none."""
    if start + 2 > len(note):
        return None
    (num_entries,) = struct.unpack_from(order + "H", note, start)
    first = start + 2
    if num_entries == 0 or first + num_entries * _ENTRY_BYTES > len(note):
        return None
    places: list[tuple[int, int]] = []
    for place in range(first, first + num_entries * _ENTRY_BYTES, _ENTRY_BYTES):
        _, type_, count = struct.unpack_from(order + "HHI", note, place)
        if type_ not in _VALUE_BYTES:
            return None
        if (size := count * _VALUE_BYTES[type_]) > 4:
            places.append((place + 8, size))
    return places


def _moved(note: bytes, order: str, places: list[tuple[int, int]], before: int, after: int) -> bytes:
    moved = bytearray(note)
    for place, size in places:
        (offset,) = struct.unpack_from(order + "I", note, place)
        # An offset that leads out of the notes led nowhere that comes along.
        is_inside = before <= offset and offset + size <= before + len(note)
        if is_inside and offset + after - before <= _MOST_OFFSET:
            struct.pack_into(order + "I", moved, place, offset + after - before)
    return bytes(moved)
