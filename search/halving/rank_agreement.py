"""How truly scores after short trainings rank networks: the order after the first round beside a later one."""

from collections.abc import Sequence
from dataclasses import dataclass

from .rank_correlation import kendalls_tau
from .standings import Standing

_FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """The scores of the same networks after two rounds."""

    early_db: tuple[float, ...]
    late_db: tuple[float, ...]
    early_iterations: int
    late_iterations: int
    kendalls_tau: float
    """1: the same order; 0: no relation; -1: the order reversed."""


def rank_agreement(standings: Sequence[Standing], iterations: Sequence[int]) -> RankAgreement | None:
    """Of the first round and the last one with at least four finite scores in both; None where there is no such."""
    for late in range(len(iterations) - 1, 0, -1):
        both = [standing for standing in standings if len(standing.scores) > late and standing.is_finite]
        if len(both) >= _FEWEST:
            early_db = tuple(standing.scores[0].psnr_db for standing in both)
            late_db = tuple(standing.scores[late].psnr_db for standing in both)
            return RankAgreement(
                early_db=early_db,
                late_db=late_db,
                early_iterations=iterations[0],
                late_iterations=iterations[late],
                kendalls_tau=kendalls_tau(early_db, late_db),
            )
    return None
