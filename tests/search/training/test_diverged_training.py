"""A training whose loss or weights are no longer finite: it ends, and the last good checkpoint stays."""

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.network_input import NetworkInput
from hinas.search import train_command
from hinas.search.genotype import genotype_from_json
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.tasks.denoise import Denoise
from hinas.search.training import train_loop
from hinas.search.training.train_loop import train
from hinas.search.training.training_settings import TrainingSettings
from hinas.search.training.training_state import TrainingState, new_state

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(iterations=4, batch=1, crop=16, warmup=1, log_every=100)


@pytest.fixture
def state(small_document: Any) -> TrainingState:
    torch.manual_seed(0)
    return new_state(genotype_from_json(json.dumps(small_document(1))).built(), SETTINGS, device=CPU)


def _iterations_saved(state: TrainingState) -> list[int]:
    """Of a training that is saved after every iteration, until it finds itself diverged."""
    saved: list[int] = []
    with pytest.raises(FloatingPointError, match="at iteration 3"):
        train(
            state, SETTINGS, patches=PatchSource([torch.zeros(16, 16, 1, dtype=torch.uint8).numpy()], device=CPU),
            validation_images=(), task=Denoise(),
            network_input=NetworkInput(channels=1, alignment=2, level_range=(0.0, 75.0)), compiled=False,
            ranks=Ranks(), max_seconds=math.inf, save=lambda: saved.append(state.iteration), save_every_seconds=0,
            report=lambda *_: None,
        )  # fmt: skip
    return saved


def test_a_loss_that_is_not_finite_is_noticed_before_the_next_save(
    state: TrainingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter((1.0, 1.0, math.nan, 1.0))
    monkeypatch.setattr(train_loop, "_step", lambda *_: torch.tensor(next(losses)))
    assert _iterations_saved(state) == [1, 2]


def test_a_weight_that_is_not_finite_is_noticed_under_a_loss_that_is(
    state: TrainingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(state: TrainingState, *_: Any) -> torch.Tensor:
        if state.iteration == 2:
            with torch.no_grad():
                next(state.network.parameters()).fill_(torch.inf)
        return torch.ones(())

    monkeypatch.setattr(train_loop, "_step", step)
    assert _iterations_saved(state) == [1, 2]


def test_ctrl_c_in_a_diverged_training_leaves_the_checkpoint_from_before(
    small_document: Any,
    picture_folder: Path,
    tmp_path: Path,
    in_process: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    genotype, out = tmp_path / "small.json", tmp_path / "run"
    genotype.write_text(json.dumps(small_document(1)))
    small = ("--batch", "1", "--crop", "16", "--threads", "1", "--device", "cpu")
    given = [genotype, picture_folder, "--out", out, *small]
    assert in_process(train_command.app, *given, "--iterations", "2").returncode == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}

    def interrupted(*_: Any) -> torch.Tensor:
        signal.raise_signal(signal.SIGINT)
        return torch.tensor(math.nan)

    monkeypatch.setattr(train_loop, "_step", interrupted)
    stopped = in_process(train_command.app, *given, "--iterations", "9", "--resume")
    assert stopped.returncode == 2
    assert "the loss is nan at iteration 3; the last checkpoint is kept: lower --learning-rate" in stopped.stderr
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
