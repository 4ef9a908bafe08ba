"""How far a run is, on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 30.0
_UNIT_NAMES = {"it": "iteration", "step": "step", "network": "network"}
"""Of the units that runs are counted in, as lines call them."""


class Progress:
    """Counts the steps of a run and says how fast they come and how long the rest will take."""

    def __init__(
        self,
        *,
        unit: str,
        total: int | None,
        done: int = 0,
        is_quiet: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total` and `done` in steps, `total` None where it is not known yet; `is_quiet`: neither bar nor lines."""
        self.total, self.done = total, done
        self._unit, self._is_quiet, self._clock = unit, is_quiet, clock
        self._bar: tqdm[Any] = tqdm(
            total=total, initial=done, unit=unit, file=sys.stderr, disable=is_quiet or not sys.stderr.isatty()
        )
        self._first: tuple[int, float] | None = None
        """Steps done and seconds when the first step ended, which is slower than others."""
        self._last_line: float | None = None
        self.latest = ""
        """What the last steps gave."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()

    def step(self, count: int = 1) -> None:
        """So many steps more are done; where no bar is shown, a line says so at most every half minute."""
        self.done += count
        now = self._clock()
        if self._first is None:
            self._first = (self.done, now)
        self._bar.total = self.total
        self._bar.update(count)
        if self._last_line is None:
            # The first line waits like every other one.
            self._last_line = now
        elif self._bar.disable and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self.note(self.text + (f": {self.latest}" if self.latest else ""))

    def skip(self, count: int) -> None:
        """So many steps need not be done; they say nothing of the rate."""
        self.done += count
        if self._first is not None:
            self._first = (self._first[0] + count, self._first[1])
        if not self._bar.disable:
            self._bar.initial += count
            self._bar.update(count)

    def note(self, text: str) -> None:
        """A line for a person, above the bar."""
        if not self._is_quiet:
            self._last_line = self._clock()
            tqdm.write(text, file=sys.stderr)

    def tell(self, text: str) -> None:
        """What the last steps gave, such as a loss: for the bar and the next line."""
        self.latest = text
        self._bar.set_postfix_str(text, refresh=False)

    @property
    def rate(self) -> float | None:
        """Steps a second of this run; None: not known yet."""
        if self._first is None:
            return None
        steps, seconds = self.done - self._first[0], self._clock() - self._first[1]
        return steps / seconds if steps > 0 and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Of the whole run at its rate; None: not known yet."""
        rate = self.rate
        return None if rate is None or self.total is None else max(0, self.total - self.done) / rate

    @property
    def text(self) -> str:
        """`step 120 of 4000, 12.3 step/s, 5 min left`, as far as it is known."""
        planned = "" if self.total is None else f" of {self.total}"
        return f"{_UNIT_NAMES[self._unit]} {self.done}{planned}{self.pace_text}"

    @property
    def pace_text(self) -> str:
        """`, 12.3 it/s, 5 min left`, as far as it is known."""
        rate, left = self.rate, self.seconds_left
        speed = "" if rate is None else f", {rate:.3g} {self._unit}/s"
        return speed + self.left_text if left is not None else speed

    @property
    def left_text(self) -> str:
        """`, 5 min left`; empty where it is not known."""
        left = self.seconds_left
        return "" if left is None else f", {duration_text(left)} left"


def duration_text(seconds: float) -> str:
    """A time for a person: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
