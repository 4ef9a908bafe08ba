"""The method supernet: the evolution, the training of the shared kernels, the command."""

import csv
import math
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hinas.search.architecture_search.search_space import SearchSpace, preset_space
from hinas.search.genotype import read_genotype
from hinas.search.images.image_folder import load_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.search_command import app
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.pyramid.search_settings import Settings
from hinas.search.spaces.registry import space_named
from hinas.search.spaces.supernet_schedule import SupernetSchedule
from hinas.search.supernet import finalists, supernet_training
from hinas.search.supernet.evolution import Breeding, evolved
from hinas.search.supernet.supernet_training import (
    SupernetState,
    new_state,
    restore_state,
    state_content,
    train_supernet,
)
from hinas.search.tasks.denoise import Denoise
from PIL import Image
from safetensors.torch import load_file

CPU = torch.device("cpu")
GREY = TaskDescription(channels=1)
SCHEDULE = SupernetSchedule(iterations=6, batch=2, crop=32, random_paths=1)
SMALL: dict[str, Any] = {
    "widths": [8], "middle": [1, 3], "blocks": [1, 2], "levels": [1, 2], "resolutions": ["half"],
    "supernet.iterations": 4, "supernet.batch": 2, "supernet.crop": 32, "supernet.random_paths": 1,
    "supernet.population": 5, "supernet.parents": 2, "supernet.generations": 2, "supernet.finalists": 2,
    "halving.rounds": 1, "halving.first_iterations": 10, "halving.batch": 2, "halving.crop": 32,
    "halving.validation_side": 32,
}  # fmt: skip


def _numbers(*, allowed: Callable[[int], bool] = lambda _: True) -> Breeding[int]:
    """Numbers that grow by crossing and change a little by mutation."""

    def admitted(number: int) -> int | None:
        return number if 0 <= number < 1000 and allowed(number) else None

    return Breeding(
        key=str,
        random=lambda draw: admitted(draw.randrange(1000)),
        crossed=lambda one, other, draw: admitted((one + other) // 2),
        mutated=lambda one, draw: admitted(one + draw.randint(-30, 30)),
    )


def test_an_evolution_comes_close_to_the_best_and_scores_nothing_twice() -> None:
    scored: list[int] = []

    def score(number: int) -> float:
        scored.append(number)
        return -abs(number - 700)

    *_, last = evolved(_numbers(), score, population=12, generations=5, parents=4, draw=Random(0))
    assert abs(last[0].member - 700) <= 10
    assert len(set(scored)) == len(scored) == len(last) == 12 + 5 * 8
    assert [one.score for one in last] == sorted((one.score for one in last), reverse=True)
    assert {one.generation for one in last} == set(range(6))


def test_an_evolution_is_the_same_again() -> None:
    runs = [
        [tuple(part) for part in evolved(_numbers(), float, population=6, generations=3, parents=2, draw=Random(4))]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_networks_outside_the_band_take_no_part_and_a_small_band_ends_the_evolution() -> None:
    breeding = _numbers(allowed=lambda number: 500 <= number < 508)
    *_, last = evolved(breeding, float, population=6, generations=9, parents=3, draw=Random(1))
    assert sorted(one.member for one in last) == list(range(500, 508))


def _state(seed: int = 0) -> SupernetState:
    torch.manual_seed(seed)
    choice = Settings(resolutions=("half",), widths=(4, 8), middle=(1, 2), blocks=(1, 1), levels=(1, 2))
    supernet = space_named("pyramid").single_path_supernet(choice, GREY)
    return new_state(supernet, SCHEDULE, seed=seed, device=CPU)


def _train(state: SupernetState, folder: Path, *, max_seconds: float = math.inf) -> list[float]:
    losses: list[float] = []
    images = load_images(folder, channels=1, smallest_side=32).images
    train_supernet(
        state, SCHEDULE, task=Denoise(), patches=PatchSource(images, device=CPU), arithmetic="fp32", ranks=Ranks(),
        max_seconds=max_seconds, save=lambda: None, save_every_seconds=math.inf, step_done=losses.append,
    )  # fmt: skip
    return losses


def test_a_training_that_was_stopped_is_the_uninterrupted_one(picture_folder: Path) -> None:
    whole = _state()
    losses = _train(whole, picture_folder)
    assert len(losses) == SCHEDULE.iterations

    part = _state()
    parts = _train(part, picture_folder, max_seconds=0)
    while part.iteration < SCHEDULE.iterations:
        again = _state(seed=9)
        restore_state(again, state_content(part, {}))
        parts += _train(again, picture_folder, max_seconds=0)
        part = again
    assert parts == losses
    for name, value in whole.supernet.state_dict().items():
        assert torch.equal(value, part.supernet.state_dict()[name]), name


def test_a_loss_that_is_not_finite_stops_the_training(picture_folder: Path) -> None:
    state = _state()
    with torch.no_grad():
        for kernel in state.supernet.hidden_kernels():
            kernel.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="iteration 1"):
        _train(state, picture_folder)


def _space(**changes: Any) -> SearchSpace:
    return preset_space("pyramid", GREY, "fast", SMALL | changes)


def _arguments(folder: Path, out: Path, *more: str) -> list[str]:
    changes = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}".replace("'", '"'))]
    return [str(folder), "--out", str(out), "--space", "pyramid", "--method", "supernet", "--channels", "1", *changes,
            "--device", "cpu", "--threads", "1", *more]  # fmt: skip


