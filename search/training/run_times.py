"""The time of a training's run, and what the learning rate and the plan make of it. No torch."""

from dataclasses import dataclass

from .learning_rate import learning_rate_factor, learning_rate_factor_at
from .training_settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """The time of a run in seconds, the same in all processes."""

    earlier: float
    """Of the runs that this one goes on with."""
    limit: float
    elapsed: float = 0.0
    start_up: float = 0.0
    """Of the first iteration. It may compile, which would take the warm-up's time."""


def rate_factor(settings: TrainingSettings, iteration: int, times: RunTimes) -> float:
    """What the peak learning rate is multiplied with: by iterations where `settings` count them, else by the clock."""
    if settings.iterations is not None:
        return learning_rate_factor(
            iteration, warmup=settings.warmup, iterations=settings.iterations, schedule=settings.schedule
        )
    before = times.earlier - times.start_up
    return learning_rate_factor_at(
        before + times.elapsed,
        iteration=iteration,
        warmup=settings.warmup,
        end_seconds=before + times.limit,
        schedule=settings.schedule,
    )


def num_planned(settings: TrainingSettings, iteration: int, num_run: int, times: RunTimes) -> int | None:
    """How many iterations there will be, after `num_run` of this run; None as long as their pace is not known."""
    if settings.iterations is not None:
        return settings.iterations
    measured = times.elapsed - times.start_up
    if num_run < 2 or measured <= 0:
        return None
    return iteration + round(max(0.0, times.limit - times.elapsed) * (num_run - 1) / measured)
