"""How much memory the process holds and how much is left, from Linux's own files; None where they do not exist."""

import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def resident_bytes() -> int | None:
    """Physical memory that this process holds now, in bytes."""
    try:
        num_pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return num_pages * os.sysconf("SC_PAGE_SIZE")


def data_bytes() -> int | None:
    """Address space for data that this process may write to, in bytes: what RLIMIT_DATA counts."""
    try:
        num_pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, IndexError, ValueError):
        return None
    return num_pages * os.sysconf("SC_PAGE_SIZE")


def return_free_memory() -> None:
    """Give freed memory that the C library keeps back to the system, so that `resident_bytes` counts what is in use.

    Does something with glibc only.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def available_bytes() -> int | None:
    """Memory a process may take without swapping: what the machine has left, or less where a container limits it."""
    return least_known(_machine_available(Path("/proc/meminfo")), _container_available(_CGROUP))


def least_known(*amounts: int | None) -> int | None:
    """The smallest amount that is known."""
    return min((amount for amount in amounts if amount is not None), default=None)


def _machine_available(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    return None


def _container_available(cgroup: Path) -> int | None:
    """Limit minus use of the control group (version 2) at `cgroup`; None where there is no limit."""
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):  # ValueError: the limit is "max"
        return None
    return max(limit - used, 0)


def refuse_more_than_is_free() -> None:
    """Limit this process for good to the memory that is free now, in addition to what it holds; on Linux alone.

    For the commands: a model file of a hundred bytes can ask for a terabyte. A lower limit that is set already stays.
    """
    free, held = available_bytes(), data_bytes()
    if free is None or held is None:
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = min(bound for bound in (held + free, soft, hard) if bound != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
