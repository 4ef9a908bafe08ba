"""Latency of several methods, measured in interleaved rounds: what disturbs the machine disturbs all of them alike.

Each runs in a process of its own (`latency_worker`), one at a time: a fresh start gives the cold start, then it runs
until it is warm, then round after round every method runs once, a different one first each time. All that is done
several times, with new processes. On a GPU the energy is read last, over runs one after the other.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Self

import numpy as np

from ...errors import UserError
from ..results.entries import ColdStart, Latency
from .timed_method import MethodProcess, Size, TimedMethod, check_memory

_MOST_WARM_UP_RUNS = 20
_MOST_WARM_UP_SECONDS = 10.0
_WARM_SPREAD = 0.05
_SECONDS_PER_ROUND = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """How long to measure: until both limits are reached."""

    fewest: int = 10
    """TimedMethod runs of each model, at least."""
    seconds: float = 2.0
    """Time that all rounds together take for each model, at least; gives fast models more runs."""
    starts: int = 4
    """Times that every model's process is started anew, the rounds spread over them: where a process happens to lie in
    the memory makes some percent of its latency (one model, 14 starts: 116 to 130 ms)."""

    @classmethod
    def at_least(cls, fewest: int) -> Self:
        """As a person asks for them: a few are a short measurement, of fast models too. UserError for none."""
        if fewest < 1:
            raise UserError(f"--rounds {fewest}: no latency would be measured, and this needs one; give 1 or more")
        return cls(fewest=fewest, seconds=_SECONDS_PER_ROUND * fewest)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredLatency:
    """One method at one size, batch 1. None: not measured, or there is no such thing."""

    method: TimedMethod
    size: Size
    latency: Latency
    """On a GPU of the computing alone."""
    library: str
    """What really ran: library, version, provider, threads."""
    peak_memory_bytes: int | None
    """Of the method's own process; None: the system does not say."""
    transfer_in_ms: float | None = None
    """To the GPU, median."""
    transfer_out_ms: float | None = None
    """From the GPU, median."""
    peak_device_bytes: int | None = None
    """What the method's process takes of the GPU's memory."""
    energy_j: float | None = None
    """Of the whole GPU for one run with its transfers, mean over about a second of runs one after the other."""


def measure_latency(
    methods: Sequence[TimedMethod], size: Size, *, rounds: Rounds, progress: Callable[[], None] = lambda: None
) -> list[MeasuredLatency]:
    """Time one run of each method on one image of `size` (padded to a model's alignment), batch 1.

    `progress` is called after each warm-up and after each of the first `rounds.fewest` rounds: `progress_steps` times.
    Raises UserError where the memory does not suffice or a method's process dies.
    """
    check_memory(methods, size)
    starts = [_one_start(methods, size, part, progress) for part in _parts(rounds)]
    return [_joined(list(of_one_method)) for of_one_method in zip(*starts, strict=True)]


def progress_steps(num_methods: int, rounds: Rounds) -> int:
    """How often `measure_latency` calls `progress`."""
    return num_methods * len(_parts(rounds)) + rounds.fewest


def _parts(rounds: Rounds) -> list[Rounds]:
    """What is measured after each start."""
    starts = min(rounds.starts, rounds.fewest)
    return [
        Rounds(fewest=rounds.fewest // starts + (index < rounds.fewest % starts), seconds=rounds.seconds / starts)
        for index in range(starts)
    ]


@dataclass(frozen=True, kw_only=True)
class _Start:
    """One method from its process's start to its end."""

    worker: MethodProcess
    runs: Sequence[Mapping[str, float]]
    warm_up_runs: int
    is_warm: bool
    totals: Mapping[str, Any]


def _one_start(
    methods: Sequence[TimedMethod], size: Size, rounds: Rounds, progress: Callable[[], None]
) -> list[_Start]:
    with ExitStack() as stack:
        workers = [stack.enter_context(MethodProcess(method, size)) for method in methods]
        warm_ups: list[tuple[int, bool]] = []
        for worker in workers:
            worker.start()
            warm_ups.append(_warm_up(lambda worker=worker: worker.run()["ms"]))
            progress()
        samples: list[list[Mapping[str, float]]] = [[] for _ in workers]
        until = time.perf_counter() + rounds.seconds * len(workers)
        done = 0
        while done < rounds.fewest or time.perf_counter() < until:
            for turn in range(len(workers)):
                index = (done + turn) % len(workers)
                samples[index].append(workers[index].run())
            done += 1
            if done <= rounds.fewest:
                progress()
        return [
            _Start(worker=worker, runs=runs, warm_up_runs=warm_up_runs, is_warm=is_warm, totals=worker.totals())
            for worker, runs, (warm_up_runs, is_warm) in zip(workers, samples, warm_ups, strict=True)
        ]


def _joined(starts: Sequence[_Start]) -> MeasuredLatency:
    first = starts[0].worker
    runs = [run for start in starts for run in start.runs]
    cold_starts = [start.worker.cold_start for start in starts if start.worker.cold_start is not None]
    return MeasuredLatency(
        method=first.method,
        size=first.size,
        latency=latency_of(
            [run["ms"] for run in runs],
            warm_up_runs=sum(start.warm_up_runs for start in starts),
            is_warm=all(start.is_warm for start in starts),
            cold_start=_median_start(cold_starts) if cold_starts else None,
        ),
        library=first.library,
        transfer_in_ms=_median(runs, "transfer_in_ms"),
        transfer_out_ms=_median(runs, "transfer_out_ms"),
        peak_memory_bytes=_over(starts, "peak_memory_bytes", max),
        peak_device_bytes=_over(starts, "peak_device_bytes", max),
        energy_j=_over(starts, "energy_j", fmean),
    )


def _median_start(starts: Sequence[ColdStart]) -> ColdStart:
    return ColdStart(**{part: median(getattr(start, part) for start in starts) for part in ColdStart.model_fields})


def _over(starts: Sequence[_Start], part: str, join: Callable[[list[Any]], Any]) -> Any:
    """None where a start does not say."""
    values = [start.totals.get(part) for start in starts]
    return None if None in values else join(values)


def latency_of(
    samples_ms: Sequence[float], *, warm_up_runs: int, is_warm: bool, cold_start: ColdStart | None
) -> Latency:
    """The statistics of raw samples in milliseconds."""
    p50, p90, p99 = (float(value) for value in np.percentile(samples_ms, [50, 90, 99]))
    return Latency(
        min=min(samples_ms),
        p50=p50,
        p90=p90,
        p99=p99,
        runs=len(samples_ms),
        warm_up_runs=warm_up_runs,
        is_warm=is_warm,
        cold_start=cold_start,
        samples=tuple(samples_ms),
    )


def _median(runs: Sequence[Mapping[str, float]], part: str) -> float | None:
    """None: the runs have no such part."""
    return float(np.median([run[part] for run in runs])) if part in runs[0] else None


def _warm_up(run: Callable[[], float]) -> tuple[int, bool]:
    """Run until the last three agree within 5 %, at most 20 times or 10 s: (number of runs, whether they agree)."""
    times: list[float] = []
    while len(times) < 3 or (len(times) < _MOST_WARM_UP_RUNS and sum(times) < 1000 * _MOST_WARM_UP_SECONDS):
        times.append(run())
        last = times[-3:]
        if len(last) == 3 and max(last) <= (1 + _WARM_SPREAD) * min(last):
            return len(times), True
    return len(times), False
