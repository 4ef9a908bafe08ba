"""Whether this machine's processor has the instructions that int8 pays with."""

from functools import cache
from pathlib import Path

_OF_X86 = "avx2"
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})

WITHOUT_VNNI = (
    "this processor has no VNNI instructions, which int8 is meant for: it is a little less exact here, gains less "
    "time, and may even take longer than fp32"
)
"""What a person should know. Older instructions add two products in 16 bits, which can overflow."""


@cache
def processor_flags() -> frozenset[str]:
    """What Linux says that the processor has, such as avx2; empty where another system runs."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split())


def is_known_to_lack_vnni(flags: frozenset[str]) -> bool:
    """Whether a processor with these flags computes int8 by older instructions; False also where nobody knows."""
    return _OF_X86 in flags and not flags & _VNNI