def test_the_command_finds_a_network_and_can_be_gone_on_with(
    picture_folder: Path, tmp_path: Path, in_process: Any, mistake: Any
) -> None:
    out = tmp_path / "run"
    stopped = in_process(app, *_arguments(picture_folder, out, "--max-minutes", "0"))
    assert stopped.returncode == 0, stopped.stderr
    assert "step 1 of 4 of the shared kernels; go on with --resume" in stopped.stdout
    assert "a search is already there" in mistake(app, *_arguments(picture_folder, out))
    assert "another seed" in mistake(app, *_arguments(picture_folder, out, "--resume", "--seed", "4"))

    found = in_process(app, *_arguments(picture_folder, out, "--resume"))
    assert found.returncode == 0, found.stderr
    assert "of 2" in found.stdout and "after 10 iterations" in found.stdout
    evolved_rows = list(csv.DictReader((out / "supernet.csv").open()))
    scores = [float(row["shared_psnr_db"]) for row in evolved_rows]
    assert scores == sorted(scores, reverse=True)
    finalists = list(csv.DictReader((out / "networks.csv").open()))
    assert [row["identity"] for row in finalists] == [row["identity"] for row in evolved_rows[:2]]
    best = max(finalists, key=lambda row: float(row["psnr_db_after_10"]))
    genotype = read_genotype(out / "genotype.json")
    assert genotype.identity == best["identity"]
    genotype.built().load_state_dict(load_file(out / "weights.safetensors"))
    with Image.open(out / "supernet.png") as picture:
        assert picture.width > 300

    again = in_process(app, *_arguments(picture_folder, out, "--resume"))
    assert again.stdout == found.stdout


