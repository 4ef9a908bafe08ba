"""Who is told what happens during a long run."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Called as the work goes on; by default nothing is done."""

    note: Callable[[str], None] = lambda _: None
    """A line for a person."""
    begin: Callable[[str, int], None] = lambda _, __: None
    """A stage by name, and the number of steps it takes."""
    step: Callable[[], None] = lambda: None
    """A step of the stage is done."""

    def warn(self, text: str) -> None:
        """A line that says it is a warning."""
        self.note(f"warning: {text}")


class ProgressBars:
    """One bar per stage; notes go above it."""

    def __init__(self, *, is_quiet: bool) -> None:
        """`is_quiet`: neither bars nor notes."""
        self._is_quiet = is_quiet
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def begin(self, stage: str, num_steps: int) -> None:
        """Close the last bar and open another."""
        self._close()
        hidden = self._is_quiet or not sys.stderr.isatty()
        self._bar = tqdm(total=num_steps, desc=stage, file=sys.stderr, disable=hidden, leave=False)

    def step(self) -> None:
        """One step of the stage is done."""
        if self._bar is not None:
            self._bar.update()

    def note(self, text: str) -> None:
        """A line for a person."""
        if not self._is_quiet:
            tqdm.write(text, file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
