"""Which model to use at which latency, computed from the results: the fronts of the trade-off in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .tradeoff import Group, Panel, TradeoffPoint, pareto_front, point_names, points_by_group

LEAST_GAIN_DB = 0.005
"""Nobody should wait longer for less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A model that no other one of its group beats at some noise level."""

    name: str
    """With its precision, backend or threads, where another run of the model is in the group too."""
    time_ms: float
    """Per image."""
    time_range_ms: tuple[float, float] | None
    """Of a projection."""
    parameters: int | None
    qualities: tuple[float | None, ...]
    """At the advice's sigmas; None: unknown there."""
    is_unbeaten: tuple[bool, ...]
    """At the advice's sigmas."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """From this much time on, this choice is the best."""

    least_time_ms: float
    choice: Choice
    quality: float
    gain: float | None
    """Over the step before; None: the first one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """For one kind of image on one device."""

    group: Group
    channels: int
    """1: grey, 3: colour."""
    sigmas: tuple[float, ...]
    """Grey levels 0..255, rising."""
    sigma: float
    """That the steps are for: the middle one of the sigmas."""
    steps: tuple[Step, ...]
    """At least one, the fastest first."""
    choices: tuple[Choice, ...]
    """Of all sigmas, the fastest first."""


def advice_of(panels: Iterable[Panel]) -> list[Advice]:
    """Advice for every measured and every projected group of panels with PSNR and a sigma.

    Published figures give none: their models cannot be had here.
    """
    found: dict[tuple[int, Group], dict[float, list[TradeoffPoint]]] = {}
    for panel in panels:
        for group, points in points_by_group(panel.points).items():
            if group.origin != "published" and panel.sigma is not None and panel.quality == "psnr_db":
                found.setdefault((panel.channels, group), {})[panel.sigma] = points
    advice = [_advice(channels, group, by_sigma) for (channels, group), by_sigma in found.items()]
    return sorted(advice, key=lambda item: (item.group.origin, item.group, item.channels))


def _advice(channels: int, group: Group, by_sigma: dict[float, list[TradeoffPoint]]) -> Advice:
    sigmas = sorted(by_sigma)
    fronts = {sigma: pareto_front(by_sigma[sigma]) for sigma in sigmas}
    # One name for a run at every sigma, though runs may be missing at some.
    runs = {_identity(point): point for sigma in sigmas for point in by_sigma[sigma]}
    names = dict(zip(runs, point_names(list(runs.values())), strict=True))
    unbeaten = {_identity(point): point for sigma in sigmas for point in fronts[sigma]}
    choices = {
        identity: Choice(
            name=names[identity],
            time_ms=point.time_ms,
            time_range_ms=point.time_range_ms,
            parameters=point.parameters,
            qualities=tuple(_quality_of(identity, by_sigma[sigma]) for sigma in sigmas),
            is_unbeaten=tuple(identity in map(_identity, fronts[sigma]) for sigma in sigmas),
        )
        for identity, point in sorted(unbeaten.items(), key=lambda item: item[1].time_ms)
    }
    middle = sigmas[len(sigmas) // 2]
    steps: list[Step] = []
    for point in fronts[middle]:
        if steps and point.quality - steps[-1].quality < LEAST_GAIN_DB:
            continue
        steps.append(
            Step(
                least_time_ms=point.time_ms,
                choice=choices[_identity(point)],
                quality=point.quality,
                gain=point.quality - steps[-1].quality if steps else None,
            )
        )
    return Advice(
        group=group,
        channels=channels,
        sigmas=tuple(sigmas),
        sigma=middle,
        steps=tuple(steps),
        choices=tuple(choices.values()),
    )


def _identity(point: TradeoffPoint) -> tuple[str, tuple[str, str, str], float]:
    return point.model, point.conditions, point.time_ms


def _quality_of(identity: tuple[str, tuple[str, str, str], float], points: Sequence[TradeoffPoint]) -> float | None:
    return next((point.quality for point in points if _identity(point) == identity), None)
