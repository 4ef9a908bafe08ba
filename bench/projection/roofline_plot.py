"""The picture of a projection: every layer with multiply-adds under the device's roof."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from ...figures import COLOURS, STYLE, new_figure
from .engine_kernels import Kind
from .roofline import LayerTime, Projection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS: dict[Kind, tuple[str, str, str]] = {
    "dense": ("o", COLOURS[0], "convolution, 3x3 and more"),
    "pointwise": ("s", COLOURS[1], "convolution, 1x1"),
    "grouped": ("^", COLOURS[2], "depthwise convolution"),
}
"""Shape, colour and name: told apart in grey print too."""
_LARGEST_POINTS = 16.0
"""Diameter of the marker of the layer that takes longest; areas are as times."""


def roofline_figure(projection: Projection, *, title: str) -> Figure:
    """Multiply-adds per byte against useful multiply-adds per second, both logarithmic.

    Solid: the device's roof; dashed: the shares of it that the projection supposes. Layers without multiply-adds have
    no place here; what they take of the time stands above.
    """
    shown = [layer for layer in projection.layers if layer.macs]
    with matplotlib.rc_context(STYLE):
        figure = new_figure(6.2, 4.4)
        axes = figure.add_subplot()
        _draw_layers(axes, shown)
        _set_limits(axes, projection, shown)
        _draw_roofs(axes, projection)
        axes.set_xlabel("multiply-adds per byte moved (area of a marker: time of a layer)")
        axes.set_ylabel("useful GMAC/s, projected")
        figure.suptitle(f"{title}\n{_summary(projection)}", x=0.01, ha="left", fontsize=7.5)
        kinds: list[Kind] = [kind for kind in _KINDS if any(layer.kind == kind for layer in shown)]
        handles = [
            Line2D([], [], linestyle="none", marker=_KINDS[kind][0], markerfacecolor=_KINDS[kind][1], color="0.15")
            for kind in kinds
        ]
        handles += [Line2D([], [], linestyle=style, color="0.25") for style in ("-", "--")]
        labels = [*(_KINDS[kind][2] for kind in kinds), "roof", "shares supposed"]
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        return figure


def _draw_layers(axes: "Axes", layers: Sequence[LayerTime]) -> None:
    longest = max((layer.time_ms for layer in layers), default=1.0)
    # Small ones on top of large ones.
    for layer in sorted(layers, key=lambda layer: -layer.time_ms):
        marker, colour, _ = _KINDS[layer.kind]
        axes.plot(
            [layer.intensity],
            [layer.macs_per_s / 1e9],
            linestyle="none",
            marker=marker,
            markersize=max(3.0, _LARGEST_POINTS * np.sqrt(layer.time_ms / longest)),
            markerfacecolor=colour,
            markeredgecolor="0.15",
            markeredgewidth=0.6,
            alpha=0.75,
            zorder=3,
        )


def _set_limits(axes: "Axes", projection: Projection, layers: Sequence[LayerTime]) -> None:
    roof = projection.roof
    ridge = roof.macs_per_s / roof.bytes_per_s
    intensities = [ridge, *(layer.intensity for layer in layers)]
    rates = [roof.macs_per_s, *(layer.macs_per_s for layer in layers)]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(intensities) / 2, max(intensities) * 4)
    axes.set_ylim(min(rates) / 1e9 / 2, max(rates) / 1e9 * 2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _draw_roofs(axes: "Axes", projection: Projection) -> None:
    roof, shares = projection.roof, projection.calibration
    x = np.geomspace(*axes.get_xlim(), 400)
    axes.plot(x, np.minimum(roof.macs_per_s, roof.bytes_per_s * x) / 1e9, "-", color="0.25", linewidth=1.4)
    reached = np.minimum(roof.macs_per_s * shares.dense, roof.bytes_per_s * shares.memory * x)
    axes.plot(x, reached / 1e9, "--", color="0.25", linewidth=1)
    right = axes.get_xlim()[1]
    axes.annotate(
        f"{roof.macs_per_s / 1e12:.3g} TMAC/s",
        (right, roof.macs_per_s / 1e9),
        textcoords="offset points",
        xytext=(-3, 3),
        ha="right",
        fontsize=8,
    )
    middle = np.sqrt(axes.get_xlim()[0] * roof.macs_per_s / roof.bytes_per_s)
    axes.annotate(
        f"{roof.bytes_per_s / 1e9:.0f} GB/s",
        (middle, roof.bytes_per_s * middle / 1e9),
        textcoords="offset points",
        xytext=(-4, 4),
        ha="right",
        fontsize=8,
    )


def _summary(projection: Projection) -> str:
    low, high = projection.range_ms
    bound = {
        name: sum(layer.time_ms for layer in projection.layers if layer.bound == name) / projection.latency_ms
        for name in ("compute", "memory", "launch")
    }
    other = sum(layer.time_ms for layer in projection.layers if not layer.macs) / projection.latency_ms
    parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in bound.items())
    return (
        f"projected, not measured: {projection.latency_ms:.3g} ms, expected between {low:.3g} and {high:.3g}\n"
        f"bound by {parts} of the time; layers not shown, without multiply-adds: {100 * other:.0f} %"
    )
