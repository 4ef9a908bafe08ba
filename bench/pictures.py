"""The trade-off pictures of a session, drawn from its results."""

from collections.abc import Sequence
from pathlib import Path

from .measure_quality import NOISY_INPUT
from .results import Results
from .tradeoff import PAPERS_SIZE, Panel, denoising_entries, super_resolution_entries, tradeoff_panels


def write_pictures(results: Results, sizes: Sequence[str], out: Path) -> list[Path]:
    """Write `tradeoff.png` and `.svg` at the first size, `tradeoff-SIZE` at the others and `tradeoff-super-resolution`.

    A picture is left out where nothing has both a time and a quality. `sizes` are written WIDTHxHEIGHT.
    """
    files: list[Path] = []
    when = f"hinas {results.machine.hinas}, {results.machine.date_utc:%Y-%m-%d}"
    for index, size in enumerate(sizes):
        panels = tradeoff_panels(denoising_entries(results.entries), size, noisy_input=NOISY_INPUT)
        stem = out / ("tradeoff" if index == 0 else f"tradeoff-{size}")
        files += _written(panels, stem, f"Denoising: quality against time for {size} pixels", f"batch 1; {when}")
    panels = tradeoff_panels(super_resolution_entries(results.entries), PAPERS_SIZE, noisy_input=NOISY_INPUT)
    title = "Super-resolution on BSD100: quality against time, as published"
    files += _written(panels, out / "tradeoff-super-resolution", title, when)
    return files


def _written(panels: Sequence[Panel], stem: Path, title: str, conditions: str) -> Sequence[Path]:
    if not panels:
        return []
    from ..figures import write_both
    from .plots import draw_tradeoff

    return write_both(draw_tradeoff(panels, title=title, conditions=conditions), stem)
