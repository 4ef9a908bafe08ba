"""Read a model file that may be damaged or come from a stranger: what it could do beyond computing is refused.

ONNX is a protocol buffer. Only its frame is read here: the tensors' places of storage, down to those inside attributes
and subgraphs.
"""

from pathlib import Path

from ...errors import UserError
from .checksum import is_whole
from .message_fields import fields

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

    Raises UserError where it cannot be read, is larger than a gigabyte, is no protocol buffer, does not match its own
    checksum, or keeps tensors in other files: those could be any file of this machine.
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
        is_damaged = not is_whole(content)
    except (IndexError, ValueError) as error:
        raise UserError(f"{path}: damaged, or not an ONNX model ({error})") from error
    if keeps_elsewhere:
        raise UserError(f"{path}: keeps tensors in other files; a hinas model is one file, written by hinas-export")
    if is_damaged:
        raise UserError(
            f"{path}: damaged: the network is not the one that the file's checksum is of; copy or export it again"
        )
    return content


def _keeps_data_elsewhere(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MOST_NESTED:
        raise ValueError(f"nested more than {_MOST_NESTED} deep")
    for number, value in fields(message):
        if kind == "tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                return True
            continue
        inner = _INSIDE[kind].get(number)
        if inner and isinstance(value, memoryview) and _keeps_data_elsewhere(value, inner, depth + 1):
            return True
    return False
