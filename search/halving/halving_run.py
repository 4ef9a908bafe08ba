"""One run of `hinas-search --method halving`: images in; genotype, weights, scores and pictures out."""

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ...atomic_files import written_whole
from ...errors import UserError
from ..architecture_search.found_genotype import found_genotype
from ..architecture_search.genotype_drawing import draw_genotype
from ..architecture_search.latency_table import table_for
from ..architecture_search.search_request import SearchRequest
from ..genotype import Score, read_genotype, write_genotype
from ..images.image_folder import load_images
from ..images.splits import split_images
from ..images.training_images import PatchSource
from ..learning.device import chosen_device, chosen_precision
from ..learning.distributed import Ranks, joined_ranks, own_device
from ..learning.metrics import ValidationScore
from ..learning.run_folder import prepared_run_folder
from ..tasks.registry import configured_task, task_for_search
from .candidate_training import Trainer, finished_scores, train_round
from .candidates import Candidate, LatencyBand, drawn_candidates
from .halving_figure import draw_halving
from .rank_agreement import rank_agreement
from .standings import Standing, best_first, leader, write_standings

_FORMAT = "hinas-halving"


def run_halving(request: SearchRequest) -> str:
    """Compare networks (or go on comparing) and write what was found to `request.out`.

    Under torchrun every process trains networks of its own and the first one writes. Returns a line that says what was
    found, empty in the other processes. Raises UserError for anything a person can mend.
    """
    device = own_device(chosen_device(request.computing.device))
    with joined_ranks(device) as ranks:
        return _run(request if ranks.is_first else replace(request, quiet=True), device, ranks)


def _run(request: SearchRequest, device: torch.device, ranks: Ranks) -> str:
    if request.computing.threads is not None:
        torch.set_num_threads(request.computing.threads)
    trainer = _trainer(request, device)
    files = _Files(request.out)
    # Every process has to come past this before the first one makes the folder.
    is_there = ranks.agreed(files.state.exists())
    if ranks.is_first:
        prepared_run_folder(request.out, "search", resume=request.resume, state=files.state.name)
    candidates = _candidates(request, trainer, files, ranks, is_there=is_there)
    try:
        standings = _compare(request, candidates, trainer, files, ranks)
    except KeyboardInterrupt:
        if ranks.is_first and not request.quiet:
            print(f"{files.state}: holds what was compared; go on with --resume", file=sys.stderr)
        raise
    return _write_result(request, standings, trainer, files) if ranks.is_first else ""


@dataclass(frozen=True)
class _Files:
    out: Path

    @property
    def state(self) -> Path:
        return self.out / "halving.json"

    def genotype(self, number: int) -> Path:
        return self.out / "networks" / f"{number:03d}.json"

    def checkpoint(self, number: int) -> Path:
        return self.out / "networks" / f"{number:03d}.pt"

    def weights(self, number: int) -> Path:
        return self.out / "networks" / f"{number:03d}.safetensors"


def _trainer(request: SearchRequest, device: torch.device) -> Trainer:
    schedule, described = request.space.halving, request.space.task
    loaded = load_images(request.images, channels=described.channels, smallest_side=schedule.crop)
    if not request.quiet:
        for warning in loaded.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    kernels, architecture, validation = split_images(loaded.images, seed=request.seed)
    options = replace(request.task, scale=described.scale)
    chosen = task_for_search if options.levels is not None else configured_task
    training = (*kernels, *architecture) if len(loaded.images) >= 3 else kernels
    return Trainer(
        schedule=schedule,
        task=chosen(described.name, options),
        patches=PatchSource(training, device=device),
        validation_images=[_middle(image, schedule.validation_side) for image in validation],
        device=device,
        arithmetic=chosen_precision(request.computing.precision, device),
        compiled=request.computing.compiles_on(device.type),
        seed=request.seed,
        images=len(training),
    )


def _middle(image: Any, side: int) -> Any:
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def _candidates(
    request: SearchRequest, trainer: Trainer, files: _Files, ranks: Ranks, *, is_there: bool
) -> Sequence[Candidate]:
    """Drawn anew, or those of the run that is gone on with."""
    band = _band(request)
    document = {
        "format": _FORMAT,
        "space": json.loads(request.space.to_json()),
        "band_ms": None if band is None else [band.low_ms, band.high_ms],
        "cases": [case.name for case in trainer.task.cases],
        "seed": request.seed,
        "precision": trainer.arithmetic,
    }
    if is_there:
        found = _read_state(files.state)
        _check_resumable(found, document, files.state)
        return [
            Candidate(number=number, genotype=read_genotype(files.genotype(number)), predicted_ms=predicted)
            for number, predicted in enumerate(found["predicted_ms"], 1)
        ]
    if request.resume:
        raise UserError(f"{files.state}: no search to resume from; start without --resume")
    drawn = drawn_candidates(request.space, trainer.schedule.candidates, band=band, seed=request.seed)
    stride = max(one.genotype.network_input.alignment for one in drawn) * request.space.task.scale
    if trainer.schedule.crop % stride:
        raise UserError(f"--crop: got {trainer.schedule.crop}, expected a multiple of {stride}, a network's stride")
    if ranks.is_first:
        files.genotype(1).parent.mkdir(exist_ok=True)
        for candidate in drawn:
            genotype = found_genotype(request, candidate.genotype.network, None, images=trainer.images)
            write_genotype(genotype, files.genotype(candidate.number))
        with written_whole(files.state) as temporary:
            predicted = {"predicted_ms": [candidate.predicted_ms for candidate in drawn]}
            temporary.write_text(json.dumps({**document, **predicted}, indent=1) + "\n", encoding="utf-8")
    ranks.agreed(True)
    return drawn


