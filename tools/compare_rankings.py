"""How truly the shared kernels of a supernet rank networks: their scores beside those of trainings from scratch.

SUPERNET is a folder of `hinas-search --method supernet`, TRUTH one of `--method halving --set halving.kept=1`, of the
same space, images and seed. Prints a table and Kendall's tau, for the shared kernels and for each round of TRUTH.

Run: python tools/compare_rankings.py SUPERNET TRUTH PHOTOS --out rankings.png
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import torch
from hinas.figures import COLOURS, STYLE, new_figure
from hinas.search.architecture_search.search_request import SearchRequest
from hinas.search.architecture_search.search_space import SearchSpace
from hinas.search.genotype import read_genotype
from hinas.search.halving.candidate_files import CandidateFiles
from hinas.search.halving.rank_correlation import kendalls_tau
from hinas.search.halving.training_data import trainer_of
from hinas.search.learning.computing import Computing
from hinas.search.runs.checkpoint import load_checkpoint
from hinas.search.spaces.registry import space_named, space_settings
from hinas.search.supernet.finalists import shared_score
from hinas.search.tasks.interface import TaskOptions


def main() -> None:
    """Print the table and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("supernet", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rounds = scores_of_truth(given.truth / "networks.csv")
    last = list(rounds)[-1]
    early = {"shared kernels": shared_scores(given.supernet, given.truth, given.images)} | {
        f"{count} iterations": scores for count, scores in rounds.items() if count != last
    }
    print_table(early, rounds[last], f"{last} iterations")
    draw(early, rounds[last], f"PSNR after {last} iterations (dB)", given.out)


def scores_of_truth(path: Path) -> Mapping[int, Sequence[float]]:
    """PSNR in dB of every network by the iterations of a round; those of rounds that all networks have finished."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    prefix = "psnr_db_after_"
    columns = [name for name in rows[0] if name.startswith(prefix) and all(row[name] for row in rows)]
    if len(columns) < 1:
        raise SystemExit(f"{path}: no round that all networks have finished; search with --set halving.kept=1")
    return {int(name.removeprefix(prefix)): [float(row[name]) for row in rows] for name in columns}


def shared_scores(supernet_folder: Path, truth_folder: Path, images: Path) -> Sequence[float]:
    """PSNR in dB on V of every network of TRUTH with its part of the shared kernels."""
    content = load_checkpoint(supernet_folder / "checkpoint.pt", device=torch.device("cpu"))
    identity: dict[str, Any] = content["identity"]
    files = CandidateFiles(truth_folder)
    truth = json.loads(files.list_of_candidates.read_text(encoding="utf-8"))
    request = _request(identity, images, supernet_folder)
    trainer = trainer_of(request, request.space.halving, torch.device("cpu"))
    cases = [case.name for case in trainer.task.cases]
    for name, wanted in {"seed": truth["seed"], "cases": truth["cases"]}.items():
        if identity[name] != wanted:
            raise SystemExit(f"{supernet_folder}: searched with another {name} than {truth_folder}")
    if identity["cases"] != cases:
        raise SystemExit(f"{supernet_folder}: scored on {identity['cases']}, expected {cases}; search without --sigma")
    supernet = space_named(request.space.space).single_path_supernet(request.space.settings, request.space.task)
    supernet.load_state_dict(content["supernet"])
    numbers = range(1, len(truth["predicted_ms"]) + 1)
    every = len(trainer.validation_images)
    return [
        shared_score(supernet, read_genotype(files.genotype(number)), trainer, num_images=every) for number in numbers
    ]


def _request(identity: Mapping[str, Any], images: Path, out: Path) -> SearchRequest:
    document = dict(identity["space"])
    document["settings"] = space_settings(document["space"], document["settings"])
    space = SearchSpace.model_validate(document)
    return SearchRequest(
        space=space,
        task=TaskOptions(scale=space.task.scale, quantised_share=0.0),
        images=images,
        out=out,
        method="supernet",
        latency=None,
        computing=Computing(device="cpu", precision=identity["precision"]),
        seed=identity["seed"],
        perturbed=False,
        resume=True,
        max_minutes=None,
        quiet=True,
        command="",
    )


def print_table(early: Mapping[str, Sequence[float]], last: Sequence[float], name: str) -> None:
    """A line for each network, the best last score first, and the taus below."""
    names = [*early, name]
    print("network  " + "  ".join(f"{column:>16}" for column in names))
    for index in sorted(range(len(last)), key=lambda one: -last[one]):
        scores = [*(scores[index] for scores in early.values()), last[index]]
        print(f"{index + 1:>7}  " + "  ".join(f"{score:16.3f}" for score in scores))
    print(f"mean     {'':>{18 * len(early)}}{sum(last) / len(last):16.3f}")
    print("tau      " + "  ".join(f"{kendalls_tau(scores, last):16.2f}" for scores in early.values()))


def draw(early: Mapping[str, Sequence[float]], last: Sequence[float], label: str, path: Path) -> None:
    """One panel for each early score."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(3.2 * len(early), 3.2)
        for number, (name, scores) in enumerate(early.items(), 1):
            axes = figure.add_subplot(1, len(early), number)
            axes.plot(scores, last, ".", color=COLOURS[0])
            axes.set_title(f"{name}: Kendall's tau {kendalls_tau(scores, last):.2f}", fontsize=9)
            axes.set_xlabel(f"PSNR, {name} (dB)")
            axes.set_ylabel(label if number == 1 else "")
        figure.savefig(path)


if __name__ == "__main__":
    main()
