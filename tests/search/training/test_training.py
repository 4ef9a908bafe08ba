"""The training loop: it learns, it resumes exactly, and it stops where it should."""

import json
import math
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
from hinas.search.learning.metrics import psnr_db, validate
from hinas.search.runs.checkpoint import load_checkpoint, save_checkpoint
from hinas.search.tasks.denoise import Denoise
from hinas.search.tasks.interface import Task
from hinas.search.training.learning_rate import learning_rate_factor
from hinas.search.training.train_loop import train
from hinas.search.training.training_settings import TrainingSettings
from hinas.search.training.training_state import TrainingState, new_state, restore_state, state_content

CPU = torch.device("cpu")
DENOISE = Denoise()
INPUT = NetworkInput(channels=1, alignment=2, level_range=(0.0, 75.0))


@pytest.fixture
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _settings(**changes: Any) -> TrainingSettings:
    given: dict[str, Any] = {
        "iterations": 8,
        "batch": 4,
        "crop": 16,
        "warmup": 2,
        "log_every": 4,
        "validation_every": 4,
    }
    return TrainingSettings(**(given | changes))


def _state(settings: TrainingSettings, document: dict[str, Any]) -> TrainingState:
    genotype = genotype_from_json(json.dumps(document))
    torch.manual_seed(settings.seed)
    return new_state(genotype.built(), settings, device=CPU)


def _run(
    state: TrainingState,
    settings: TrainingSettings,
    folder: Path,
    *,
    task: Task = DENOISE,
    max_seconds: float = math.inf,
    save: Callable[[], None] = lambda: None,
) -> None:
    images = load_images(folder, channels=1, smallest_side=16).images
    train(
        state,
        settings,
        patches=PatchSource(images, device=CPU),
        validation_images=images[:1],
        task=task,
        network_input=INPUT,
        compiled=False,
        ranks=Ranks(),
        max_seconds=max_seconds,
        save=save,
        save_every_seconds=1e9,
        report=lambda *_: None,
    )