def test_ctrl_c_in_the_evolution_keeps_the_scores_of_all_networks_before_it(
    picture_folder: Path, tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, scored = finalists.shared_score, list[str]()

    def noting(supernet: Any, genotype: Any, *given: Any, **named: Any) -> float:
        if stops and len(scored) == 7:
            raise KeyboardInterrupt
        scored.append(genotype.identity)
        return real(supernet, genotype, *given, **named)

    monkeypatch.setattr(finalists, "shared_score", noting)
    stops, out = True, tmp_path / "run"
    stopped = in_process(app, *_arguments(picture_folder, out))
    assert stopped.returncode == 130
    assert "the scores of 7 networks are kept; go on with --resume" in stopped.stderr
    stops = False
    resumed = in_process(app, *_arguments(picture_folder, out, "--resume"))
    assert resumed.returncode == 0, resumed.stderr
    # All of the first generation, and three children in each of the two after it.
    assert len(set(scored)) == len(scored) == 5 + 3 + 3
    through = in_process(app, *_arguments(picture_folder, tmp_path / "through"))
    assert through.stdout.replace("through", "run") == resumed.stdout
    assert (tmp_path / "through" / "supernet.csv").read_text() == (out / "supernet.csv").read_text()
    assert not list(out.glob("evolution*"))


def test_the_minutes_are_those_of_the_whole_search(
    picture_folder: Path, tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the shared kernels have taken is not there for the finalists: here the clock jumps over all of it."""
    from hinas.search.supernet import supernet_run

    hour = iter(range(0, 3600 * 100, 3600))
    monkeypatch.setattr(supernet_run, "time", SimpleNamespace(monotonic=lambda: next(hour)))
    result = in_process(app, *_arguments(picture_folder, tmp_path / "run", "--max-minutes", "30"))
    assert result.returncode == 0, result.stderr
    assert "no network has been scored yet; go on with --resume" in result.stdout


def test_the_finalists_go_on_from_the_shared_kernels(picture_folder: Path, tmp_path: Path, in_process: Any) -> None:
    out = tmp_path / "run"
    # A rate of next to nothing leaves the inherited weights as they are.
    result = in_process(app, *_arguments(picture_folder, out, "--set", "halving.learning_rate=1e-30"))
    assert result.returncode == 0, result.stderr
    inherited = load_file(out / "networks" / "001.inherited.safetensors")
    for name, value in load_file(out / "networks" / "001.safetensors").items():
        assert torch.allclose(value, inherited[name], atol=1e-6), name


def test_what_the_method_cannot_do_is_said(picture_folder: Path, tmp_path: Path, mistake: Any) -> None:
    out = tmp_path / "run"
    for more, message in {
        ("--crop", "34"): "--crop: got 34, expected a multiple of 4, the largest network's stride",
        ("--epochs", "3"): "supernet.iterations",
        ("--set", "supernet.parents=5"): "leaves no child",
        ("--set", "supernet.finalists=9"): "more than the population",
        ("--space", "hinas"): "--set widths: no such setting",
    }.items():
        assert message in mistake(app, *_arguments(picture_folder, out, *more)), more
    assert not out.exists()


def test_images_hold_the_patches_of_the_shared_kernels_and_of_the_finalists(
    picture_folder: Path, tmp_path: Path, mistake: Any
) -> None:
    for large, small in (("supernet.crop", "halving.crop"), ("halving.crop", "supernet.crop")):
        sides = ("--set", f"{large}=512", "--set", f"{small}=32")
        said = mistake(app, *_arguments(picture_folder, tmp_path / "run", *sides))
        assert "no usable training image" in said and "expected sides of 512 pixels" in said
    assert not (tmp_path / "run").exists()


def test_ctrl_c_keeps_the_step_of_the_shared_kernels_and_their_curve_goes_on(
    picture_folder: Path, tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out, real = tmp_path / "run", supernet_training._step
    arguments = _arguments(picture_folder, out, "--log", "tensorboard")

    def interrupted(state: Any, *given: Any) -> float:
        if state.iteration == 1:
            signal.raise_signal(signal.SIGINT)
        return real(state, *given)

    with monkeypatch.context() as patched:
        patched.setattr(supernet_training, "_step", interrupted)
        stopped = in_process(app, *arguments)
    assert stopped.returncode == 130
    assert "checkpoint.pt: step 2 is kept; go on with --resume" in stopped.stderr
    found = in_process(app, *arguments, "--resume")
    assert found.returncode == 0, found.stderr
    curve = accumulators.EventAccumulator(str(out / "tensorboard" / "shared-kernels")).Reload().Scalars("loss")
    assert [event.step for event in curve] == [1, 2, 3, 4]
