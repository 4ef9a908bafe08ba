"""Three stages over many jobs, overlapped: while one job is worked on, the next are loaded and earlier ones stored.

Work runs in the caller's thread, one job at a time, so that Ctrl-C stops it; loading and storing run in threads.
What is held is bounded twice: by the number of jobs in each stage and by the sum of their costs.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Loaded = TypeVar("Loaded")
Worked = TypeVar("Worked")
Stored = TypeVar("Stored")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages(Generic[Job, Loaded, Worked, Stored]):
    """What is done to every job. `load` and `store` are called from several threads at once."""

    load: Callable[[Job], Loaded]
    work: Callable[[Loaded], Worked]
    store: Callable[[Worked], Stored]
    cost: Callable[[Job], int]
    """What a job holds from its loading until it is stored, in the unit of `Limits.capacity`; asked once, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much may be under way."""

    num_loading: int
    """Jobs being loaded or waiting loaded."""
    num_storing: int
    """Jobs being stored."""
    capacity: int
    """Sum of the costs of all jobs under way; a job that costs more goes through alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome(Generic[Job, Stored]):
    """How a job ended."""

    job: Job
    stored: Stored | None
    """None where it failed."""
    failure: Exception | None
    """None where it succeeded."""


@dataclass(frozen=True, slots=True)
class _UnderWay(Generic[Job, Stored]):
    job: Job
    cost: int
    future: "Future[Stored]"


def overlapped(
    jobs: Iterable[Job],
    stages: Stages[Job, Loaded, Worked, Stored],
    limits: Limits,
    *,
    failures: type[Exception] | tuple[type[Exception], ...],
) -> Generator[Outcome[Job, Stored], None, None]:
    """The outcome of every job, in the order of `jobs`, each as soon as it and those before it have ended.

    An error of a class in `failures` ends its job alone. Any other error, Ctrl-C, or closing the iterator ends
    all: what has been worked on is stored, what is being loaded is waited for, and nothing more is begun.
    """
    loaders = ThreadPoolExecutor(limits.num_loading, "load")
    storers = ThreadPoolExecutor(limits.num_storing, "store")
    coming = ((job, stages.cost(job)) for job in jobs)
    upcoming = next(coming, None)
    loading: deque[_UnderWay[Job, Loaded]] = deque()
    ending: deque[_UnderWay[Job, Stored]] = deque()
    held = 0

    def admit() -> None:
        nonlocal upcoming, held
        while upcoming is not None and len(loading) < limits.num_loading:
            job, cost = upcoming
            if held > 0 and held + cost > limits.capacity:
                return
            loading.append(_UnderWay(job, cost, loaders.submit(stages.load, job)))
            held += cost
            upcoming = next(coming, None)

    def ended() -> Outcome[Job, Stored]:
        nonlocal held
        entry = ending.popleft()
        try:
            outcome = Outcome(job=entry.job, stored=entry.future.result(), failure=None)
        except failures as error:
            outcome = Outcome(job=entry.job, stored=None, failure=error)
        held -= entry.cost
        return outcome

    try:
        while upcoming is not None or loading or ending:
            admit()
            if not loading:
                yield ended()
                continue
            entry = loading.popleft()
            try:
                loaded = entry.future.result()
                admit()  # the next is loaded during this one's work
                worked = stages.work(loaded)
                del loaded
            except failures as error:
                future = Future()
                future.set_exception(error)
            else:
                while len(ending) >= limits.num_storing:
                    yield ended()
                future = storers.submit(stages.store, worked)
                del worked
            ending.append(_UnderWay(entry.job, entry.cost, future))
            # A finished job's pictures must not live on in a variable.
            del entry, future
            while ending and ending[0].future.done():
                yield ended()
    finally:
        loaders.shutdown(wait=False, cancel_futures=True)
        storers.shutdown()
        loaders.shutdown()


class BusyClock:
    """How much of the time from the first call's beginning to the last one's end was spent in calls."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """`now`: seconds."""
        self._now = now
        self._first: float | None = None
        self._last = 0.0
        self.busy_seconds = 0.0

    def timed(self, function: Callable[[Loaded], Worked]) -> Callable[[Loaded], Worked]:
        """`function`, its calls counted."""

        def call(argument: Loaded) -> Worked:
            start = self._now()
            if self._first is None:
                self._first = start
            try:
                return function(argument)
            finally:
                self._last = self._now()
                self.busy_seconds += self._last - start

        return call

    @property
    def span_seconds(self) -> float:
        """From the first call's beginning to the last one's end; 0 before the first."""
        return 0.0 if self._first is None else self._last - self._first
