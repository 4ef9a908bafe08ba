"""Bytes with a JSON object about them, sealed by a hash: damage is found before anything reads them.

Layout: 16 bytes of magic, the SHA-256 of all that follows, the JSON's length (8 bytes, little-endian), JSON, payload.
"""

import hashlib
import json
from typing import Any

_MAGIC = b"hinas-sealed-1\r\n"
_START = len(_MAGIC) + 32


class DamagedError(ValueError):
    """The bytes are not what was sealed: truncated, changed, or never sealed."""


def sealed(about: dict[str, Any], payload: bytes) -> bytes:
    """Seal `payload` together with the JSON object `about`."""
    text = json.dumps(about).encode()
    body = len(text).to_bytes(8, "little") + text + payload
    return _MAGIC + hashlib.sha256(body).digest() + body


def unsealed(content: bytes) -> tuple[dict[str, Any], bytes]:
    """What was sealed: the object and the payload. Raises DamagedError."""
    body = memoryview(content)[_START:]
    if content[: len(_MAGIC)] != _MAGIC or content[len(_MAGIC) : _START] != hashlib.sha256(body).digest():
        raise DamagedError("truncated or damaged")
    stop = 8 + int.from_bytes(body[:8], "little")
    return json.loads(bytes(body[8:stop])), bytes(body[stop:])
