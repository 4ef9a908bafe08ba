"""Overlapping stages, without pictures: order, overlap, bounds, failures and Ctrl-C, forced by events."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hinas.runtime.files.pipeline import BusyClock, Limits, Outcome, Stages, overlapped
from hypothesis import given, settings
from hypothesis import strategies as st

LONG = 30.0  # seconds: only a deadlock waits so long


class FailedJobError(Exception):
    pass


def same(value: int) -> int:
    return value


def run(
    jobs: Any,
    *,
    load: Callable[[int], Any] = same,
    work: Callable[[Any], Any] = same,
    store: Callable[[Any], Any] = same,
    cost: Callable[[int], int] = lambda job: 1,
    num_loading: int = 1,
    num_storing: int = 1,
    capacity: int = 1000,
) -> Any:
    stages = Stages(load=load, work=work, store=store, cost=cost)
    limits = Limits(num_loading=num_loading, num_storing=num_storing, capacity=capacity)
    return overlapped(jobs, stages, limits, failures=FailedJobError)


@given(
    ends=st.lists(st.sampled_from(["whole", "load", "work", "store"]), max_size=12),
    costs=st.lists(st.integers(0, 9), min_size=12, max_size=12),
    num_loading=st.integers(1, 4),
    num_storing=st.integers(1, 4),
    capacity=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_every_job_ends_once_in_order_and_costs_stay_in_bounds(
    ends: list[str], costs: list[int], num_loading: int, num_storing: int, capacity: int
) -> None:
    lock = threading.Lock()
    under_way: set[int] = set()
    most = 0

    def stage(name: str) -> Callable[[int], int]:
        def call(job: int) -> int:
            nonlocal most
            with lock:
                if name == "load":
                    under_way.add(job)
                    most = max(most, sum(costs[other] for other in under_way))
            if ends[job] == name:
                raise FailedJobError(f"{name} {job}")
            return job

        return call

    found: list[Outcome[int, int]] = []
    stages = {name: stage(name) for name in ("load", "work", "store")}
    for outcome in run(
        range(len(ends)),
        **stages,
        cost=lambda job: costs[job],
        num_loading=num_loading,
        num_storing=num_storing,
        capacity=capacity,
    ):
        found.append(outcome)
        with lock:
            under_way.discard(outcome.job)
    assert [outcome.job for outcome in found] == list(range(len(ends)))
    for job, outcome in enumerate(found):
        assert outcome.stored == (job if ends[job] == "whole" else None)
        assert str(outcome.failure) == ("None" if ends[job] == "whole" else f"{ends[job]} {job}")
    assert most <= max([capacity, *costs])


def test_the_next_is_loaded_and_the_last_is_stored_during_the_work() -> None:
    """Job 1's work ends only once job 2 is loaded and job 0 being stored."""
    loaded_2, storing_0, worked_1 = threading.Event(), threading.Event(), threading.Event()

    def load(job: int) -> int:
        if job == 2:
            loaded_2.set()
        return job

    def work(job: int) -> int:
        if job == 1:
            assert loaded_2.wait(LONG)
            assert storing_0.wait(LONG)
            worked_1.set()
        return job

    def store(job: int) -> int:
        if job == 0:
            storing_0.set()
            assert worked_1.wait(LONG)
        return job

    assert [outcome.stored for outcome in run(range(3), load=load, work=work, store=store)] == [0, 1, 2]


def test_no_more_is_loaded_than_may_wait() -> None:
    """While job 0 is worked on, one more is loaded; the one after that only when job 1 is taken."""
    loaded: list[int] = []
    seen: list[list[int]] = []
    is_loaded = [threading.Event() for _ in range(4)]

    def load(job: int) -> int:
        loaded.append(job)
        is_loaded[job].set()
        return job

    def work(job: int) -> int:
        if job + 1 < 4:
            assert is_loaded[job + 1].wait(LONG)
        seen.append(list(loaded))
        return job

    list(run(range(4), load=load, work=work))
    assert seen == [[0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]]


def test_storing_that_is_slow_holds_the_work_back() -> None:
    """With one storer, job 1 is worked on while job 0 is stored, job 2 not before."""
    stored_0 = threading.Event()
    order: list[str] = []

    def work(job: int) -> int:
        order.append(f"work {job}")
        if job == 1:
            stored_0.set()  # lets the storer go on: job 1 was reached while job 0 was being stored
        return job

    def store(job: int) -> int:
        if job == 0:
            assert stored_0.wait(LONG)
        order.append(f"store {job}")
        return job

    list(run(range(3), work=work, store=store))
    assert order.index("store 0") < order.index("work 2")


def test_a_job_that_costs_too_much_goes_alone() -> None:
    lock = threading.Lock()
    under_way: set[int] = set()
    with_1: list[set[int]] = []

    def load(job: int) -> int:
        with lock:
            under_way.add(job)
            if 1 in under_way:
                with_1.append(set(under_way))
        return job

    def store(job: int) -> int:
        with lock:
            under_way.discard(job)
        return job

    costs = [1, 50, 1, 1]
    outcomes = list(run(range(4), load=load, store=store, cost=costs.__getitem__, capacity=10, num_loading=2))
    assert [outcome.stored for outcome in outcomes] == [0, 1, 2, 3]
    assert with_1 == [{1}]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interruption_begins_nothing_and_finishes_what_is_being_stored(error: type[BaseException]) -> None:
    begun, storing_0, interrupted = [], threading.Event(), threading.Event()
    stored: list[int] = []

    def load(job: int) -> int:
        begun.append(job)
        return job

    def work(job: int) -> int:
        if job == 1:
            assert storing_0.wait(LONG)
            interrupted.set()
            raise error
        return job

    def store(job: int) -> int:
        storing_0.set()
        assert interrupted.wait(LONG)
        stored.append(job)
        return job

    with pytest.raises(error):
        list(run(range(100), load=load, work=work, store=store))
    assert stored == [0], "whole, and before the interruption goes on"
    assert len(begun) <= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("load", "store"))]


def test_a_defect_in_a_thread_is_not_hidden() -> None:
    def load(job: int) -> int:
        return 1 // job

    with pytest.raises(ZeroDivisionError):
        list(run([1, 0, 1], load=load))


def test_the_busy_clock_counts_calls_against_their_span() -> None:
    times = iter([10.0, 12.0, 13.0, 14.0])
    clock = BusyClock(lambda: next(times))
    assert clock.span_seconds == 0
    call = clock.timed(same)
    assert [call(1), call(2)] == [1, 2]
    assert (clock.busy_seconds, clock.span_seconds) == (3.0, 4.0)
