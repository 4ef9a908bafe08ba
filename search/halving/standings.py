"""What every candidate has reached: its scores by rounds, who stays, and networks.csv."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...atomic_files import written_whole
from ..learning.metrics import ValidationScore
from .candidates import Candidate


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One candidate with its scores, one for each round that it has finished."""

    candidate: Candidate
    parameters: int
    scores: tuple[ValidationScore, ...]

    @property
    def is_finite(self) -> bool:
        """Whether no training has diverged."""
        return all(math.isfinite(score.psnr_db) for score in self.scores)

    @property
    def last_finite_round(self) -> int | None:
        """The last round, counted from 0, whose training did not diverge: its weights are kept. None: no such."""
        finite = [index for index, score in enumerate(self.scores) if math.isfinite(score.psnr_db)]
        return max(finite, default=None)


def best_first(standings: Sequence[Standing], round_index: int) -> list[Standing]:
    """Those that have finished a round, the highest PSNR first; equal ones in the order of their numbers."""

    def rank(one: Standing) -> tuple[float, int]:
        psnr_db = one.scores[round_index].psnr_db
        # What is not a number has no place of its own in an order: it comes last, as what diverged.
        return (-psnr_db if math.isfinite(psnr_db) else math.inf, one.candidate.number)

    return sorted((standing for standing in standings if len(standing.scores) > round_index), key=rank)


def leader(standings: Sequence[Standing]) -> Standing | None:
    """The best of those with a finite score in the last round that has one; None where no score is finite."""
    rounds = [one.last_finite_round for one in standings if one.last_finite_round is not None]
    return best_first(standings, max(rounds))[0] if rounds else None


def write_standings(standings: Sequence[Standing], iterations: Sequence[int], path: Path) -> None:
    """Write one line for each network, whole or not at all; a training that diverged has -inf dB."""
    cases = list(dict.fromkeys(case for one in standings for score in one.scores for case in score.psnr_db_by_case))
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["network", "identity", "predicted_ms", "parameters"]
            + [f"psnr_db_after_{count}" for count in iterations]
            + [f"last_psnr_db_{case.replace(' ', '_')}" for case in cases]
        )
        for one in standings:
            by_round = [score.psnr_db for score in one.scores]
            last = one.scores[-1].psnr_db_by_case if one.scores else {}
            writer.writerow(
                [one.candidate.number, one.candidate.genotype.identity, one.candidate.predicted_ms, one.parameters]
                + [*by_round, *[None] * (len(iterations) - len(by_round))]
                + [last.get(case) for case in cases]
            )
