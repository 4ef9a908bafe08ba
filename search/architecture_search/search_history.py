"""What a search writes down after every epoch, and its history.csv."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...atomic_files import written_whole


@dataclass(frozen=True, kw_only=True)
class SearchRow:
    """One epoch: mean losses, the score on V where it was judged, entropies in bits, expected latency in ms."""

    epoch: int
    seconds: float
    losses: Mapping[str, float | None]
    """By phase; None: the phase rested."""
    psnr_db: float | None
    ssim: float | None
    entropies: Mapping[str, float]
    latency_ms: float | None


def curves_of(row: SearchRow) -> Mapping[str, float | None]:
    """What there is to draw of an epoch, by name."""
    return {
        **{f"loss/{name}": loss for name, loss in row.losses.items()},
        **{f"entropy_bits/{name}": bits for name, bits in row.entropies.items()},
        "validation/psnr_db": row.psnr_db,
        "validation/ssim": row.ssim,
        "latency_ms": row.latency_ms,
    }


def write_search_history(rows: Sequence[SearchRow], path: Path) -> None:
    """Write one line for each epoch, whole or not at all."""
    names = sorted({name for row in rows for name in row.entropies})
    phases = list(dict.fromkeys(name for row in rows for name in row.losses))
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["epoch", "seconds"]
            + [f"{name}_loss" for name in phases]
            + ["psnr_db", "ssim"]
            + [f"entropy_{name}_bits" for name in names]
            + ["latency_ms"]
        )
        for row in rows:
            values = [row.epoch, row.seconds, *(row.losses.get(name) for name in phases), row.psnr_db, row.ssim]
            writer.writerow([*values, *(row.entropies.get(name) for name in names), row.latency_ms])
