"""How the learning rate of a training rises and falls: by iterations, or by the clock. No torch."""

import math

from ..learning.choices import RateCurve

_WARMUP_SHARE = 0.05
"""Of the time: the longest warm-up of a training by the clock."""


def learning_rate_factor(iteration: int, *, warmup: int, iterations: int, schedule: RateCurve) -> float:
    """Linear warm-up, then down to 0 at `iterations`, or constant."""
    rise = min(1.0, (iteration + 1) / max(1, warmup))
    return rise * _fall(iteration, iterations, schedule)


def learning_rate_factor_at(
    seconds: float, *, iteration: int, warmup: int, end_seconds: float, schedule: RateCurve
) -> float:
    """The same with the fall to 0 at `end_seconds`, however many iterations fit into them.

    The warm-up ends after `warmup` iterations or a twentieth of the time, whichever comes first.
    """
    share = seconds / end_seconds if end_seconds > 0 else 0.0
    rise = min(1.0, max((iteration + 1) / max(1, warmup), share / _WARMUP_SHARE))
    return rise * _fall(share, 1.0, schedule)


def _fall(at: float, end: float, schedule: RateCurve) -> float:
    if schedule == "constant":
        return 1.0
    if schedule == "trapezoid":
        return min(1.0, max(0.0, (end - at) / (0.2 * end)))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, at / end)))
