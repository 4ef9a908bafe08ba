"""A halving as a picture: scores over iterations, and early scores beside late ones."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from ...figures import COLOURS, STYLE, new_figure, write_both
from .rank_agreement import RankAgreement
from .standings import Standing, leader

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_halving(
    standings: Sequence[Standing], iterations: Sequence[int], agreement: RankAgreement | None, stem: Path
) -> Sequence[Path]:
    """Write `stem`.png and `stem`.svg."""
    return write_both(halving_figure(standings, iterations, agreement), stem)


def halving_figure(standings: Sequence[Standing], iterations: Sequence[int], agreement: RankAgreement | None) -> Figure:
    """One panel, or two where the order of two rounds can be compared."""
    with matplotlib.rc_context(STYLE):
        panels = 1 if agreement is None else 2
        figure = new_figure(4.0 * panels, 3.2)
        _draw_scores(figure.add_subplot(1, panels, 1), standings, iterations)
        if agreement is not None:
            _draw_agreement(figure.add_subplot(1, panels, 2), agreement)
        return figure


def _draw_scores(axes: "Axes", standings: Sequence[Standing], iterations: Sequence[int]) -> None:
    best = leader(standings)
    for standing in standings:
        by_round = zip(iterations, standing.scores, strict=False)
        finite = [(count, score.psnr_db) for count, score in by_round if math.isfinite(score.psnr_db)]
        if not finite:
            continue
        is_best = standing is best
        axes.plot(
            [count for count, _ in finite],
            [psnr_db for _, psnr_db in finite],
            color=COLOURS[1] if is_best else COLOURS[0],
            linewidth=1.8 if is_best else 0.8,
            alpha=1.0 if is_best else 0.6,
            marker=".",
            zorder=3 if is_best else 2,
            label=f"network {standing.candidate.number}" if is_best else None,
        )
    axes.set_xscale("log")
    axes.set_xticks(iterations, [str(count) for count in iterations])
    axes.minorticks_off()
    axes.set_xlabel("iterations")
    axes.set_ylabel("PSNR on V (dB)")
    if best is not None:
        axes.legend(fontsize=8, frameon=False, loc="lower right")


def _draw_agreement(axes: "Axes", agreement: RankAgreement) -> None:
    axes.plot(agreement.early_db, agreement.late_db, ".", color=COLOURS[0])
    axes.set_title(f"{len(agreement.early_db)} networks: Kendall's tau {agreement.kendalls_tau:.2f}", fontsize=9)
    axes.set_xlabel(f"PSNR after {agreement.early_iterations} iterations (dB)")
    axes.set_ylabel(f"PSNR after {agreement.late_iterations} (dB)")
