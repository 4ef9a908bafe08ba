"""How much memory windows may take: what is allowed, minus what is spoken for.

The memory allowed is a bound for the whole process, so what the process holds already (program, weights, picture) and
the output array are taken off first. Without a bound: half of the memory that is free.
"""

from .process_memory import available_bytes, resident_bytes

_MOST_STREAMING = 7 * 2**28
"""More would not make a streamed picture faster: its tiles are as large as they get."""
_UNKNOWN_PROCESS = 200 * 2**20
_UNKNOWN_AVAILABLE = 2 * 2**30


def working_bytes(memory_bytes: int | None, *, output_bytes: int) -> int:
    """What windows may take: a bound for the process, or half of what is free, minus what is spoken for.

    `memory_bytes`: bound for the whole process; None: half of the free memory. May be negative.
    """
    if memory_bytes is None:
        free = available_bytes()
        return (_UNKNOWN_AVAILABLE if free is None else free // 2) - output_bytes
    held = resident_bytes()
    return memory_bytes - (_UNKNOWN_PROCESS if held is None else held) - output_bytes


def streaming_bytes(memory_bytes: int | None) -> int:
    """As `working_bytes`, for a picture that is streamed: without a bound at most 1.75 GiB for the whole process."""
    if memory_bytes is not None:
        return working_bytes(memory_bytes, output_bytes=0)
    return min(working_bytes(None, output_bytes=0), working_bytes(_MOST_STREAMING, output_bytes=0))
