"""The windows that a backend can run, and what it raises where one does not fit into the memory."""

from dataclasses import dataclass


class OutOfMemoryError(MemoryError):
    """A backend could not allocate what one run needs; a smaller window may succeed."""


def rounded_up(length: int, alignment: int) -> int:
    """The smallest multiple of `alignment` that is at least `length`."""
    return -(-length // alignment) * alignment


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowLimits:
    """The windows that a backend takes; both sizes are multiples of the model's alignment."""

    smallest: tuple[int, int]
    """(height, width) in pixels."""
    largest: tuple[int, int]
    """(height, width) in pixels."""

    def __str__(self) -> str:
        ends = dict.fromkeys((self.smallest, self.largest))
        return " to ".join(f"{height} x {width}" for height, width in ends) + " pixels"

    def for_turned_windows(self) -> "WindowLimits":
        """The limits that hold for a window and for the same window turned by 90 degrees."""
        low, high = max(self.smallest), min(self.largest)
        return WindowLimits(smallest=(low, low), largest=(high, high))

    def allow(self, height: int, width: int, *, halo: int, alignment: int) -> bool:
        """Whether an image of `height` x `width` pixels can be cut into such windows."""
        least_cut = 2 * rounded_up(halo, alignment) + alignment
        return all(
            low <= rounded_up(length, alignment) and (rounded_up(length, alignment) <= high or least_cut <= high)
            for length, low, high in zip((height, width), self.smallest, self.largest, strict=True)
        )
