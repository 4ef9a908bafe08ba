"""The checksum that a model file carries of its own network: damaged weights would run without a word.

It is the SHA-256 of the file's graph, which holds all weights, in the entry `hinas.checksum` of the metadata. Files
from before it have none. Standard library only.
"""

import hashlib

from .manifest import PREFIX
from .message_fields import fields

_KEY = f"{PREFIX}checksum".encode()
_GRAPH, _METADATA = 7, 14
"""Field numbers of onnx.proto: of a model, and of an entry of its metadata."""
_NAME, _TEXT = 1, 2
_LENGTH_DELIMITED = 2


def with_checksum(content: bytes) -> bytes:
    """The content of a model file, which has no checksum yet, with the entry behind all others."""
    found = checksum_of(content).encode()
    return content + _field(_METADATA, _field(_NAME, _KEY) + _field(_TEXT, found))


def is_whole(content: bytes) -> bool:
    """Whether the network is the one that the file's checksum is of; True where there is none.

    Raises ValueError for bytes that are no protocol buffer.
    """
    stated = [dict(fields(value)).get(_TEXT) for value in _messages(content, _METADATA) if _is_checksum(value)]
    return not stated or stated == [checksum_of(content).encode()]


def checksum_of(content: bytes) -> str:
    """The checksum of the graph in a model file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for graph in _messages(content, _GRAPH):
        digest.update(graph)
    return digest.hexdigest()


def _messages(content: bytes, wanted: int) -> list[memoryview]:
    found = fields(memoryview(content))
    return [value for number, value in found if number == wanted and isinstance(value, memoryview)]


def _is_checksum(entry: memoryview) -> bool:
    return dict(fields(entry)).get(_NAME) == _KEY


def _field(number: int, payload: bytes) -> bytes:
    # Numbers and lengths below 128 are one byte.
    return bytes([number << 3 | _LENGTH_DELIMITED, len(payload)]) + payload
