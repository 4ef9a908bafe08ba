"""The rounds of a comparison: train those that are left, score them, keep the best."""

import time
from collections.abc import Sequence
from pathlib import Path

from ...stop_signals import STOPS
from ..learning.choices import LogFormat
from ..learning.distributed import Ranks
from ..learning.metrics import ValidationScore
from ..runs.progress import Progress
from ..runs.run_log import run_log
from .candidate_files import CandidateFiles
from .candidate_training import Trainer, finished_scores, train_round
from .candidates import Candidate
from .standings import Standing, best_first, write_standings


def compare(
    candidates: Sequence[Candidate],
    trainer: Trainer,
    files: CandidateFiles,
    ranks: Ranks,
    *,
    max_seconds: float,
    is_quiet: bool,
    log_format: LogFormat | None = None,
) -> Sequence[Standing]:
    """Round after round, until the last or until `max_seconds` are over; writes networks.csv.

    Every process trains networks of its own. What the candidates' checkpoints have finished is not done again. A log
    has one run for each network.
    """
    schedule = trainer.schedule
    started = time.monotonic()
    parameters = {one.number: sum(p.numel() for p in one.genotype.built().parameters()) for one in candidates}
    scores: dict[int, list[ValidationScore]] = {one.number: [] for one in candidates}
    left = list(candidates)

    def standings() -> list[Standing]:
        return [
            Standing(candidate=one, parameters=parameters[one.number], scores=tuple(scores[one.number]))
            for one in candidates
        ]

    with Progress(unit="it", total=_planned_iterations(trainer, ranks), is_quiet=is_quiet) as progress:
        try:
            for index, count in enumerate(schedule.survivors):
                if index:
                    left = [one.candidate for one in best_first(standings(), index - 1)[:count]]
                own: dict[int, ValidationScore] = {}
                for turn, candidate in enumerate(left):
                    if turn % ranks.count != ranks.rank:
                        continue
                    left_s = max_seconds - (time.monotonic() - started)
                    progress.tell(f"round {index + 1}, network {candidate.number}")
                    score = _trained(candidate, trainer, files, index, left_s, progress)
                    if score is None:
                        break
                    own[candidate.number] = score
                    _log_score(files.log(candidate.number), log_format, score, schedule.iterations[index])
                    progress.note(_score_line(candidate, score, schedule.iterations[index]) + progress.left_text)
                for number, score in ranks.gathered(own).items():
                    scores[number].append(score)
                if ranks.is_first:
                    write_standings(standings(), schedule.iterations, files.out / "networks.csv")
                if any(len(scores[one.number]) <= index for one in left):
                    break
        except STOPS:
            progress.note(f"{files.list_of_candidates}: what was compared is kept; go on with --resume")
            raise
    return standings()


def _trained(
    candidate: Candidate,
    trainer: Trainer,
    files: CandidateFiles,
    round_index: int,
    seconds: float,
    progress: Progress,
) -> ValidationScore | None:
    checkpoint = files.checkpoint(candidate.number)
    done = finished_scores(checkpoint, trainer)
    if len(done) > round_index:
        progress.skip(_iterations_of_round(trainer, round_index))
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
        step_done=progress.step,
    )


def _log_score(folder: Path, log_format: LogFormat | None, score: ValidationScore, iterations: int) -> None:
    cases = {f"validation/psnr_db_{case}": psnr_db for case, psnr_db in score.psnr_db_by_case.items()}
    with run_log(log_format, folder, done=iterations - 1) as log:
        log(iterations, {"validation/psnr_db": score.psnr_db, "validation/ssim": score.ssim, **cases})


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
