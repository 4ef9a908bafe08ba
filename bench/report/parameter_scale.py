"""Numbers of parameters as colours and sizes of markers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..results.result_texts import parameters_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNKNOWN_PARAMETERS_COLOUR = "0.6"


class ParameterScale:
    """Number of parameters to the colour and the diameter of a marker."""

    def __init__(self, parameters: Sequence[int | None]) -> None:
        """`parameters`: of every point in the picture; None: unknown."""
        known = [number for number in parameters if number]
        low, high = (min(known), max(known)) if known else (1e5, 1e6)
        # At least a decade, so that nearly equal models look nearly equal.
        middle, half = np.sqrt(low * high), max(np.sqrt(high / low), np.sqrt(10))
        self._norm = LogNorm(middle / half, middle * half)
        self._colours = matplotlib.colormaps["cividis_r"]
        self._any_known = bool(known)

    def colour(self, parameters: int | None) -> Any:
        return self._colours(self._norm(parameters)) if parameters else _UNKNOWN_PARAMETERS_COLOUR

    def marker_size(self, parameters: int | None) -> float:
        """Diameter in points."""
        return 6 + 6 * float(self._norm(parameters)) if parameters else 6.0

    def add_colourbar(self, figure: Figure, axes: Sequence["Axes"], *, shrink: float) -> None:
        """Beside all `axes`, `shrink` times their height, at the top."""
        if not self._any_known:
            return
        scalars = ScalarMappable(self._norm, self._colours)
        bar = figure.colorbar(
            scalars, ax=list(axes), aspect=30, pad=0.015, fraction=0.04, shrink=shrink, anchor=(0.0, 1.0)
        )
        bar.set_label("parameters (grey: unknown)")
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: parameters_text(value)))
