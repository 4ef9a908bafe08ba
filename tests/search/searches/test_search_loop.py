"""The search loop: its splits, its order, its exact resumption, and what latency does to it."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hinas.search.architecture_search.judgement import validation_score
from hinas.search.architecture_search.latency_penalty import expected_latency_ms
from hinas.search.architecture_search.latency_table import LatencyTable, Price
from hinas.search.architecture_search.search_loop import search, temperature_of
from hinas.search.architecture_search.search_state import (
    LatencyGoal,
    Searched,
    SearchState,
    new_search,
    restore_search,
    search_content,
)
from hinas.search.images.image_folder import load_images
from hinas.search.images.splits import split_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.runs.checkpoint import load_checkpoint, save_checkpoint
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import network_description, space_named, space_settings
from hinas.search.spaces.schedule import SearchSchedule
from hinas.search.tasks.denoise import Denoise

CPU = torch.device("cpu")
SPACE = space_settings(
    "hinas",
    {
        "layers": 2,
        "nodes": 2,
        "width": 4,
        "compact_width": 8,
        "stem": {"resolution": "half", "channels": 6},
        "end": {"channels": 6, "early_channels": 4},
        "conditioning": {"range": [0, 75]},
    },
)
SCHEDULE = SearchSchedule(epochs=4, batch=2, crop=16, warm_up_epochs=1, validate_from_epoch=3)
TASK = Denoise(levels=(30.0, 50.0, 70.0), quantised_share=0.0)


def _supernet() -> Any:
    return space_named("hinas").searcher(SPACE, TaskDescription(channels=1))


def _changed(**changes: Any) -> SearchSchedule:
    return SCHEDULE.model_copy(update=changes)


def _new(schedule: SearchSchedule) -> SearchState:
    torch.manual_seed(0)
    return new_search(_supernet(), schedule, seed=0, device=CPU)


def _kernels(state: SearchState) -> list[torch.nn.Parameter]:
    return next(phase.parameters for phase in state.phases if phase.name == "kernel")


def _architecture(state: SearchState) -> list[torch.nn.Parameter]:
    return next(phase.parameters for phase in state.phases if phase.name == "architecture")


def _searched(
    folder: Path, schedule: SearchSchedule, *, method: Any = "gradient", latency: LatencyGoal | None = None
) -> Searched:
    images = load_images(folder, channels=1, smallest_side=16).images
    kernels, architecture, validation = (PatchSource(part, device=CPU) for part in split_images(images, seed=0))
    return Searched(
        schedule=schedule,
        method=method,
        task=TASK,
        kernels=kernels,
        architecture=architecture,
        validation=validation,
        steps_per_epoch=2,
        latency=latency,
        ranks=Ranks(),
    )


def _search(
    state: SearchState,
    schedule: SearchSchedule,
    folder: Path,
    *,
    method: Any = "gradient",
    latency: LatencyGoal | None = None,
    max_seconds: float = math.inf,
) -> list[int]:
    saved: list[int] = []
    search(
        state,
        _searched(folder, schedule, method=method, latency=latency),
        max_seconds=max_seconds,
        save=lambda: saved.append(state.epoch),
        report=lambda _: None,
    )
    return saved


def _table() -> LatencyTable:
    """Made-up prices: a block costs its channels."""
    supernet = _supernet()
    return LatencyTable(
        space="hinas", backend="cpu", library="none", machine="none", threads=1, width=48, height=32,
        created="2026-01-01", command="made up",
        prices=tuple(
            Price(name=b.name, in_channels=b.in_channels, out_channels=b.out_channels, stride=b.stride,
                  ms=0.001 * b.in_channels * (9 if b.name == "dil_5x5" else 1))
            for b in supernet.expected_blocks()
        ),
    )  # fmt: skip


def test_the_splits_are_disjoint_and_hold_every_image() -> None:
    images = [np.full((1, 1), index) for index in range(200)]
    parts = split_images(images, seed=3)
    assert [len(part) for part in parts] == [98, 98, 4]
    assert sorted(int(image[0, 0]) for part in parts for image in part) == list(range(200))
    assert [[int(i[0, 0]) for i in p] for p in split_images(images, seed=3)] == [
        [int(i[0, 0]) for i in p] for p in parts
    ]
    assert all(len(part) == 2 for part in split_images(images[:2], seed=0))


def test_the_architecture_waits_for_the_kernels_and_is_judged_late(picture_folder: Path) -> None:
    state = _new(SCHEDULE)
    start = [parameter.detach().clone() for parameter in _architecture(state)]
    kernels = [parameter.detach().clone() for parameter in _kernels(state)]
    assert _search(state, _changed(epochs=1, validate_from_epoch=2), picture_folder) == [1]
    now = _architecture(state)
    # The last epoch is judged in any case: there is a result to write.
    assert state.history[0].losses["architecture"] is None and state.history[0].psnr_db is not None
    assert all(torch.equal(old, new) for old, new in zip(start, now, strict=True))
    assert any(not torch.equal(old, new) for old, new in zip(kernels, _kernels(state), strict=True))
    state = _new(SCHEDULE)
    _search(state, SCHEDULE, picture_folder)
    assert [row.losses["architecture"] is None for row in state.history] == [True, False, False, False]
    assert [row.psnr_db is None for row in state.history] == [True, True, False, False]
    now = _architecture(state)
    assert all(not torch.equal(old, new) for old, new in zip(start, now, strict=True))
    scores = [row.ssim + row.psnr_db / 100 for row in state.history if row.ssim and row.psnr_db]
    assert state.best is not None and state.best.score == max(scores)


def test_the_score_on_v_is_taken_on_batches_of_mixed_levels(picture_folder: Path) -> None:
    """The supernet's norms use each batch's statistics: with one level alone they would hide sigma from it."""
    state = _new(SCHEDULE)
    seen: list[set[float]] = []
    relaxed = state.relaxed

    def noting(noisy: torch.Tensor, sigma: torch.Tensor | None) -> torch.Tensor:
        assert sigma is not None
        seen.append(set(sigma.tolist()))
        return relaxed(noisy, sigma)

    state.relaxed = noting
    validation_score(state, _searched(picture_folder, SCHEDULE), None)
    assert seen == [{30.0, 50.0, 70.0}] * 3


@pytest.mark.parametrize("method", ["gradient", "random"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_a_resumed_search_is_the_uninterrupted_one(
    method: Any, optimizer: Any, picture_folder: Path, tmp_path: Path
) -> None:
    schedule = _changed(samples=2, kernel_optimizer=optimizer, kernel_learning_rate=0.002)
    through = _new(schedule)
    _search(through, schedule, picture_folder, method=method)

    halves = _new(schedule)
    # The last one ends in the middle of an epoch.
    for _ in range(3):
        assert len(_search(halves, schedule, picture_folder, method=method, max_seconds=0)) == 1
    save_checkpoint(search_content(halves, {}, "test"), tmp_path / "checkpoint.pt")
    resumed = _new(schedule)
    restore_search(
        resumed,
        load_checkpoint(tmp_path / "checkpoint.pt", device=CPU),
        lambda document: network_description("hinas", document),
    )
    assert _search(resumed, schedule, picture_folder, method=method) == [2, 3, 4]
    for name, value in through.searcher.state_dict().items():
        assert torch.equal(value, resumed.searcher.state_dict()[name]), name
    assert through.best == resumed.best
    assert through.best is not None and through.best.psnr_db > 5


@pytest.mark.parametrize("method", ["gradient", "random"])
def test_the_time_ends_a_search_within_an_epoch_and_saves(method: Any, picture_folder: Path) -> None:
    state = _new(SCHEDULE)
    assert _search(state, SCHEDULE, picture_folder, method=method, max_seconds=0) == [0]
    assert (state.epoch, state.step, state.history) == (0, 1, [])
    # An epoch that is over is judged all the same.
    assert _search(state, SCHEDULE, picture_folder, method=method, max_seconds=0) == [1]
    assert (state.epoch, state.step, len(state.history)) == (1, 0, 1)


def test_all_processes_leave_in_the_step_in_which_the_first_one_does(picture_folder: Path) -> None:
    class SecondOfTwo(Ranks):
        def agreed(self, decision: Any) -> Any:
            assert decision is False
            return True

    state = _new(SCHEDULE)
    search(
        state, replace(_searched(picture_folder, SCHEDULE), ranks=SecondOfTwo()), max_seconds=1e9,
        save=lambda: None, report=lambda _: None,
    )  # fmt: skip
    assert (state.epoch, state.step) == (0, 1)


def test_latency_in_the_loss_makes_the_expected_network_faster(picture_folder: Path) -> None:
    table = _table()
    settings = _changed(epochs=6, architecture_learning_rate=0.05)
    expected: list[float] = []
    for weight in (0.0, 10.0):
        state = _new(settings)
        _search(state, settings, picture_folder, latency=LatencyGoal(table=table, weight=weight))
        expected.append(expected_latency_ms(state.searcher, LatencyGoal(table=table, weight=weight)).item())
        assert state.history[-1].latency_ms == pytest.approx(expected[-1])
        assert state.best is not None and state.best.latency_ms is not None
    assert expected[1] < 0.8 * expected[0]


def test_latency_below_the_target_costs_nothing(picture_folder: Path) -> None:
    states = [_new(SCHEDULE), _new(SCHEDULE)]
    goals = [None, LatencyGoal(table=_table(), weight=10.0, target_ms=1e6)]
    for state, goal in zip(states, goals, strict=True):
        _search(state, SCHEDULE, picture_folder, latency=goal)
    searchers: list[Any] = [state.searcher for state in states]
    assert torch.equal(*(searcher.architecture.alpha for searcher in searchers))


def test_a_loss_that_is_not_finite_stops_the_search(picture_folder: Path) -> None:
    state = _new(SCHEDULE)
    with torch.no_grad():
        _kernels(state)[0].fill_(math.nan)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        _search(state, SCHEDULE, picture_folder)


def test_a_search_goes_on_with_another_latency_goal(picture_folder: Path) -> None:
    state = _new(SCHEDULE)
    _search(state, _changed(epochs=3), picture_folder)
    assert state.best is not None and state.best.latency_ms is None
    goal = LatencyGoal(table=_table(), weight=1000.0)
    state.best = replace(state.best, psnr_db=1000.0)
    first = state.best
    _search(state, SCHEDULE, picture_folder, latency=goal)
    # The old find was priced before it was compared: what decides now is the latency.
    assert state.best.latency_ms is not None
    fastest = min(
        goal.table.predicted_ms(state.searcher.blocks_of(one))
        for one in (first.description, state.searcher.description())
    )
    assert state.best.latency_ms == fastest


def test_the_temperature_falls_evenly_after_the_warm_up_and_decides() -> None:
    settings = _changed(epochs=7, warm_up_epochs=2, final_temperature=0.01)
    found = [temperature_of(epoch, settings) for epoch in range(7)]
    assert found == pytest.approx([1, 1, 1, 0.01**0.25, 0.1, 0.01**0.75, 0.01])
    assert {temperature_of(epoch, SCHEDULE) for epoch in range(4)} == {1.0}
    supernet = _supernet()
    before = supernet.entropies_bits()
    with torch.no_grad():
        supernet.architecture.alpha.mul_(1000)
    supernet.set_temperature(0.1)
    assert supernet.entropies_bits()["alpha"] < 0.5 * before["alpha"]
    assert supernet.entropies_bits()["beta"] < before["beta"]


def test_in_tiles_the_halo_costs_time() -> None:
    supernet = _supernet()
    goal = LatencyGoal(table=_table(), weight=1.0)
    whole = expected_latency_ms(supernet, goal)
    tiled = expected_latency_ms(supernet, replace(goal, tile=128))
    halo = supernet.expected_halo()
    assert tiled.item() == pytest.approx(whole.item() * (128 / (128 - 2 * halo.item())) ** 2)
    # Of edges of one kind what sees far lengthens the halo, what sees near shortens it.
    (gradient,) = torch.autograd.grad(halo, [supernet.architecture.alpha])
    assert gradient[..., 4].sum() > 0 > gradient[..., 0].sum()
