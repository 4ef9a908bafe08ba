"""Read a model file that may come from a stranger: what it could do beyond computing is refused before it is loaded.

ONNX is a protocol buffer. Only its frame is read here: the tensors' places of storage, down to those inside attributes
and subgraphs.
"""

from collections.abc import Iterator
from pathlib import Path

from ...errors import UserError

LARGEST_MODEL_BYTES = 2**30
"""The bundled models have one or two million; an ONNX file cannot hold more than twice this anyway."""

# Field numbers of onnx.proto: which fields of a message are messages that may hold tensors.
_MODEL = {7: "graph", 25: "function"}
_GRAPH = {1: "node", 5: "tensor", 15: "sparse"}
_NODE = {5: "attribute"}
_ATTRIBUTE = {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"}
_SPARSE = {1: "tensor", 2: "tensor"}
_FUNCTION = {7: "node", 11: "attribute"}
_INSIDE = {
    "model": _MODEL,
    "graph": _GRAPH,
    "node": _NODE,
    "attribute": _ATTRIBUTE,
    "sparse": _SPARSE,
    "function": _FUNCTION,
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_MOST_NESTED = 30


def model_bytes(path: Path) -> bytes:
    """The content of a model file.

    Raises UserError where it cannot be read, is larger than a gigabyte, is no protocol buffer, or keeps tensors in
    other files: those could be any file of this machine.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_MODEL_BYTES:
            raise UserError(f"{path}: {size:,} bytes; a model file has at most {LARGEST_MODEL_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the model file ({error.strerror})") from error
    try:
        keeps_elsewhere = _keeps_data_elsewhere(memoryview(content), "model", 0)
    except (IndexError, ValueError) as error:
        raise UserError(f"{path}: damaged, or not an ONNX model ({error})") from error
    if keeps_elsewhere:
        raise UserError(f"{path}: keeps tensors in other files; a hinas model is one file, written by hinas-export")
    return content


def _keeps_data_elsewhere(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MOST_NESTED:
        raise ValueError(f"nested more than {_MOST_NESTED} deep")
    for number, value in _fields(message):
        if kind == "tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                return True
            continue
        inner = _INSIDE[kind].get(number)
        if inner and isinstance(value, memoryview) and _keeps_data_elsewhere(value, inner, depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(number, bytes or number) of each field of a message; numbers of fixed width come as their bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        match key & 7:
            case 0:
                value, place = _varint(message, place)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, place = _varint(message, place)
            case 5:
                length = 4
            case wire_type:
                raise ValueError(f"wire type {wire_type} at byte {place}")
        if place + length > len(message):
            raise ValueError("it ends too early")
        yield key >> 3, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("it ends too early" if shift <= 63 else f"no number at byte {place}")
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
