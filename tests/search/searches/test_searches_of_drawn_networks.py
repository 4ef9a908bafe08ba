"""Searches that draw networks: resumed exactly, judged by the network that is read off, and run as a command."""

import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search.architecture_search.judgement import validation_score
from hinas.search.architecture_search.search_loop import search
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.architecture_search.search_state import (
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
from hinas.search.search_command import app
from hinas.search.spaces.registry import network_description, space_named, space_settings
from hinas.search.spaces.schedule import SearchSchedule
from hinas.search.spaces.searcher import Mixing
from hinas.search.tasks.denoise import Denoise
from stand_ins.small_searchers import GREY, SMALL_SPACES, drawing_searcher

CPU = torch.device("cpu")
SAMPLED = Mixing(mixture="sampled")
SCHEDULE = SearchSchedule(
    epochs=4, batch=2, crop=16, warm_up_epochs=1, validate_from_epoch=3, mixture="sampled", skip_dropout=0.5
)


def _new(space: str, schedule: SearchSchedule) -> SearchState:
    torch.manual_seed(0)
    searcher = space_named(space).searcher(space_settings(space, SMALL_SPACES[space]), GREY)
    return new_search(searcher, schedule, seed=0, device=CPU)


def _searched(folder: Path, schedule: SearchSchedule) -> Searched:
    images = load_images(folder, channels=1, smallest_side=16).images
    kernels, architecture, validation = (PatchSource(part, device=CPU) for part in split_images(images, seed=0))
    return Searched(
        schedule=schedule, method="gradient", task=Denoise(levels=(30.0, 50.0, 70.0), quantised_share=0.0),
        kernels=kernels, architecture=architecture, validation=validation, steps_per_epoch=2, latency=None,
        ranks=Ranks(),
    )  # fmt: skip


def _run(state: SearchState, schedule: SearchSchedule, folder: Path, after_step: Callable[[], None]) -> None:
    search(
        state, _searched(folder, schedule), max_seconds=math.inf, save=lambda: None, report=lambda _: None,
        after_step=after_step,
    )  # fmt: skip


class _InterruptedError(Exception):
    pass


@pytest.mark.parametrize(
    ("space", "mixture", "dropout"),
    [("hinas", "sampled", 0.5), ("hinas", "softmax", 0.5), ("hinas", "sampled", 0.0), ("clearer", "sampled", 0.0)],
)
def test_a_search_that_draws_resumes_exactly(
    space: str, mixture: Any, dropout: float, picture_folder: Path, tmp_path: Path
) -> None:
    schedule = SCHEDULE.model_copy(update={"mixture": mixture, "skip_dropout": dropout})
    through = _new(space, schedule)
    _run(through, schedule, picture_folder, lambda: None)

    first = _new(space, schedule)

    def interrupt() -> None:
        # In the middle of an epoch.
        if (first.epoch, first.step) == (2, 1):
            raise _InterruptedError

    with pytest.raises(_InterruptedError):
        _run(first, schedule, picture_folder, interrupt)
    save_checkpoint(search_content(first, {}, "test"), tmp_path / "checkpoint.pt")
    resumed = _new(space, schedule)
    resumed.searcher.restore_randomness(torch.Generator().manual_seed(99).get_state())
    content = load_checkpoint(tmp_path / "checkpoint.pt", device=CPU)
    restore_search(resumed, content, lambda document: network_description(space, document))
    _run(resumed, schedule, picture_folder, lambda: None)
    for name, value in through.searcher.state_dict().items():
        assert torch.equal(value, resumed.searcher.state_dict()[name]), name
    assert torch.equal(through.searcher.randomness(), resumed.searcher.randomness())
    assert through.best == resumed.best and through.best is not None
    assert [row.losses for row in through.history] == [row.losses for row in resumed.history]


def test_scores_leave_out_no_skip_and_draw_nothing(picture_folder: Path) -> None:
    schedule = SCHEDULE.model_copy(update={"mixture": "softmax"})
    state = _new("hinas", schedule)
    _run(state, schedule, picture_folder, lambda: None)
    searched, before = _searched(picture_folder, schedule), state.searcher.randomness()
    state.searcher.set_mixing(Mixing())
    plain = validation_score(state, searched, None)
    for mixing in (Mixing(skip_dropout=0.9), SAMPLED):
        state.searcher.set_mixing(mixing)
        assert validation_score(state, searched, None) == plain
    assert torch.equal(state.searcher.randomness(), before)
    assert state.searcher.training


@pytest.mark.parametrize("space", SMALL_SPACES)
def test_a_search_of_drawn_networks_is_judged_by_the_network_read_off(space: str) -> None:
    searcher = drawing_searcher(space)
    assert searcher.judged() is None
    searcher.set_mixing(SAMPLED)
    assert searcher.judged() == searcher.description()


SHORT = (
    "--set", "layers=2", "--set", "nodes=1", "--set", "width=4", "--set", "compact_width=8", "--set", "steps=1",
    "--channels", "1", "--epochs", "2", "--batch", "2", "--crop", "16", "--threads", "1", "--device", "cpu",
)  # fmt: skip
Search = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(in_process: Callable[..., subprocess.CompletedProcess[str]]) -> Search:
    """hinas-search in this process."""
    return lambda *arguments: in_process(app, *arguments)


def test_the_command_searches_with_drawn_networks_and_skip_dropout(
    command: Search, picture_folder: Path, tmp_path: Path
) -> None:
    draws = ("--set", "mixture=sampled", "--set", "skip_dropout=0.3")
    found = command(picture_folder, "--out", tmp_path / "run", *SHORT, *draws)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "run" / "genotype.json").exists()


def test_a_checkpoint_from_before_there_were_draws_goes_on(
    command: Search, picture_folder: Path, tmp_path: Path
) -> None:
    run = (picture_folder, "--out", tmp_path / "run", *SHORT)
    assert command(*run, "--max-minutes", "0").returncode == 0
    content = load_checkpoint(tmp_path / "run" / "checkpoint.pt", device=CPU)
    del content["settings"]["mixture"], content["settings"]["skip_dropout"]
    content["randomness"] = None
    save_checkpoint(content, tmp_path / "run" / "checkpoint.pt")
    other = command(*run, "--resume", "--set", "mixture=sampled")
    assert other.returncode == 2
    assert "searched with mixture softmax, asked to go on with sampled" in other.stderr
    resumed = command(*run, "--resume")
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.parametrize(
    ("space", "change", "message"),
    [
        ("superkernel", "mixture=sampled", "mixture: got sampled, the space superkernel has softmax"),
        ("superkernel", "skip_dropout=0.2", "expected 0: the space superkernel chooses no skips"),
        ("clearer", "skip_dropout=0.2", "expected 0: the space clearer chooses no skips"),
        ("pyramid", "mixture=sampled", "mixture: got sampled, the space pyramid has softmax"),
        ("hinas", "mixture=one", "mixture: Input should be 'softmax' or 'sampled'"),
        ("hinas", "skip_dropout=1", "skip_dropout: Input should be less than 1"),
    ],
)
def test_what_a_space_cannot_do_is_refused_with_a_reason(
    space: str, change: str, message: str, command: Search
) -> None:
    refused = command("--space", space, "--set", change, "--print-space")
    assert refused.returncode == 2
    assert message in refused.stderr


@pytest.mark.parametrize("preset", ["paper", "v1", "fast"])
def test_the_presets_mix_as_published(preset: str) -> None:
    schedule = preset_space("hinas", GREY, preset, {}).schedule
    assert (schedule.mixture, schedule.skip_dropout) == ("softmax", 0.0)