@pytest.mark.parametrize("optimizer", ["muon", "soap", "adam", "sgd"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(
    small_document: Any, picture_folder: Path, tmp_path: Path, one_thread: None, optimizer: str, norm: str
) -> None:
    document = small_document(1)
    document["network"]["normalisation"] = norm
    settings = _settings(optimizer=optimizer, learning_rate=1e-3)
    whole = _state(settings, document)
    _run(whole, settings, picture_folder)

    first = _state(settings, document)
    path = tmp_path / "checkpoint.pt"
    # Out of time after the first step of each run: eight runs of one step.
    _run(first, settings, picture_folder, max_seconds=0)
    assert first.iteration == 1
    save_checkpoint(state_content(first, {}, "id"), path)
    second = _state(settings, document)
    restore_state(second, load_checkpoint(path, device=CPU))
    _run(second, settings, picture_folder)

    assert second.iteration == whole.iteration == 8
    for of in ("network", "average"):
        expected, got = getattr(whole, of).state_dict(), getattr(second, of).state_dict()
        for name, tensor in expected.items():
            assert torch.equal(tensor, got[name]), name
    assert [row.iteration for row in second.history] == [1, 4, 8]


def test_a_checkpoint_of_an_earlier_version_holds_no_losses(
    small_document: Any, picture_folder: Path, one_thread: None
) -> None:
    settings = _settings(iterations=3)
    first = _state(settings, small_document(1))
    _run(first, settings, picture_folder, max_seconds=0)
    content = state_content(first, {}, "id")
    del content["losses"]
    resumed = _state(settings, small_document(1))
    restore_state(resumed, content)
    _run(resumed, settings, picture_folder)
    assert [row.iteration for row in resumed.history] == [1, 3]


@pytest.mark.parametrize("optimizer", ["muon", "soap", "adam", "sgd"])
def test_weight_decay_keeps_kernels_small_and_may_change_when_a_training_goes_on(
    small_document: Any, picture_folder: Path, one_thread: None, optimizer: str
) -> None:
    def hidden_norm(state: TrainingState) -> float:
        return max(float(weight.norm()) for weight in state.network.parameters() if weight.ndim == 4)

    plain, shrinking = (_settings(optimizer=optimizer, learning_rate=1e-2, weight_decay=decay) for decay in (0.0, 5.0))
    without, with_decay = _state(plain, small_document(1)), _state(shrinking, small_document(1))
    _run(without, plain, picture_folder)
    _run(with_decay, shrinking, picture_folder)
    assert hidden_norm(with_decay) < 0.9 * hidden_norm(without)

    content = state_content(without, {}, "id")
    resumed = _state(shrinking, small_document(1))
    restore_state(resumed, content)
    assert resumed.optimizers[0].param_groups[0]["weight_decay"] == 5.0


@pytest.mark.slow
def test_a_short_training_denoises_better_than_doing_nothing(
    small_document: Any, picture_folder: Path, one_thread: None
) -> None:
    settings = _settings(iterations=300, batch=4, crop=32, warmup=10, learning_rate=0.01, ema_decay=0.9)
    state = _state(settings, small_document(1))
    task = Denoise(range=(40.0, 40.0))
    _run(state, settings, picture_folder, task=task)
    images = load_images(picture_folder, channels=1, smallest_side=16).images
    score = validate(state.average, images, task=task, network_input=INPUT, device=CPU)
    noisy_psnr = 20 * math.log10(255 / 40)
    assert score.psnr_db > noisy_psnr + 5


def test_learning_rate_warms_up_then_follows_a_cosine_to_zero() -> None:
    factors = [learning_rate_factor(i, warmup=10, iterations=100, schedule="cosine") for i in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[50] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0, abs=1e-12)
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_a_trapezoid_is_flat_until_its_last_fifth_and_extended_without_a_trace() -> None:
    short, long = (
        [learning_rate_factor(i, warmup=10, iterations=n, schedule="trapezoid") for i in range(n + 1)]
        for n in (100, 200)
    )
    assert short[9:81] == [1.0] * 72
    assert short[90] == pytest.approx(0.5) and short[100] == 0
    assert short[:81] == long[:81]


def test_a_loss_that_is_not_finite_stops_the_training(small_document: Any, picture_folder: Path) -> None:
    settings = _settings()
    state = _state(settings, small_document(1))
    with torch.no_grad():
        next(state.network.parameters()).fill_(torch.nan)
    saved = []
    with pytest.raises(FloatingPointError, match="loss is nan"):
        _run(state, settings, picture_folder, save=lambda: saved.append(1))
    assert saved == []


def test_validation_is_repeatable_and_crops_odd_sizes(small_document: Any, picture_folder: Path) -> None:
    state = _state(_settings(), small_document(1))
    image = load_images(picture_folder, channels=1, smallest_side=16).images[0][:37, :41]
    scores = [
        validate(state.average, [image], task=Denoise(levels=(25.0, 50.0)), network_input=INPUT, device=CPU)
        for _ in range(2)
    ]
    assert scores[0] == scores[1]
    # The untrained network is the identity: what is left is the noise itself, less what clipping takes away.
    assert scores[0].psnr_db_by_case["sigma 25"] == pytest.approx(20 * math.log10(255 / 25), abs=1.5)


def test_psnr_of_known_errors() -> None:
    assert psnr_db(torch.zeros(4, 4), torch.full((4, 4), 0.1)) == pytest.approx(20)
    assert psnr_db(torch.ones(2), torch.ones(2)) == math.inf


def test_validation_levels_lie_in_the_range_trained_for() -> None:
    assert [case.level for case in Denoise(range=(30.0, 30.0)).cases] == [30.0]
    assert [case.level for case in Denoise(range=(0.0, 75.0)).cases] == [15.0, 30.0, 50.0]
