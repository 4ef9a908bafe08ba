"""One method in a process of its own: `python -m hinas.bench.latency.latency_worker`, spoken to in lines of JSON.

A process of its own makes the cold start cold and the peak memory the method's. First line in: what to measure. First
line out: the cold start. Then for each line "run" the milliseconds of one run; for "totals" the largest memory the
process ever held and what a GPU says. A user's mistake comes out as {"error": text}. It ends with its input.
"""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import UserError


def main() -> None:
    """Serve one parent."""
    # Ctrl-C is the parent's to handle; it closes our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = json.loads(sys.stdin.readline())
    try:
        _serve(request)
    except UserError as error:
        _say({"error": str(error)})


def _serve(request: dict[str, Any]) -> None:
    from ...runtime.tiling.window_limits import OutOfMemoryError
    from .open_method import open_method

    method = open_method(request)
    try:
        first = method.run()
        _say(
            {
                "import_ms": method.import_ms,
                "load_ms": method.load_ms,
                "first_run_ms": sum(first.values()),
                "library": method.library,
            }
        )
        device_bytes = None if method.gpu is None else method.gpu.taken_bytes()
        for line in sys.stdin:
            if line.strip() != "totals":
                _say(method.run())
                continue
            energy = None if method.gpu is None else method.gpu.energy_of(method.run)
            _say(
                {
                    "peak_memory_bytes": _peak_memory_bytes(),
                    "peak_device_bytes": device_bytes,
                    "energy_j": energy,
                }
            )
    except (OutOfMemoryError, MemoryError) as error:
        raise UserError("out of memory") from error


def _say(message: Mapping[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _peak_memory_bytes() -> int | None:
    """The largest resident memory of this process; None where the system does not say."""
    try:
        # Not getrusage: on Linux that starts from the memory of the process that started this one.
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    # Bytes on macOS, the only system left that comes here.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
