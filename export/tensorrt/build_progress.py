"""How far a build is, as bars on a terminal, and Ctrl-C during it."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

from tqdm import tqdm

_Result = TypeVar("_Result")


def progress_monitor(trt: Any, stop: Event, *, quiet: bool) -> Any | None:
    """An `IProgressMonitor` that shows TensorRT's phases and ends the build once `stop` is set.

    None where this TensorRT has none (8.6). Bars are shown only on a terminal.
    """
    if not hasattr(trt, "IProgressMonitor"):
        return None
    hidden = quiet or not sys.stderr.isatty()

    class ProgressMonitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._bars: dict[str, tqdm[Any]] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._bars[phase_name] = tqdm(
                total=num_steps,
                desc=phase_name,
                position=len(self._bars),
                leave=False,
                disable=hidden,
                file=sys.stderr,
            )

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._bars[phase_name].update()
            return not stop.is_set()

        def phase_finish(self, phase_name: str) -> None:
            self._bars.pop(phase_name).close()

    return ProgressMonitor()


def interruptible(work: Callable[[], _Result], stop: Event) -> _Result:
    """Run `work` so that Ctrl-C sets `stop` at once; KeyboardInterrupt follows when `work` has ended.

    Python sees Ctrl-C only between its own instructions, and TensorRT builds for minutes inside one of them: so the
    build gets a thread of its own, and the main thread stays free to listen.
    """
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            stop.set()
            raise
