"""The machine that measured, as results keep it."""

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ... import __version__
from ...runtime.backends.cuda_driver import driver_library, gpu_name
from ...runtime.backends.learnt_numbers import processor_name

GPU_BACKENDS = frozenset({"cuda", "tensorrt"})

_MISSING = "not installed"


class Machine(BaseModel):
    """Hardware, system and library versions of one session of measurements."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str
    """The processor's name as the system gives it."""
    physical_cores: int | None
    """None: the system does not say."""
    logical_cores: int
    """Processors that this process may use."""
    affinity: tuple[int, ...] = ()
    """Their numbers; empty: the system does not say."""
    governor: str | None = None
    """How the system sets the processors' clocks, such as performance; None: it does not say."""
    memory_bytes: int
    """All of the machine's memory."""
    load_average: float | None
    """Mean number of running processes in the minute before; well above 0, latencies are disturbed. None: unknown."""
    system: str
    python: str
    numpy: str
    onnxruntime: str
    openvino: str = "not installed"
    hinas: str
    date_utc: datetime
    """When the measurements began."""

    @property
    def is_busy(self) -> bool:
        """Whether other programs were computing when the measurements began."""
        return self.load_average is not None and self.load_average > 0.5


def describe_machine() -> Machine:
    """Look at this machine now."""
    import psutil

    affinity = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    return Machine(
        cpu=processor_name(),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=len(affinity) or os.cpu_count() or 1,
        affinity=affinity,
        governor=_governor(affinity),
        memory_bytes=psutil.virtual_memory().total,
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        numpy=installed_version("numpy") or _MISSING,
        onnxruntime=installed_version("onnxruntime", "onnxruntime-gpu") or _MISSING,
        openvino=installed_version("openvino") or _MISSING,
        hinas=__version__,
        date_utc=datetime.now(UTC).replace(microsecond=0),
    )


def device_name(backend: str, machine: Machine) -> str:
    """The processor or the GPU that a backend runs on."""
    return gpu_name(driver_library()) if backend in GPU_BACKENDS else machine.cpu


def _governor(affinity: tuple[int, ...]) -> str | None:
    """Of the processors in use; all their governors where they differ."""
    found: set[str] = set()
    for number in affinity:
        with suppress(OSError):
            path = Path(f"/sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor")
            found.add(path.read_text(encoding="utf-8").strip())
    return ", ".join(sorted(found)) or None


def installed_version(*packages: str) -> str | None:
    """Of the first of these packages that is installed; None: none is."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None
