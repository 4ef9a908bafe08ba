"""Whether networks differ by more than their seeds: every training of a network as a point, mean and spread.

RESULTS is a results.json of `hinas-bench` whose models end in `_` and a number, such as small_1, small_2 and wide_1:
trainings of one network with several seeds. What is compared is the mean PSNR over all levels.

Run: python tools/trainings/compare_seeds.py RESULTS --out seeds.png
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import matplotlib
from hinas.bench.results.entries import Results
from hinas.bench.results.results_file import read_results
from hinas.figures import COLOURS, STYLE, new_figure, write_figure


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network's trainings."""

    name: str
    psnr_db: tuple[float, ...]
    """Of each training, mean over the levels."""
    by_level_db: tuple[float, ...]
    """At each level, mean over the trainings."""

    @property
    def mean_db(self) -> float:
        """Over trainings and levels."""
        return mean(self.psnr_db)

    @property
    def spread_db(self) -> float:
        """Between the best and the worst training."""
        return max(self.psnr_db) - min(self.psnr_db)


def main() -> None:
    """Print the table and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    results = read_results(given.results)
    try:
        found = trained_networks(results)
    except ValueError as error:
        raise SystemExit(f"{given.results}: {error}") from error
    if not found:
        raise SystemExit(f"{given.results}: no quality of a model whose name ends in _ and a number")
    print("| network | trainings | each level | mean | spread |\n|---|---|---|---|---|")
    for one in found:
        levels = " / ".join(f"{db:.2f}" for db in one.by_level_db)
        print(f"| {one.name} | {len(one.psnr_db)} | {levels} | {one.mean_db:.3f} | {one.spread_db:.3f} |")
    draw(found, given.out)


def trained_networks(results: Results) -> Sequence[Trained]:
    """The networks of which there are qualities, the best first.

    Raises:
        ValueError: if not all trainings were scored on the same.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for entry in results.entries:
        numbered = re.fullmatch(r"(.+)_(\d+)", entry.model)
        if numbered and entry.origin == "measured" and entry.psnr_db is not None:
            what = (entry.dataset, entry.protocol, entry.task, entry.backend, entry.precision)
            level = None if entry.sigma is None else f"sigma {entry.sigma:g}"
            scored = ", ".join(text for text in (*what, level) if text)
            scores.setdefault(numbered[1], {}).setdefault(numbered[2], {})[scored] = entry.psnr_db
    seeds = [levels for trainings in scores.values() for levels in trainings.values()]
    every = list(dict.fromkeys(scored for levels in seeds for scored in levels))
    for name, trainings in scores.items():
        for seed, levels in trainings.items():
            missing = [scored for scored in every if scored not in levels]
            if missing:
                raise ValueError(
                    f"{name}_{seed} has no score on {missing[0]}, which others have; score all trainings in one run of "
                    "hinas-bench"
                )
    found = [
        Trained(
            name=name,
            psnr_db=tuple(mean(levels.values()) for levels in trainings.values()),
            by_level_db=tuple(mean(levels[scored] for levels in trainings.values()) for scored in every),
        )
        for name, trainings in scores.items()
    ]
    return sorted(found, key=lambda one: -one.mean_db)


def draw(found: Sequence[Trained], path: Path) -> None:
    """A row for each network: its trainings as points, their mean as a line."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(5.6, 0.8 + 0.3 * len(found))
        axes = figure.add_subplot()
        for row, one in enumerate(found):
            axes.plot(one.psnr_db, [row] * len(one.psnr_db), "o", color=COLOURS[0], alpha=0.6, markersize=5)
            axes.plot([one.mean_db] * 2, [row - 0.3, row + 0.3], color=COLOURS[1])
        axes.set_yticks(range(len(found)), [one.name for one in found])
        axes.invert_yaxis()
        axes.set_xlabel("PSNR in dB, mean over the levels")
        write_figure(figure, path)


if __name__ == "__main__":
    main()
