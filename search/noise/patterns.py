"""Patterns without noise: checkerboards, grids, dots and lines of two colours, which look like noise to a network.

Masks are (H, W) bool: where the second colour lies.
"""

from collections.abc import Callable

import numpy as np

_LONGEST_PERIOD = 40
"""Pixels."""


def drawn_pattern(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(height, width, 3) uint8: one random pattern all over."""
    # It begins anywhere within a period.
    rows, columns = (np.arange(length) + int(generator.integers(2 * _LONGEST_PERIOD)) for length in (height, width))
    mask_HW = _PATTERNS[generator.integers(len(_PATTERNS))](rows[:, None], columns[None, :], generator)
    colours = generator.integers(0, 256, (2, 3), dtype=np.uint8)
    if generator.random() < 0.3:
        colours = np.array([[0] * 3, [255] * 3], np.uint8)
    return colours[np.broadcast_to(mask_HW, (height, width)).astype(np.intp)]


def _checkerboard(rows: np.ndarray, columns: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    cell = _drawn_period(1, generator)
    return (rows // cell + columns // cell) % 2 == 0


def _grid(rows: np.ndarray, columns: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    period, line = _period_and_part(generator)
    return (rows % period < line) | (columns % period < line)


def _dots(rows: np.ndarray, columns: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    period, dot = _period_and_part(generator)
    return (rows % period < dot) & (columns % period < dot)


def _lines(rows: np.ndarray, columns: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Level, upright or slanting, with a whole number of columns or rows a step."""
    period, line = _period_and_part(generator)
    down, right = ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, -1))[generator.integers(6)]
    return (down * rows + right * columns) % period < line


_PATTERNS: tuple[Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray], ...] = (
    _checkerboard,
    _grid,
    _dots,
    _lines,
)


def _period_and_part(generator: np.random.Generator) -> tuple[int, int]:
    """After how many pixels a pattern repeats, and how many of them the second colour takes."""
    period = _drawn_period(2, generator)
    return period, int(generator.integers(1, period))


def _drawn_period(shortest: int, generator: np.random.Generator) -> int:
    """Pixels; short ones as often as long ones on a logarithmic scale."""
    return round(float(np.exp(generator.uniform(np.log(shortest), np.log(_LONGEST_PERIOD)))))
