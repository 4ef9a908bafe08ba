"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is being written is removed first."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CTRL_C_CODE = 130
"""The exit code."""
_NAMES = ("SIGTERM", "SIGHUP")
_SHELLS_OFFSET = 128
"""A shell's exit code for a process that a signal ended is this plus the signal's number."""


class StoppedBySignal(SystemExit):
    """The command was told to end."""

    def __init__(self, number: int) -> None:
        super().__init__(_SHELLS_OFFSET + number)


STOPS = (KeyboardInterrupt, StoppedBySignal)
"""What a person or a system that ends a command raises in it."""


@contextmanager
def signals_raise() -> Iterator[None]:
    """While it lasts, the signals raise `StoppedBySignal` in this process's main thread, where it is entered.

    Signals that the caller of the command set to be ignored (nohup) stay ignored.
    """
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        # A second signal must not interrupt the removal.
        signal.signal(number, signal.SIG_IGN)
        if os.getpid() != owner:
            # A worker that was forked from the command ends at once.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise StoppedBySignal(number)

    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: handler for number in known if (handler := signal.getsignal(number)) == signal.SIG_DFL}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
