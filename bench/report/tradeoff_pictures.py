"""The trade-off pictures of a session, drawn from its results."""

from collections.abc import Sequence
from pathlib import Path

from ..quality.enlarging import BICUBIC
from ..quality.measure_quality import NOISY_INPUT
from ..results.entries import Results
from .tradeoff import (
    PAPERS_SIZE,
    Panel,
    Quality,
    denoising_entries,
    panels_of_ours,
    super_resolution_entries,
    tradeoff_panels,
)

_AGAINST_TIME = ": quality against the mean time of a set's images"


def write_pictures(results: Results, sizes: Sequence[str], out: Path, *, quality: Quality = "psnr_db") -> list[Path]:
    """Write `tradeoff.png` and `.svg` at the first size, `tradeoff-SIZE` at the others and `tradeoff-super-resolution`.

    With `quality` SSIM the names begin with `tradeoff-ssim`. A picture is left out where nothing has both a time and a
    quality. `sizes` are written WIDTHxHEIGHT.
    """
    files: list[Path] = []
    begin = out / ("tradeoff" if quality == "psnr_db" else "tradeoff-ssim")
    when = f"hinas {results.machine.hinas}, {results.machine.date_utc:%Y-%m-%d}"
    for index, size in enumerate(sizes):
        panels = tradeoff_panels(denoising_entries(results.entries), size, noisy_input=NOISY_INPUT, quality=quality)
        stem = begin if index == 0 else begin.with_name(f"{begin.name}-{size}")
        conditions = "; ".join([*_libraries(results, size), "batch 1", when])
        files += _written(panels, stem, f"Denoising: quality against time for {size} pixels", conditions)
    enlarged = super_resolution_entries(results.entries)
    panels = tradeoff_panels(enlarged, PAPERS_SIZE, noisy_input=BICUBIC, quality=quality)
    are_published = all(entry.origin == "published" for entry in enlarged)
    title = "Super-resolution" + (" on BSD100: quality against time, as published" if are_published else _AGAINST_TIME)
    files += _written(panels, begin.with_name(f"{begin.name}-super-resolution"), title, when)
    return files


def _libraries(results: Results, size: str) -> list[str]:
    """What ran the measured networks, if it is one library in one configuration; several are in the tables."""
    found = {
        entry.library
        for entry in results.entries
        if entry.origin == "measured" and entry.latency_ms is not None and entry.size == size and entry.library
    }
    return list(found) if len(found) == 1 else []


def _written(panels: Sequence[Panel], stem: Path, title: str, conditions: str) -> Sequence[Path]:
    if not panels:
        return []
    from ...figures import write_both
    from .plots import draw_tradeoff

    return write_both(draw_tradeoff(panels_of_ours(panels), title=title, conditions=conditions), stem)
