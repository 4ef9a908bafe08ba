"""Projections held against latencies that others published, for networks whose architecture is known."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ...runtime.model.manifest import Precision
from ..devices.profile import device_profile
from ..latency.timed_method import Size
from ..results.result_texts import text_table
from .known_networks import KNOWN_NETWORKS
from .roofline import A_PRIORI, Calibration, Projection, project_latency


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedTime:
    """What a source states."""

    network: str
    """A name of KNOWN_NETWORKS."""
    gpu: str
    """An alias of a device profile."""
    precision: Precision
    size: Size
    """Of the network's input."""
    latency_ms: float
    """Of one image."""
    source: str


def published_times() -> list[PublishedTime]:
    """The table `published_times.csv`."""
    with Path(__file__).with_name("published_times.csv").open(newline="", encoding="utf-8") as stream:
        return [_row(row) for row in csv.DictReader(stream)]


def _row(row: dict[str, str]) -> PublishedTime:
    precision: Precision = next(name for name in get_args(Precision) if name == row["precision"])
    return PublishedTime(
        network=row["network"],
        gpu=row["gpu"],
        precision=precision,
        size=Size(width=int(row["width"]), height=int(row["height"])),
        latency_ms=float(row["latency_ms"]),
        source=row["source"],
    )


def projection_of(published: PublishedTime, calibration: Calibration = A_PRIORI) -> Projection:
    """What the model says of a published figure's network, GPU, precision and size."""
    model = KNOWN_NETWORKS[published.network]()
    return project_latency(model, published.size, device_profile(published.gpu), published.precision, calibration)


def comparison_table(times: Sequence[PublishedTime], calibration: Calibration = A_PRIORI) -> str:
    """For a person: published over projected, and what share of the GPU's peak the published time amounts to."""
    rows: list[tuple[str, ...]] = []
    for published in times:
        projection = projection_of(published, calibration)
        low, high = projection.range_ms
        rate = sum(layer.macs for layer in projection.layers) / (published.latency_ms / 1000)
        rows.append(
            (
                published.network,
                projection.roof.device,
                published.precision,
                str(published.size),
                f"{projection.latency_ms:.1f}",
                f"{low:.1f} to {high:.1f}",
                f"{published.latency_ms:.1f}",
                f"{published.latency_ms / projection.latency_ms:.2f}",
                f"{rate / projection.roof.macs_per_s:.2f}",
            )
        )
    heading = (
        "network",
        "GPU",
        "precision",
        "size",
        "projected ms",
        "range ms",
        "published ms",
        "published/projected",
        "share of peak",
    )
    return text_table(heading, rows)
