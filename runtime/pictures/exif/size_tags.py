"""The tags in which EXIF and TIFF repeat a picture's size: where the pixels change in number, the tags follow."""

import json
import struct
from dataclasses import replace
from typing import Any

from .exif_block import CLASSIC, Directory, Value

_WIDTHS = {256, 0xA002, 0x1001}
"""ImageWidth, and of EXIF's own directories PixelXDimension and RelatedImageWidth."""
_HEIGHTS = {257, 0xA003, 0x1002}
_SUB_DIRECTORIES = {34665, 40965}
"""EXIF's own directory and the one for interoperability."""
_DESCRIPTION, _SHAPE = 270, b'{"shape"'
"""tifffile describes the array that it has written, and warns of a description that is another array's."""
_SHORT, _LONG = 3, 4
_MOST_SHORT = 2**16 - 1
_MOST_DEPTH = 3


def directory_of_size(directory: Directory, width: int, height: int) -> Directory:
    """`directory` for a picture of `width` x `height` pixels."""
    return {tag: _value_of_size(tag, value, width, height) for tag, value in without_shape(directory).items()}


def without_shape(directory: Directory) -> Directory:
    """`directory` for an array of another shape: what else tifffile writes into a description stays."""
    value = directory.get(_DESCRIPTION)
    if value is None or not value.data.startswith(_SHAPE):
        return directory
    others = {tag: other for tag, other in directory.items() if tag != _DESCRIPTION}
    try:
        said: dict[str, Any] = json.loads(value.data.rstrip(b"\0"))
    except ValueError:
        return others
    del said["shape"]
    return others | ({_DESCRIPTION: replace(value, data=json.dumps(said).encode() + b"\0")} if said else {})


def block_of_size(block: bytes, width: int, height: int) -> bytes:
    """An EXIF block for a picture of `width` x `height` pixels; a damaged block stays as it is.

    Changed in place, so that what stands at fixed offsets, such as a camera's own notes, stays where it is.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return block
    changed = bytearray(block)
    try:
        (start,) = struct.unpack_from(order + "I", block, CLASSIC.pointer_at)
        _change(changed, start, order, width, height, depth=0)
    except struct.error:
        return block
    return bytes(changed)


def _size_of(tag: int, width: int, height: int) -> int | None:
    """What the tag says of such a picture; None for tags that are not about its size."""
    return width if tag in _WIDTHS else height if tag in _HEIGHTS else None


def _value_of_size(tag: int, value: Value, width: int, height: int) -> Value:
    if value.directory is not None:
        return replace(value, directory=directory_of_size(value.directory, width, height))
    size = _size_of(tag, width, height)
    if size is None or value.type not in (_SHORT, _LONG) or value.count != 1:
        return value
    return Value(_LONG, struct.pack("<I", size))


def _change(block: bytearray, start: int, order: str, width: int, height: int, *, depth: int) -> None:
    (num_entries,) = struct.unpack_from(order + "H", block, start)
    for position in range(start + 2, start + 2 + 12 * num_entries, 12):
        tag, type_, count = struct.unpack_from(order + "HHI", block, position)
        if tag in _SUB_DIRECTORIES and depth < _MOST_DEPTH:
            (below,) = struct.unpack_from(order + "I", block, position + 8)
            _change(block, below, order, width, height, depth=depth + 1)
        size = _size_of(tag, width, height)
        if size is None or type_ not in (_SHORT, _LONG) or count != 1:
            continue
        if type_ == _SHORT and size <= _MOST_SHORT:
            struct.pack_into(order + "HH", block, position + 8, size, 0)
        else:
            struct.pack_into(order + "H", block, position + 2, _LONG)
            struct.pack_into(order + "I", block, position + 8, size)
