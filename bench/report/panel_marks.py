"""What the marks of a trade-off picture mean; the drawing and its legend read it here.

The colour says how the quality was measured, the shape where the time comes from, the size how many parameters, the
line which precision. Size alone stands for the parameters: a scale of colours would take the one mark that nobody
overlooks from what must not be mixed up, the protocols.
"""

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from matplotlib.colors import to_rgb

from ...figures import COLOURS
from ..results.entries import Origin
from .tradeoff import TradeoffPoint, pareto_front, point_names

MARKERS: Mapping[Origin, str] = {"measured": "o", "published": "D", "projected": "^"}
PROTOCOL_TEXTS: Mapping[str, str] = {
    "standard": "standard protocol",
    "standard, clipped 8-bit": "noise clipped and rounded to 8 bits",
    "hinas-patches": "overlapping patches, each with noise of its own (HiNAS's authors): higher than standard",
    "half-size images": "images shrunk to half: lower than standard",
    "sr-y": "bicubically reduced, brightness, border cropped",
    "task cases": "degraded as the task is scored in training",
    "task cases, brightness": "the same, brightness alone",
    "unknown": "protocol not stated",
}
_PRECISIONS: Mapping[str, tuple[Any, float]] = {
    "fp32": ("-", 0.0),
    "fp16": ((0, (8, 1.5, 1, 1.5)), 0.35),
    "bf16": ((0, (5, 1.5)), 0.5),
    "int8": ((0, (1.2, 1.2)), 0.75),
}
"""Dashes of a line, and how far the fillings of its marks are from their colour to white."""


LONGEST_LEGEND_LINE = 112
"""Signs of the legend's size that the width of a picture holds."""
_LONGEST_NAME = 34


def drawable(text: str, longest: int = _LONGEST_NAME) -> str:
    """At most `longest` signs, none of which an SVG file may not hold."""
    return shorten("".join(sign if sign.isprintable() else " " for sign in text), longest, placeholder="…")


def protocol_colours(points: Sequence[TradeoffPoint]) -> dict[str, Any]:
    """One colour for each protocol: always the same for the known ones."""
    known = dict(zip(PROTOCOL_TEXTS, COLOURS, strict=False))
    present = {point.group.protocol for point in points}
    return {
        protocol: known.get(protocol, "0.4")
        for protocol in (*known, *sorted(present - set(known)))
        if protocol in present
    }


def precision_of(point: TradeoffPoint) -> str:
    """Empty: not known."""
    return point.conditions[1]


def dashes(precision: str) -> Any:
    """A matplotlib line style."""
    return _PRECISIONS.get(precision, _PRECISIONS["fp32"])[0]


def tint(colour: Any, precision: str) -> tuple[float, float, float]:
    """The colour of a precision's marks: the lower the precision, the paler, in grey print too."""
    pale = _PRECISIONS.get(precision, _PRECISIONS["fp32"])[1]
    red, green, blue = (channel + (1 - channel) * pale for channel in to_rgb(colour))
    return red, green, blue


def is_ours(point: TradeoffPoint, ours: frozenset[str]) -> bool:
    """Whether it is one that the lines go through, if nothing beats it."""
    return point.model in ours and point.group.origin == "measured"


def fronts(points: Sequence[TradeoffPoint], ours: frozenset[str]) -> list[list[TradeoffPoint]]:
    """Our measured points that none of ours beats, the fastest first: for each device and protocol, each precision."""
    own: dict[tuple[Any, str], list[TradeoffPoint]] = {}
    for point in points:
        if is_ours(point, ours):
            own.setdefault((point.group, precision_of(point)), []).append(point)
    order = list(_PRECISIONS)
    keys = sorted(own, key=lambda key: (key[0], order.index(key[1]) if key[1] in order else len(order)))
    return [pareto_front(own[key]) for key in keys]


def names_with_devices(points: Sequence[TradeoffPoint]) -> list[str]:
    """A drawable name for every point: behind it the device, where one method's times are of several."""
    names: list[str] = []
    for point, name in zip(points, point_names(points), strict=True):
        devices = {
            other.group.device
            for other in points
            if (other.model, other.group.origin) == (point.model, point.group.origin)
        }
        whole = drawable(name)
        names.append(f"{whole}, {drawable(point.group.device)}" if len(devices) > 1 else whole)
    return names
