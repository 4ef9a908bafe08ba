"""What the system calls its processor."""

import platform
from contextlib import suppress
from pathlib import Path


def processor_name() -> str:
    """Such as AMD EPYC; the kind of machine where the system has no better name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"
