"""One model in a process of its own: `python -m hinas.bench.latency_worker`, spoken to in lines of JSON.

A process of its own makes the cold start cold and the peak memory the model's. First line in: what to
measure. First line out: the cold start. Then for each line "run" the milliseconds of one run; for "peak" the
largest memory the process ever held. A user's mistake comes out as {"error": text}. It ends with its input.
"""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ..errors import UserError


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
    started = time.perf_counter()
    import numpy as np
    import onnxruntime  # noqa: F401  (timed: the backend imports it)

    from ..runtime.backends.interface import OutOfMemoryError
    from ..runtime.backends.registry import open_backend
    from ..runtime.tiling import rounded_up

    imported = time.perf_counter()
    backend = open_backend(request["backend"], Path(request["model"]), threads=request["threads"])
    loaded = time.perf_counter()

    manifest = backend.manifest
    height, width = (rounded_up(request[side], manifest.alignment) for side in ("height", "width"))
    # Noise around middle grey; values as a picture's, and the same on every call.
    generator = np.random.default_rng(0)
    noisy = generator.normal(0.5, 0.2, (1, manifest.channels, height, width)).astype(np.float32)
    sigma = np.full(1, sum(manifest.sigma_range) / 2, np.float32) if manifest.sigma_range else None
    level = sigma if manifest.conditioned else None

    def timed_run() -> float:
        begin = time.perf_counter()
        backend.run(noisy, level)
        return 1000 * (time.perf_counter() - begin)

    try:
        _say(
            {
                "import_ms": 1000 * (imported - started),
                "load_ms": 1000 * (loaded - imported),
                "first_run_ms": timed_run(),
                "library": backend.description,
            }
        )
        for line in sys.stdin:
            _say({"peak_memory_bytes": _peak_memory_bytes()} if line.strip() == "peak" else {"ms": timed_run()})
    except OutOfMemoryError as error:
        raise UserError("out of memory") from error


def _say(message: dict[str, Any]) -> None:
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
