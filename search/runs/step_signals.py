"""Ctrl-C, SIGTERM and SIGHUP wait for the end of a step, so that what was learnt can be kept whole."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_SAME_WISH_SECONDS = 1.0
"""torchrun sends its processes the signal that the terminal has sent them already: both are one wish."""
_STANDARD_ERROR = 2

Handler = Callable[[int, FrameType | None], Any]


class StepSignals:
    """The signal that waits, if there is one."""

    def __init__(self) -> None:
        self._waiting: tuple[Handler, int, float] | None = None

    def step_ended(self, save: Callable[[], None] = lambda: None) -> None:
        """Where a signal waits: `save`, then do what the signal does, which is to raise."""
        if self._waiting is None:
            return
        handler, number, _ = self._waiting
        save()
        self._waiting = None
        handler(number, None)

    def arrived(self, handler: Handler, number: int) -> None:
        """Keep the first signal for the end of the step; a later one is handled at once."""
        now = time.monotonic()
        if self._waiting is None:
            self._waiting = (handler, number, now)
            _say_on_a_terminal("stopping after this step; Ctrl-C again stops at once")
        elif now - self._waiting[2] > _SAME_WISH_SECONDS:
            handler(number, None)


@contextlib.contextmanager
def signals_wait_for_steps() -> Iterator[StepSignals]:
    """While it lasts, the first signal waits for `step_ended`, or for the end; another one stops at once, unsaved.

    Outside the main thread, which alone receives signals, and for signals that are ignored or end the process by
    default, nothing changes.
    """
    signals = StepSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: handler for number in known if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, _: signals.arrived(before[number], number))
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    signals.step_ended()


def _say_on_a_terminal(text: str) -> None:
    # Not through sys.stderr: the signal may have come while that was writing.
    with contextlib.suppress(OSError):
        if os.isatty(_STANDARD_ERROR):
            os.write(_STANDARD_ERROR, f"\n{text}\n".encode())
