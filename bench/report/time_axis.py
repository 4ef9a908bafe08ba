"""The axis of time that pictures of quality share: logarithmic, its numbers written out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def set_time_axis(axes: "Axes", times_ms: Sequence[float]) -> None:
    """Over all `times_ms` and at least a decade, with room for the labels beside the outermost points."""
    low, high = min(times_ms), max(times_ms)
    middle, half = np.sqrt(low * high), max(np.sqrt(high / low) ** 1.1 * 1.6, np.sqrt(10))
    axes.set_xscale("log")
    axes.set_xlim(middle / half, middle * half)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if half < 30 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
