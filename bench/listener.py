"""Who is told what happens during a long run."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Called as the work goes on; by default nobody listens."""

    note: Callable[[str], None] = lambda _: None
    """A line for a person."""
    begin: Callable[[str, int], None] = lambda _, __: None
    """A stage by name, and the number of steps it takes."""
    step: Callable[[], None] = lambda: None
    """A step of the stage is done."""

    def warn(self, text: str) -> None:
        """A line that says it is a warning."""
        self.note(f"warning: {text}")
