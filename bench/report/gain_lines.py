"""What time buys, as values: the gain over the noisy input and the time of a megapixel, for each kind of picture."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ...runtime.pictures.picture import KINDS
from ..results.entries import Entry
from .tradeoff import Panel, TradeoffPoint

_PHOTOGRAPHS = "camera"
"""The task that simulates developed photographs."""


@dataclass(frozen=True, kw_only=True)
class GainLine:
    """What was measured for one kind of picture on one device."""

    kind: str
    """grey images, colour images or photographs."""
    noise: str
    """How strong it is: sigma 50, or ISO 1600."""
    device: str
    dataset: str
    points: tuple[TradeoffPoint, ...]
    """At least one. Their `time_ms` is that of a megapixel, their `quality` in dB above the noisy input."""


def photograph_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Of networks for photographs: the latencies, and the qualities in all channels."""
    return [
        entry
        for entry in entries
        if entry.task == _PHOTOGRAPHS or (entry.task.startswith(f"{_PHOTOGRAPHS} ") and entry.protocol == "task cases")
    ]


def gain_lines(panels: Sequence[Panel], *, megapixels: float) -> list[GainLine]:
    """Of each kind of picture the measured points at the middle strength of noise, device by device.

    `panels`: of denoising and of photographs, PSNR, for a time per image of `megapixels`. Those whose noisy input is
    not known are left out. Grey comes before colour, photographs come last.
    """
    lines: list[GainLine] = []
    known = [panel for panel in panels if panel.noisy_quality is not None]
    for kind in sorted({_kind(panel) for panel in known}):
        of_kind = sorted((panel for panel in known if _kind(panel) == kind), key=_strength)
        panel = of_kind[len(of_kind) // 2]
        noisy = panel.noisy_quality
        assert noisy is not None
        measured = [
            replace(point, time_ms=point.time_ms / megapixels, quality=point.quality - noisy)
            for point in panel.points
            if point.group.origin == "measured"
        ]
        for group in sorted({point.group for point in measured}):
            lines.append(
                GainLine(
                    kind="photographs" if _is_of_photographs(panel) else f"{KINDS[panel.channels]} images",
                    noise=panel.task.partition(" ")[2] if panel.sigma is None else f"sigma {panel.sigma:g}",
                    device=group.device,
                    dataset=group.dataset,
                    points=tuple(point for point in measured if point.group == group),
                )
            )
    return lines


def _is_of_photographs(panel: Panel) -> bool:
    return panel.task.partition(" ")[0] == _PHOTOGRAPHS


def _kind(panel: Panel) -> tuple[bool, int]:
    return _is_of_photographs(panel), panel.channels


def _strength(panel: Panel) -> float:
    """Sigma, or the number in the name of a case: ISO 400 comes before ISO 1600."""
    if panel.sigma is not None:
        return panel.sigma
    number = re.search(r"\d+", panel.task)
    return float(number[0]) if number else 0.0
