"""How truly a search's scores rank networks: its scores beside those of trainings from scratch.

SEARCH is a folder of `hinas-search --method supernet`, `gradient` or `random`, TRUTH one of `--method halving --set
halving.kept=1`, of the same space, images and seed. Prints a table and Kendall's tau, for the search's scores and for
each round of TRUTH.

Run: python tools/compare_rankings.py SEARCH TRUTH PHOTOS --out rankings.png
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
from hinas.search.architecture_search.judgement import validation_score
from hinas.search.architecture_search.search_request import SearchRequest
from hinas.search.architecture_search.search_space import SearchSpace
from hinas.search.architecture_search.search_state import Searched, new_search, restore_search
from hinas.search.genotype import Genotype, read_genotype
from hinas.search.halving.candidate_files import CandidateFiles
from hinas.search.halving.rank_correlation import kendalls_tau
from hinas.search.halving.training_data import trainer_of
from hinas.search.images.image_folder import load_images
from hinas.search.images.splits import split_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.computing import Computing
from hinas.search.learning.distributed import Ranks
from hinas.search.runs.checkpoint import load_checkpoint
from hinas.search.spaces.hinas.relaxation.architecture import one_hot_architecture
from hinas.search.spaces.hinas.relaxation.search_supernet import HinasSearcher
from hinas.search.spaces.hinas.space import NetworkDescription
from hinas.search.spaces.interface import SpaceDescription, own
from hinas.search.spaces.registry import network_description, space_named, space_settings
from hinas.search.spaces.schedule import SearchSchedule
from hinas.search.supernet.finalists import shared_score
from hinas.search.tasks.interface import TaskOptions
from hinas.search.tasks.registry import task_for_search

_ARCHITECTURE = "alpha and beta"
"""The score that is a probability, not a PSNR."""


def main() -> None:
    """Print the table and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("search", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rounds = scores_of_truth(given.truth / "networks.csv")
    last = list(rounds)[-1]
    early = dict(scores_of_search(given.search, given.truth, given.images)) | {
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


def scores_of_search(folder: Path, truth: Path, images: Path) -> Mapping[str, Sequence[float]]:
    """What a search thinks of every network of TRUTH, by the name of the score."""
    content = load_checkpoint(folder / "checkpoint.pt", device=torch.device("cpu"))
    if content["format"] == "hinas-search":
        return scores_of_searcher(content, truth, images)
    return {"shared kernels": shared_scores(content, folder, truth, images)}


def scores_of_searcher(content: Mapping[str, Any], truth: Path, images: Path) -> Mapping[str, Sequence[float]]:
    """PSNR in dB with the kernels of a differentiable search, and what the architecture it learnt says.

    That is the logarithm of the probability, under alpha and beta, of all that a network has chosen.
    """
    space = _space(json.loads(content["identity"]), content["settings"])
    if content["settings"]["seed"] != _truth(truth)["seed"]:
        raise SystemExit(f"searched with another seed than {truth}: other images would be held out")
    searcher = space_named(space.space).searcher(space.settings, space.task)
    state = new_search(searcher, space.schedule, seed=content["settings"]["seed"], device=torch.device("cpu"))
    restore_search(state, dict(content), lambda document: network_description(space.space, document))
    loaded = load_images(images, channels=space.task.channels, smallest_side=space.schedule.crop)
    source = PatchSource(split_images(loaded.images, seed=content["settings"]["seed"])[2], device=torch.device("cpu"))
    searched = Searched(
        schedule=space.schedule,
        method="gradient",
        task=task_for_search(space.task.name, TaskOptions(quantised_share=0.0)),
        kernels=source,
        architecture=source,
        validation=source,
        steps_per_epoch=1,
        latency=None,
        ranks=Ranks(),
    )
    networks = [genotype.network for genotype in _genotypes(truth)]
    scores = {"shared kernels": [validation_score(state, searched, network)[0] for network in networks]}
    if content["settings"]["method"] == "gradient" and isinstance(searcher, HinasSearcher):
        scores[_ARCHITECTURE] = [log_probability(searcher, network) for network in networks]
    return scores


@torch.no_grad()
def log_probability(searcher: HinasSearcher, network: SpaceDescription) -> float:
    """Natural, of a network's operations and levels."""
    described = own(network, NetworkDescription)
    learnt = searcher.architecture()
    chosen = one_hot_architecture(described.cells, searcher.settings, torch.device("cpu"))
    pairs = (*zip(learnt.operations, chosen.operations, strict=True), *zip(learnt.exits, chosen.exits, strict=True))
    return sum(probability[taken > 0].log().sum().item() for probability, taken in pairs)


def shared_scores(content: Mapping[str, Any], folder: Path, truth_folder: Path, images: Path) -> Sequence[float]:
    """PSNR in dB on V of every network of TRUTH with its part of the kernels of a supernet of single paths."""
    identity: dict[str, Any] = content["identity"]
    truth = _truth(truth_folder)
    request = _request(identity, images, folder)
    halving, shared = request.space.halving, request.space.supernet
    trainer = trainer_of(request, halving, torch.device("cpu"), largest_crop=max(halving.crop, shared.crop))
    cases = [case.name for case in trainer.task.cases]
    for name, wanted in {"seed": truth["seed"], "cases": truth["cases"]}.items():
        if identity[name] != wanted:
            raise SystemExit(f"{folder}: searched with another {name} than {truth_folder}")
    if identity["cases"] != cases:
        raise SystemExit(f"{folder}: scored on {identity['cases']}, expected {cases}; search without --sigma")
    supernet = space_named(request.space.space).single_path_supernet(request.space.settings, request.space.task)
    supernet.load_state_dict(content["supernet"])
    every = len(trainer.validation_images)
    return [shared_score(supernet, genotype, trainer, num_images=every) for genotype in _genotypes(truth_folder)]


def _truth(folder: Path) -> Mapping[str, Any]:
    return json.loads(CandidateFiles(folder).list_of_candidates.read_text(encoding="utf-8"))


def _genotypes(folder: Path) -> Sequence[Genotype]:
    files = CandidateFiles(folder)
    return [read_genotype(files.genotype(number)) for number in range(1, len(_truth(folder)["predicted_ms"]) + 1)]


def _space(document: Mapping[str, Any], schedule: Mapping[str, Any]) -> SearchSpace:
    known = {name: value for name, value in schedule.items() if name in SearchSchedule.model_fields}
    settings = space_settings(document["space"], document["settings"])
    return SearchSpace.model_validate({**document, "settings": settings, "schedule": known})


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
            axes.set_xlabel("logarithm of the probability" if name == _ARCHITECTURE else f"PSNR, {name} (dB)")
            axes.set_ylabel(label if number == 1 else "")
        figure.savefig(path)


if __name__ == "__main__":
    main()
