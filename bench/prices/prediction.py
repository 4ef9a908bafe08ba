"""How well predicted latencies agree with measured ones: figures, table and picture."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ...atomic_files import written_whole
from ...figures import COLOURS, STYLE, new_figure
from ...search.halving.rank_correlation import spearmans_rho


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One network's latency, predicted before it was measured."""

    model: str
    genotype: str
    predicted_ms: float
    measured_ms: float

    @property
    def relative_error(self) -> float:
        """Predicted over measured, less 1."""
        return self.predicted_ms / self.measured_ms - 1


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The predictions of at least three networks, summed up."""

    networks: int
    rank_correlation: float
    """Spearman's, of predicted and measured."""
    mean_error: float
    """Mean absolute relative error."""
    bias: float
    """Mean relative error: above 0, predictions are too high."""

    def __str__(self) -> str:
        return (
            f"{self.networks} networks: rank correlation {self.rank_correlation:.3f}, "
            f"mean error {100 * self.mean_error:.1f} %, bias {100 * self.bias:+.1f} %"
        )


def agreement(predictions: Sequence[Prediction]) -> Agreement:
    """Rank correlation and mean errors."""
    errors = np.array([item.relative_error for item in predictions])
    return Agreement(
        networks=len(predictions),
        rank_correlation=spearmans_rho([p.predicted_ms for p in predictions], [p.measured_ms for p in predictions]),
        mean_error=float(np.abs(errors).mean()),
        bias=float(errors.mean()),
    )


def write_predictions(predictions: Sequence[Prediction], path: Path) -> None:
    """One line for each network."""
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["model", "genotype", "predicted_ms", "measured_ms", "relative_error"])
        for item in predictions:
            figures = (item.predicted_ms, item.measured_ms, item.relative_error)
            writer.writerow([item.model, item.genotype, *(f"{figure:.4f}" for figure in figures)])


def prediction_figure(predictions: Sequence[Prediction], *, title: str, conditions: str) -> Figure:
    """Measured against predicted latency, with the line of equality and 10 % to either side."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(5.2, 4.9)
        figure.suptitle(title, fontsize=10)
        axes = figure.add_subplot()
        values = [value for item in predictions for value in (item.predicted_ms, item.measured_ms)]
        low, high = 0.92 * min(values), 1.08 * max(values)
        axes.fill_between([low, high], [0.9 * low, 0.9 * high], [1.1 * low, 1.1 * high], color="0.93", label="±10 %")
        axes.plot([low, high], [low, high], "-", color="0.5", linewidth=1, label="equal")
        axes.plot(
            [item.predicted_ms for item in predictions],
            [item.measured_ms for item in predictions],
            "o",
            color=COLOURS[0],
            label="networks",
        )
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
        axes.set_xlabel("predicted latency (ms)")
        axes.set_ylabel("measured latency (ms), fastest run")
        axes.set_title(f"{agreement(predictions)}\n{conditions}", fontsize=7.5)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
        return figure
