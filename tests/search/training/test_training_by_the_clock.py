"""A training by the clock: the learning rate has fallen to 0 when the time is over, however fast the machine is."""

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.network_input import NetworkInput
from hinas.search.genotype import genotype_from_json
from hinas.search.images.image_folder import load_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.tasks.denoise import Denoise
from hinas.search.train_command import app
from hinas.search.training.learning_rate import learning_rate_factor, learning_rate_factor_at
from hinas.search.training.train_loop import train
from hinas.search.training.training_settings import TrainingSettings
from hinas.search.training.training_state import TrainingState, new_state
from safetensors import safe_open

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(iterations=None, batch=1, crop=16, learning_rate=1.0, optimizer="sgd", log_every=1)


@pytest.fixture
def state(small_document: Any) -> TrainingState:
    torch.manual_seed(0)
    return new_state(genotype_from_json(json.dumps(small_document(1))).built(), SETTINGS, device=CPU)


@pytest.fixture
def rates(state: TrainingState, picture_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """(seconds after so many iterations, limit) -> the learning rate of every iteration of a run."""
    images = load_images(picture_folder, channels=1, smallest_side=16).images
    # What is learnt does not matter here, and at a rate of 1 it would diverge.
    monkeypatch.setattr("hinas.search.training.train_loop._step", lambda *_: torch.zeros(()))

    def run(seconds_after: Callable[[int], float], max_seconds: float) -> list[float]:
        before = len(state.history)
        train(
            state, SETTINGS, patches=PatchSource(images, device=CPU), validation_images=(), task=Denoise(),
            network_input=NetworkInput(channels=1, alignment=2, level_range=(0.0, 75.0)), compiled=False,
            ranks=Ranks(), max_seconds=max_seconds, save=lambda: None, save_every_seconds=math.inf,
            report=lambda *_: None, clock=lambda: seconds_after(state.iteration),
        )  # fmt: skip
        return [row.learning_rate for row in state.history[before:]]

    return run


def test_the_rate_rises_and_has_fallen_when_the_time_is_over(rates: Callable[..., list[float]]) -> None:
    found = rates(float, 100)
    assert len(found) == 100
    peak = found.index(max(found))
    assert 4 <= peak <= 8 and found[peak] > 0.98
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    assert found[-1] < 0.001


def test_a_machine_that_becomes_slower_ends_in_time_with_a_rate_of_0(rates: Callable[..., list[float]]) -> None:
    found = rates(lambda iteration: iteration if iteration < 50 else 50 + 10 * (iteration - 50), 250)
    assert len(found) == 70
    assert found[50] > 0.85
    assert found[-1] < 0.01
    assert found[15:] == sorted(found[15:], reverse=True)


def test_a_first_iteration_that_compiles_leaves_the_warm_up_its_time(rates: Callable[..., list[float]]) -> None:
    found = rates(lambda iteration: 50 + iteration if iteration else 0.0, 150)
    assert len(found) == 100
    assert found[1] < 0.01 and found[3] < 0.5 < max(found)
    assert found[-1] < 0.001


def test_more_minutes_go_on_as_if_all_had_been_planned_at_once(
    state: TrainingState, rates: Callable[..., list[float]]
) -> None:
    at_first = rates(float, 50)
    assert at_first[-1] < 0.01 and state.seconds == 50
    more = rates(float, 50)
    assert state.iteration == 100
    planned = [
        learning_rate_factor_at(i, iteration=i, warmup=500, end_seconds=100, schedule="cosine") for i in range(50, 100)
    ]
    assert more == pytest.approx(planned, abs=0.02)


@pytest.mark.parametrize("schedule", ["cosine", "trapezoid", "constant"])
def test_at_an_even_pace_the_clock_gives_the_rates_of_as_many_iterations(schedule: Any) -> None:
    for iteration in range(20, 200):
        by_clock = learning_rate_factor_at(
            0.1 * iteration, iteration=iteration, warmup=10, end_seconds=20, schedule=schedule
        )
        by_iterations = learning_rate_factor(iteration, warmup=10, iterations=200, schedule=schedule)
        assert by_clock == pytest.approx(by_iterations)


def _record(folder: Path) -> dict[str, Any]:
    with safe_open(folder / "weights.safetensors", framework="np") as weights:
        return json.loads(weights.metadata()["hinas.training"])


def test_the_record_says_what_the_schedule_was(
    in_process: Callable[..., subprocess.CompletedProcess[str]],
    small_document: Any,
    picture_folder: Path,
    tmp_path: Path,
) -> None:
    genotype = tmp_path / "net.json"
    genotype.write_text(json.dumps(small_document(1)))

    def trained(*arguments: str | Path) -> str:
        small = ("--batch", "1", "--crop", "16", "--threads", "1", "--device", "cpu")
        result = in_process(app, genotype, picture_folder, *small, *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    clocked, counted = tmp_path / "clocked", tmp_path / "counted"
    assert ": 1 iterations in " in trained("--out", clocked, "--max-minutes", "0")
    settings = _record(clocked)["settings"]
    assert (settings["iterations"], settings["planned_minutes"], settings["schedule"]) == (None, 0.0, "cosine")
    trained("--out", clocked, "--max-minutes", "0", "--resume")
    assert _record(clocked)["iterations_done"] == 2

    stopped = trained("--out", counted, "--max-minutes", "0", "--iterations", "3")
    assert "1 of 3 iterations" in stopped and "go on with --resume" in stopped
    settings = _record(counted)["settings"]
    assert (settings["iterations"], settings["planned_minutes"]) == (3, None)
    assert "3 of 3 iterations" in trained("--out", counted, "--iterations", "3", "--resume")
