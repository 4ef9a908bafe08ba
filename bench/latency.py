"""Latency of several models, measured in interleaved rounds: what disturbs the machine disturbs all of them alike.

Each model runs in a process of its own (`latency_worker`), one at a time: a fresh start gives the cold start, then it
runs until it is warm, then round after round every model runs once, a different one first each time.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..errors import UserError
from ..runtime.process_memory import available_bytes
from .candidates import Candidate
from .results import ColdStart, Latency

_MOST_WARM_UP_RUNS = 20
_MOST_WARM_UP_SECONDS = 10.0
_WARM_SPREAD = 0.05
# Below this many pixels any model fits a machine that can run it at all, so its memory need not be estimated.
_SURELY_FITTING_PIXELS = 2**18


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """An image size, written WIDTHxHEIGHT."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """How long to measure: until both limits are reached."""

    fewest: int = 10
    """Timed runs of each model, at least."""
    seconds: float = 2.0
    """Time that all rounds together take for each model, at least; gives fast models more runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredLatency:
    """One candidate at one size, batch 1."""

    candidate: Candidate
    size: Size
    latency: Latency
    library: str
    """What really ran: library, version, provider, threads."""
    peak_memory_bytes: int | None
    """Of the model's own process; None: the system does not say."""


def measure_latency(
    candidates: Sequence[Candidate], size: Size, *, rounds: Rounds, progress: Callable[[], None] = lambda: None
) -> list[MeasuredLatency]:
    """Time one run of each network on one image of `size` (padded to the model's alignment), batch 1.

    `progress` is called after each model's warm-up and after each of the first `rounds.fewest` rounds.
    Raises UserError where the memory does not suffice or a model's process dies.
    """
    check_memory(candidates, size)
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(candidate, size)) for candidate in candidates]
        warm_ups: list[tuple[int, bool]] = []
        for worker in workers:
            worker.start()
            warm_ups.append(_warm_up(worker.run))
            progress()
        samples: list[list[float]] = [[] for _ in workers]
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
            MeasuredLatency(
                candidate=worker.candidate,
                size=size,
                latency=latency_of(times, warm_up_runs=warm_up_runs, is_warm=is_warm, cold_start=worker.cold_start),
                library=worker.library,
                peak_memory_bytes=worker.peak_memory_bytes(),
            )
            for worker, times, (warm_up_runs, is_warm) in zip(workers, samples, warm_ups, strict=True)
        ]


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


def check_memory(candidates: Sequence[Candidate], size: Size) -> None:
    """UserError where the models, loaded together, would not fit into the free memory at this size."""
    pixels = size.width * size.height
    free = available_bytes()
    if pixels <= _SURELY_FITTING_PIXELS or free is None:
        return
    needed = sum(candidate.backend.bytes_per_pixel() for candidate in candidates) * pixels
    if needed > free:
        raise UserError(
            f"--size {size}: the models together need about {needed / 2**30:.1f} GiB for whole images of this size, "
            f"{free / 2**30:.1f} GiB are free; choose a smaller size or fewer models"
        )


def _warm_up(run: Callable[[], float]) -> tuple[int, bool]:
    """Run until the last three agree within 5 %, at most 20 times or 10 s: (number of runs, whether they agree)."""
    times: list[float] = []
    while len(times) < 3 or (len(times) < _MOST_WARM_UP_RUNS and sum(times) < 1000 * _MOST_WARM_UP_SECONDS):
        times.append(run())
        last = times[-3:]
        if len(last) == 3 and max(last) <= (1 + _WARM_SPREAD) * min(last):
            return len(times), True
    return len(times), False


class _Worker:
    """A model's own process, as a context."""

    def __init__(self, candidate: Candidate, size: Size) -> None:
        self.candidate = candidate
        self.library = ""
        self.cold_start: ColdStart | None = None
        self._size = size
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Start the process and wait for its cold start."""
        # -P: a folder that happens to be the working directory must not shadow modules.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hinas.bench.latency_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        request = {
            "model": str(self.candidate.file),
            "backend": self.candidate.backend_name,
            "threads": self.candidate.threads,
            "width": self._size.width,
            "height": self._size.height,
        }
        answer = self._ask(json.dumps(request))
        self.library = answer.pop("library")
        self.cold_start = ColdStart(**answer)

    def run(self) -> float:
        """Milliseconds of one run."""
        return self._ask("run")["ms"]

    def peak_memory_bytes(self) -> int | None:
        return self._ask("peak")["peak_memory_bytes"]

    def _ask(self, line: str) -> dict[str, Any]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        what = f"model {self.candidate.name!r} at {self._size}"
        if not answer:
            status = process.wait()
            if status != -signal.SIGKILL:
                raise RuntimeError(f"{what}: the process that ran it ended with exit status {status}")
            raise UserError(f"{what}: the system killed it, most likely for want of memory; choose a smaller --size")
        message = json.loads(answer)
        if "error" in message:
            raise UserError(f"{what}: {message['error']}")
        return message

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        # Popen's own exit waits for a run that is under way; after Ctrl-C nobody wants its result.
        self._process.kill()
        self._process.communicate()
