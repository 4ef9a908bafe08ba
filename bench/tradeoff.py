"""The points of the speed-versus-quality picture, joined from the entries of results."""

from collections.abc import Iterable
from dataclasses import dataclass

from .results import Entry, Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class TradeoffPoint:
    """A model at one noise level on one kind of images."""

    model: str
    latency_ms: float
    """The median."""
    psnr_db: float
    parameters: int | None
    """None: unknown."""
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """What may stand in one set of axes: the same images, the same noise, the same protocol."""

    channels: int
    """1: grey, 3: colour."""
    dataset: str
    protocol: str
    sigma: float
    """Grey levels 0..255."""
    points: tuple[TradeoffPoint, ...]
    """At least one."""
    noisy_psnr_db: float | None
    """What doing nothing scores; None: unknown."""


def tradeoff_panels(entries: Iterable[Entry], size: str, *, noisy_input: str) -> list[Panel]:
    """Panels for the latencies at `size`, ordered by kind of image, then by sigma.

    A latency and a quality in separate entries are joined where model, kind of image and origin agree. Qualities
    without a finite PSNR or without a latency have no point; the model named `noisy_input` gives the panels' baseline.
    """
    listed = list(entries)
    latencies = {
        (entry.model, entry.channels, entry.origin): entry.latency_ms.p50
        for entry in listed
        if entry.latency_ms is not None and entry.size == size
    }
    baselines: dict[tuple[int, str, str, float], float] = {}
    points: dict[tuple[int, str, str, float], list[TradeoffPoint]] = {}
    for entry in listed:
        if entry.psnr_db is None:
            continue
        # Entry guarantees these beside a PSNR.
        assert entry.dataset is not None and entry.protocol is not None and entry.sigma is not None
        place = (entry.channels, entry.dataset, entry.protocol, entry.sigma)
        latency = latencies.get((entry.model, entry.channels, entry.origin))
        if entry.model == noisy_input:
            baselines[place] = entry.psnr_db
        elif latency is not None:
            point = TradeoffPoint(
                model=entry.model,
                latency_ms=latency,
                psnr_db=entry.psnr_db,
                parameters=entry.parameters,
                origin=entry.origin,
            )
            points.setdefault(place, []).append(point)
    return [
        Panel(
            channels=place[0],
            dataset=place[1],
            protocol=place[2],
            sigma=place[3],
            points=tuple(points[place]),
            noisy_psnr_db=baselines.get(place),
        )
        for place in sorted(points)
    ]