def _band(request: SearchRequest) -> LatencyBand | None:
    latency = request.latency
    if latency is None or latency.band_ms is None:
        return None
    low, high = latency.band_ms
    return LatencyBand(table=table_for(request.space.space, latency.table), low_ms=low, high_ms=high, tile=latency.tile)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); choose another --out") from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise UserError(f"{path}: not the state of a halving; choose another --out")
    return found


def _check_resumable(found: dict[str, Any], document: dict[str, Any], path: Path) -> None:
    for name, now in document.items():
        if found.get(name) != now:
            raise UserError(f"{path}: a search with another {name.replace('_', ' ')}; choose another --out")


def _compare(
    request: SearchRequest, candidates: Sequence[Candidate], trainer: Trainer, files: _Files, ranks: Ranks
) -> Sequence[Standing]:
    """Round after round, until the last or until the time is over."""
    schedule = trainer.schedule
    started = time.monotonic()
    seconds = math.inf if request.max_minutes is None else 60 * request.max_minutes
    parameters = {one.number: sum(p.numel() for p in one.genotype.built().parameters()) for one in candidates}
    scores: dict[int, list[ValidationScore]] = {one.number: [] for one in candidates}
    left = list(candidates)

    def standings() -> list[Standing]:
        return [
            Standing(candidate=one, parameters=parameters[one.number], scores=tuple(scores[one.number]))
            for one in candidates
        ]

    with tqdm(
        total=_planned_iterations(trainer, ranks), unit="it", disable=request.quiet or not sys.stderr.isatty()
    ) as bar:
        for index, count in enumerate(schedule.survivors):
            if index:
                left = [one.candidate for one in best_first(standings(), index - 1)[:count]]
            own: dict[int, ValidationScore] = {}
            for turn, candidate in enumerate(left):
                if turn % ranks.count != ranks.rank:
                    continue
                bar.set_postfix_str(f"round {index + 1} of {schedule.rounds}, network {candidate.number}")
                score = _trained(candidate, trainer, files, index, seconds - (time.monotonic() - started), bar.update)
                if score is None:
                    break
                own[candidate.number] = score
                if not request.quiet:
                    tqdm.write(_score_line(candidate, score, schedule.iterations[index]), file=sys.stderr)
            for number, score in ranks.gathered(own).items():
                scores[number].append(score)
            if ranks.is_first:
                write_standings(standings(), schedule.iterations, request.out / "networks.csv")
            if any(len(scores[one.number]) <= index for one in left):
                break
    return standings()


def _trained(
    candidate: Candidate,
    trainer: Trainer,
    files: _Files,
    round_index: int,
    seconds: float,
    step_done: Callable[[int], Any],
) -> ValidationScore | None:
    checkpoint = files.checkpoint(candidate.number)
    done = finished_scores(checkpoint, trainer)
    if len(done) > round_index:
        step_done(_iterations_of_round(trainer, round_index))
        return done[round_index]
    if seconds <= 0:
        return None
    return train_round(
        candidate,
        trainer,
        checkpoint,
        files.weights(candidate.number),
        round_index=round_index,
        max_seconds=seconds,
        step_done=step_done,
    )


def _iterations_of_round(trainer: Trainer, index: int) -> int:
    """Of one network: from where the rate began to fall in the round before."""
    total = trainer.schedule.iterations
    return total[index] - (total[index - 1] - total[index - 1] // 5 if index else 0)


def _planned_iterations(trainer: Trainer, ranks: Ranks) -> int:
    """Of this process, in all rounds."""
    counts = trainer.schedule.survivors
    return sum(
        len(range(ranks.rank, count, ranks.count)) * _iterations_of_round(trainer, index)
        for index, count in enumerate(counts)
    )


def _score_line(candidate: Candidate, score: ValidationScore, iterations: int) -> str:
    predicted = "" if candidate.predicted_ms is None else f", predicted {candidate.predicted_ms:.1f} ms"
    return f"network {candidate.number}: {score.psnr_db:.2f} dB after {iterations} iterations{predicted}"


def _write_result(request: SearchRequest, standings: Sequence[Standing], trainer: Trainer, files: _Files) -> str:
    iterations = trainer.schedule.iterations
    best = leader(standings)
    if best is None:
        return f"{request.out}: no network has been scored yet; go on with --resume"
    if not best.is_finite:
        raise UserError(f"{request.out}: every training diverged; lower --set halving.learning_rate")
    agreement = rank_agreement(standings, iterations)
    draw_halving(standings, iterations, agreement, request.out / "halving")
    candidate, score = best.candidate, best.scores[-1]
    path = request.out / "genotype.json"
    reached = Score(psnr_db=round(score.psnr_db, 4), ssim=round(score.ssim, 5))
    genotype = found_genotype(request, candidate.genotype.network, reached, images=trainer.images)
    write_genotype(genotype, path)
    draw_genotype(genotype, request.out / "genotype")
    with written_whole(request.out / "weights.safetensors") as temporary:
        shutil.copyfile(files.weights(candidate.number), temporary)
    finished = len(best.scores)
    predicted = "" if candidate.predicted_ms is None else f", predicted {candidate.predicted_ms:.1f} ms"
    tau = "" if agreement is None else f"; Kendall's tau of the rounds {agreement.kendalls_tau:.2f}"
    more = "" if finished == len(iterations) else f" (round {finished} of {len(iterations)}; go on with --resume)"
    return (
        f"{path}: network {candidate.number} of {len(standings)}, {score.psnr_db:.2f} dB on V after "
        f"{iterations[finished - 1]} iterations{predicted}{tau}{more}"
    )
