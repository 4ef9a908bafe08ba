"""The trade-off pictures of a session, drawn from its results: one for each kind of image and noise level."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime.pictures.picture import KINDS
from ..peers.classical import CLASSICAL
from ..peers.peer_registry import PEERS
from ..quality.enlarging import BICUBIC
from ..quality.measure_quality import NOISY_INPUT
from ..results.entries import Results
from ..results.joining import session_dates
from .gain_lines import gain_lines, photograph_entries
from .tradeoff import (
    Panel,
    Quality,
    denoising_entries,
    panels_of_ours,
    super_resolution_entries,
    tradeoff_panels,
    without_slower_times,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KIND_NAMES = {1: "gray", 3: "color", 4: "raw"}
"""By the number of channels, as the bundled models are called."""


def write_pictures(results: Results, sizes: Sequence[str], out: Path, *, quality: Quality = "psnr_db") -> list[Path]:
    """Write `tradeoff-gray-sigma-50.png` and `.svg` and so on; at all `sizes` but the first the size ends the name.

    `tradeoff.png` and `.svg` are the one to show first once more: colour where there is, at the middle level. With
    `quality` SSIM the names begin with `tradeoff-ssim`. What enlarges is in `tradeoff-super-resolution-x3` and so on. A
    picture is left out where nothing has both a time and a quality. `sizes` are written WIDTHxHEIGHT.
    """
    from ...figures import write_both

    files: list[Path] = []
    begin = "tradeoff" if quality == "psnr_db" else "tradeoff-ssim"
    for index, size in enumerate(sizes):
        found = tradeoff_panels(denoising_entries(results.entries), size, noisy_input=NOISY_INPUT, quality=quality)
        panels = list(map(without_slower_times, panels_of_ours(found)))
        end = "" if index == 0 else f"-{size}"
        for panel in panels:
            names = [f"{begin}-{_KIND_NAMES[panel.channels]}-sigma-{panel.sigma or 0:g}{end}"]
            if index == 0 and panel is _first_to_show(panels):
                names.append(begin)
            figure = _drawn(panel, results, f"{size} pixels, batch 1")
            files += [file for name in names for file in write_both(figure, out / name)]
    enlarged = super_resolution_entries(results.entries)
    found = tradeoff_panels(enlarged, None, noisy_input=BICUBIC, quality=quality)
    for panel in map(without_slower_times, panels_of_ours(found)):
        grey = "" if panel.channels == 3 else f"-{_KIND_NAMES[panel.channels]}"
        name = f"{begin}-{panel.task.replace(' ', '-')}{grey}"
        files += write_both(_drawn(panel, results, "mean time of a set's images"), out / name)
    return files


def write_what_time_buys(results: Results, size: str, out: Path) -> Sequence[Path]:
    """Write `what-time-buys.png` and `.svg`: gain over the noisy input against the time of a megapixel.

    A panel for grey images, one for colour images and one for photographs, each at its middle level. Nothing where no
    measured method has a time at `size` (WIDTHxHEIGHT), a PSNR and a noisy input.
    """
    from ...figures import write_both
    from .gain_plot import draw_gains

    width, height = map(int, size.split("x"))
    found = [
        panel
        for entries in (denoising_entries(results.entries), photograph_entries(results.entries))
        for panel in panels_of_ours(tradeoff_panels(entries, size, noisy_input=NOISY_INPUT))
    ]
    lines = gain_lines(list(map(without_slower_times, found)), megapixels=width * height / 1e6)
    if not lines:
        return []
    figure = draw_gains(
        lines, conditions=_conditions(results, f"from {size} pixels, batch 1"), ours=our_models(results)
    )
    return write_both(figure, out / "what-time-buys")


def our_models(results: Results) -> frozenset[str]:
    """The models that were measured; neither peers nor programs."""
    peers = {peer.title for peer in (*PEERS.values(), *CLASSICAL.values())}
    return frozenset(
        entry.model
        for entry in results.entries
        if entry.origin == "measured"
        and entry.model not in {*peers, NOISY_INPUT, BICUBIC}
        and not (entry.source or "").startswith("program: ")
    )


def _first_to_show(panels: Sequence[Panel]) -> Panel:
    kind = max(panel.channels for panel in panels)
    of_kind = [panel for panel in panels if panel.channels == kind]
    return of_kind[len(of_kind) // 2]


def _drawn(panel: Panel, results: Results, times: str) -> "Figure":
    from .figure_plot import FigureTexts, draw_tradeoff

    level = "" if panel.sigma is None else f" at sigma {panel.sigma:g}"
    what = "Denoising" if panel.task == "denoise" else panel.task.capitalize()
    images = KINDS[panel.channels] if panel.task == "denoise" or panel.channels == 1 else "colour"
    is_measured = any(point.group.origin == "measured" for point in panel.points)
    texts = FigureTexts(
        title=f"{what} of {images} images{level}: quality against time",
        conditions=_conditions(results, times) if is_measured else f"{times}; {_when(results)}",
        warning=None,
    )
    return draw_tradeoff(panel, texts, ours=our_models(results))


def _conditions(results: Results, times: str) -> str:
    """`times`, what ran the measured networks if it is one library in one configuration, and when."""
    found = {
        entry.library
        for entry in results.entries
        if entry.origin == "measured" and entry.latency_ms is not None and entry.library
    }
    return "; ".join([times, *(found if len(found) == 1 else ()), _when(results)])


def _when(results: Results) -> str:
    return f"hinas {results.machine.hinas}, {session_dates(results)}"
