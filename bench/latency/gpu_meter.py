"""What a GPU says of itself through NVML: memory in use and energy spent. Needs `nvidia-ml-py`, which is optional.

The energy counter exists since Volta and is renewed every 20 to 100 ms, so a run's energy is the mean over a second of
runs one after the other; it is the whole board's, what it draws when idle included.
"""

import time
from collections.abc import Callable
from typing import Any

from ...runtime.backends.cuda_driver import CudaDriverError, driver_library, pci_bus_id

_SECONDS = 1.0


class GpuMeter:
    """The counters of one GPU."""

    def __init__(self, nvml: Any, device: Any) -> None:
        """`nvml`: the module `pynvml`, initialised; `device`: its handle. Remembers what memory is in use now."""
        self._nvml, self._device = nvml, device
        self._before_bytes = self._used_bytes()

    def taken_bytes(self) -> int | None:
        """Memory in use now beyond that at the beginning; None where it is not more."""
        taken = self._used_bytes() - self._before_bytes
        return taken if taken > 0 else None

    def energy_of(self, run: Callable[[], object]) -> float | None:
        """Joules of one run, over a second of them; None where the GPU has no counter."""
        begin_mj = self._energy_mj()
        if begin_mj is None:
            return None
        until = time.perf_counter() + _SECONDS
        runs = 0
        while runs == 0 or time.perf_counter() < until:
            run()
            runs += 1
        spent_mj = (self._energy_mj() or 0) - begin_mj
        return spent_mj / 1000 / runs if spent_mj > 0 else None

    def _used_bytes(self) -> int:
        return int(self._nvml.nvmlDeviceGetMemoryInfo(self._device).used)

    def _energy_mj(self) -> int | None:
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._device))
        except self._nvml.NVMLError:
            return None


def gpu_meter() -> GpuMeter | None:
    """The meter of the first GPU that CUDA shows; None where `nvidia-ml-py` or NVML is missing or does not show it."""
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        # NVML counts GPUs in another order than CUDA, and knows nothing of CUDA_VISIBLE_DEVICES.
        device = pynvml.nvmlDeviceGetHandleByPciBusId(pci_bus_id(driver_library()))
        return GpuMeter(pynvml, device)
    except (pynvml.NVMLError, CudaDriverError, OSError):
        return None
