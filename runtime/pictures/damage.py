"""What decoders say of damaged files, as one error for a person."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import UserError

_OWN_WORDS = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, struct.error, zlib.error)
"""Errors whose texts decoders write for people."""
_INTERNAL = (LookupError, TypeError, ArithmeticError, AttributeError)
"""Errors that decoders stumble into: their texts are about Python."""


@contextmanager
def damage_is_the_users() -> Iterator[None]:
    """Decoders answer damaged files with errors of many classes: all of them become one UserError."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except _INTERNAL as error:
        raise UserError("damaged or truncated, cannot be decoded") from error
    except _OWN_WORDS as error:
        reason = (str(error).strip().splitlines() or [""])[0][:160]
        # An object's place in memory says nothing to a person.
        in_words = f" ({reason})" if reason and " object at 0x" not in reason else ""
        raise UserError(f"damaged or truncated, cannot be decoded{in_words}") from error
