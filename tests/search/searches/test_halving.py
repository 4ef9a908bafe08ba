"""Successive halving: who takes part, what a survivor's training is, who stays, and the command."""

import csv
import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.errors import UserError
from hinas.search.architecture_search.latency_table import LatencyTable, Price, write_latency_table
from hinas.search.architecture_search.search_space import SearchSpace, preset_space
from hinas.search.genotype import read_genotype
from hinas.search.halving.candidate_training import Trainer, finished_scores, train_round
from hinas.search.halving.candidates import LatencyBand, drawn_candidates
from hinas.search.halving.rank_agreement import rank_agreement
from hinas.search.halving.standings import Standing, best_first, leader
from hinas.search.images.image_folder import load_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.learning.metrics import ValidationScore
from hinas.search.search_command import app
from hinas.search.spaces.halving_schedule import HalvingSchedule
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named
from hinas.search.tasks.denoise import Denoise
from hinas.search.training.train_loop import train
from hinas.search.training.training_settings import TrainingSettings
from hinas.search.training.training_state import new_state
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

CPU = torch.device("cpu")
GREY = TaskDescription(channels=1)
SMALL_SPACE: dict[str, Any] = {"widths": [8], "middle": [1, 3], "blocks": [1, 2], "levels": [1, 2]}
SHORT: dict[str, Any] = {
    "halving.candidates": 6, "halving.rounds": 2, "halving.first_iterations": 10, "halving.batch": 2,
    "halving.crop": 32, "halving.validation_side": 32,
}  # fmt: skip


def _space(**changes: Any) -> SearchSpace:
    return preset_space("pyramid", GREY, "fast", SMALL_SPACE | SHORT | changes)


def _table(space: SearchSpace) -> LatencyTable:
    """One millisecond for each block."""
    pricing = space_named("pyramid").pricing
    assert pricing is not None
    probes = pricing.probes(space.settings)
    blocks = {block for probe in probes for block in pricing.blocks(probe, space.task)}
    prices = tuple(
        Price(name=b.name, in_channels=b.in_channels, out_channels=b.out_channels, stride=b.stride, ms=1.0)
        for b in sorted(blocks)
    )
    return LatencyTable(
        space="pyramid", backend="cpu", library="x", machine="y", threads=1, width=481, height=321,
        created="2026-01-01", command="z", prices=prices,
    )  # fmt: skip


def _trainer(schedule: HalvingSchedule, folder: Path) -> Trainer:
    images = load_images(folder, channels=1, smallest_side=32).images
    return Trainer(
        schedule=schedule, task=Denoise(), patches=PatchSource(images, device=CPU),
        validation_images=images[:1],
        device=CPU, arithmetic="fp32", compiled=False, transforms=None, seed=3, images=len(images),
    )  # fmt: skip


def _score(psnr_db: float) -> ValidationScore:
    return ValidationScore(psnr_db=psnr_db, ssim=0.5, psnr_db_by_case={"sigma 30": psnr_db})


def _standings(scores: dict[int, list[float]]) -> list[Standing]:
    drawn = drawn_candidates(_space(), len(scores), band=None, seed=0)
    return [Standing(candidate=one, parameters=1, scores=tuple(map(_score, scores[one.number]))) for one in drawn]


@given(
    candidates=st.integers(2, 200), rounds=st.integers(1, 8), kept=st.floats(0.01, 1), growth=st.floats(1.2, 9),
    first=st.integers(10, 1000),
)  # fmt: skip
def test_rounds_grow_and_networks_never_become_more_or_none(
    candidates: int, rounds: int, kept: float, growth: float, first: int
) -> None:
    schedule = HalvingSchedule(candidates=candidates, rounds=rounds, kept=kept, growth=growth, first_iterations=first)
    assert len(schedule.iterations) == len(schedule.survivors) == rounds
    assert schedule.survivors[0] == candidates
    assert all(later <= earlier for earlier, later in pairwise(schedule.survivors))
    assert schedule.survivors[-1] >= 1
    assert all(longer > shorter for shorter, longer in pairwise(schedule.iterations))


def test_candidates_are_different_networks_inside_the_band() -> None:
    space = _space()
    pricing = space_named("pyramid").pricing
    assert pricing is not None
    band = LatencyBand(table=_table(space), low_ms=9, high_ms=14, tile=None)
    drawn = drawn_candidates(space, 8, band=band, seed=1)
    assert len({one.genotype.identity for one in drawn}) == 8
    for one in drawn:
        # Every block costs a millisecond.
        assert one.predicted_ms == sum(pricing.blocks(one.genotype.network, GREY).values())
        assert one.predicted_ms is not None and 9 <= one.predicted_ms <= 14
    assert drawn == drawn_candidates(space, 8, band=band, seed=1)
    assert drawn != drawn_candidates(space, 8, band=band, seed=2)


def test_tiles_make_networks_with_a_halo_dearer() -> None:
    space = _space()
    table = _table(space)
    whole = drawn_candidates(space, 4, band=LatencyBand(table=table, low_ms=0, high_ms=1e9, tile=None), seed=1)
    tiled = drawn_candidates(space, 4, band=LatencyBand(table=table, low_ms=0, high_ms=1e9, tile=128), seed=1)
    for one, other in zip(whole, tiled, strict=True):
        halo = one.genotype.geometry.halo
        assert one.predicted_ms is not None
        assert other.predicted_ms == pytest.approx(one.predicted_ms * (128 / (128 - 2 * halo)) ** 2)


def test_a_band_without_enough_networks_is_named() -> None:
    space = _space(middle=[1, 1], blocks=[1, 1], levels=[1, 1])
    band = LatencyBand(table=_table(space), low_ms=0, high_ms=1000, tile=None)
    with pytest.raises(UserError, match="different networks between 0 and 1000 ms"):
        drawn_candidates(space, 50, band=band, seed=1)


def test_a_survivors_training_is_one_training_of_the_whole_length(picture_folder: Path, tmp_path: Path) -> None:
    """Exactly what a single training with that length and a rate that falls in its last fifth gives."""
    space = _space()
    trainer = _trainer(space.halving, picture_folder)
    (candidate,) = drawn_candidates(space, 2, band=None, seed=1)[:1]
    checkpoint, weights = tmp_path / "one.pt", tmp_path / "one.safetensors"
    for index in (0, 1):
        score = train_round(
            candidate, trainer, checkpoint, weights, round_index=index, max_seconds=math.inf, step_done=lambda _: None
        )
        assert score is not None and finished_scores(checkpoint, trainer)[index] == score

    settings = TrainingSettings(
        iterations=space.halving.iterations[1], batch=2, crop=32, learning_rate=space.halving.learning_rate, warmup=1,
        weight_decay=space.halving.weight_decay, schedule="trapezoid", seed=3,
    )  # fmt: skip
    torch.manual_seed(3)
    state = new_state(candidate.genotype.built(), settings, device=CPU)
    train(
        state, settings, patches=trainer.patches, validation_images=(), task=trainer.task,
        network_input=candidate.genotype.network_input, compiled=False, ranks=Ranks(), max_seconds=math.inf,
        save=lambda: None, save_every_seconds=math.inf, report=lambda *_: None,
    )  # fmt: skip
    with safe_open(weights, framework="np") as opened:
        recorded = json.loads(opened.metadata()["hinas.training"])["settings"]
    assert (recorded["task"], recorded["sigma_range"], recorded["iterations"]) == ("denoise", [0.0, 75.0], 30)
    kept = load_file(weights)
    for name, value in state.average.state_dict().items():
        assert torch.equal(value, kept[name]), name


def test_a_training_that_is_stopped_again_and_again_ends_alike(picture_folder: Path, tmp_path: Path) -> None:
    space = _space()
    trainer = _trainer(space.halving, picture_folder)
    candidate = drawn_candidates(space, 2, band=None, seed=1)[0]

    def rounds(folder: Path, max_seconds: float) -> tuple[list[ValidationScore], int]:
        folder.mkdir()
        scores: list[ValidationScore] = []
        calls = 0
        while len(scores) < 2:
            calls += 1
            assert calls < 100
            # The fall is done again where it is cut short, so now and then there has to be time for it.
            score = train_round(
                candidate, trainer, folder / "one.pt", folder / "one.safetensors", round_index=len(scores),
                max_seconds=math.inf if calls % 20 == 0 else max_seconds, step_done=lambda _: None,
            )  # fmt: skip
            scores += [] if score is None else [score]
        return scores, calls

    at_once, once = rounds(tmp_path / "once", math.inf)
    stopped, often = rounds(tmp_path / "often", 0.0)
    assert once == 2 and often > 10
    assert at_once == stopped


def test_a_training_that_diverges_comes_last(picture_folder: Path, tmp_path: Path) -> None:
    space = _space()
    trainer = _trainer(space.halving, picture_folder)
    candidate = drawn_candidates(space, 2, band=None, seed=1)[0]
    endless = replace(trainer, schedule=space.halving.model_copy(update={"learning_rate": math.inf}))
    score = train_round(
        candidate, endless, tmp_path / "one.pt", tmp_path / "one.safetensors", round_index=0, max_seconds=math.inf,
        step_done=lambda _: None,
    )  # fmt: skip
    assert score is not None and score.psnr_db == -math.inf
    assert [one.candidate.number for one in best_first(_standings({1: [-math.inf], 2: [20.0], 3: [25.0]}), 0)] == [
        3, 2, 1,
    ]  # fmt: skip


def test_the_leader_is_the_best_of_those_that_came_furthest() -> None:
    best = leader(_standings({1: [30.0], 2: [25.0, 26.0], 3: [24.0, 27.0]}))
    assert best is not None and best.candidate.number == 3
    assert leader(_standings({1: [], 2: []})) is None


@pytest.mark.parametrize("diverged", [-math.inf, math.nan])
def test_the_leader_has_a_finite_score_in_the_last_round_that_has_one(diverged: float) -> None:
    best = leader(_standings({1: [29.0, 30.0, diverged], 2: [31.0, diverged], 3: [30.0, 29.0, diverged]}))
    assert best is not None and (best.candidate.number, best.last_finite_round) == (1, 1)
    # A rate that falls may bring back what diverged before.
    best = leader(_standings({1: [diverged, 28.0], 2: [31.0, diverged]}))
    assert best is not None and (best.candidate.number, best.last_finite_round) == (1, 1)
    assert leader(_standings({1: [diverged], 2: [diverged, diverged]})) is None


@pytest.mark.parametrize(("late", "tau"), [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], -1.0), ([2, 1, 3, 4], 2 / 3)])
def test_kendalls_tau_counts_pairs_in_and_out_of_order(late: list[float], tau: float) -> None:
    found = rank_agreement(_standings({i + 1: [float(i), value] for i, value in enumerate(late)}), [10, 30])
    assert found is not None and found.kendalls_tau == pytest.approx(tau)
    assert (found.early_iterations, found.late_iterations) == (10, 30)


def test_too_few_networks_have_no_order() -> None:
    assert rank_agreement(_standings({1: [1.0, 2.0], 2: [2.0, 3.0], 3: [3.0]}), [10, 30]) is None


def _arguments(folder: Path, out: Path, *more: str) -> list[str]:
    changes = [part for name, value in {**SMALL_SPACE, **SHORT}.items() for part in ("--set", f"{name}={value}")]
    return [str(folder), "--out", str(out), "--space", "pyramid", "--channels", "1", *changes, "--device", "cpu",
            "--threads", "1", *more]  # fmt: skip


def test_the_command_finds_a_network_and_can_be_gone_on_with(picture_folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    write_latency_table(_table(_space()), table)
    banded = ["--latency-table", str(table), "--latency-band", "8:20"]
    out = tmp_path / "run"
    runner = CliRunner()
    stopped = runner.invoke(app, _arguments(picture_folder, out, *banded, "--max-minutes", "0"))
    assert stopped.exit_code == 0, stopped.output
    assert "go on with --resume" in stopped.stdout
    resumed = runner.invoke(app, _arguments(picture_folder, out, *banded, "--resume"))
    assert resumed.exit_code == 0, resumed.output
    assert "of 6" in resumed.stdout and "after 30 iterations, predicted" in resumed.stdout

    rows = list(csv.DictReader((out / "networks.csv").open()))
    assert len(rows) == 6
    assert all(8 <= float(row["predicted_ms"]) <= 20 for row in rows)
    finalists = [row for row in rows if row["psnr_db_after_30"]]
    assert len(finalists) == 2
    ranked = sorted(rows, key=lambda row: -float(row["psnr_db_after_10"]))
    assert {row["network"] for row in finalists} == {row["network"] for row in ranked[:2]}
    best = max(finalists, key=lambda row: float(row["psnr_db_after_30"]))
    found = read_genotype(out / "genotype.json")
    assert found.identity == best["identity"]
    assert found.provenance is not None and found.provenance.score is not None
    assert found.provenance.score.psnr_db == pytest.approx(float(best["psnr_db_after_30"]), abs=1e-4)
    found.built().load_state_dict(load_file(out / "weights.safetensors"))
    for name in ("halving", "genotype"):
        with Image.open(out / f"{name}.png") as picture:
            assert picture.width > 300

    done = runner.invoke(app, _arguments(picture_folder, out, *banded, "--resume"))
    assert done.stdout == resumed.stdout


def test_what_halving_cannot_do_is_said(picture_folder: Path, tmp_path: Path, mistake: Any) -> None:
    table = tmp_path / "table.json"
    write_latency_table(_table(_space()), table)
    run = _arguments(picture_folder, tmp_path / "run")
    for more, message in {
        ("--method", "gradient"): "--method gradient: not for the space pyramid, only for ",
        ("--latency-table", str(table)): "give --latency-band",
        ("--latency-band", "1:2"): "need prices",
        ("--latency-table", str(table), "--latency-band", "9:3"): "the shorter time first",
        ("--latency-table", str(table), "--latency-band", "60"): "two times in ms",
        ("--latency-table", str(table), "--latency-band", "1:2"): "different networks between 1 and 2 ms",
        ("--crop", "36"): "--crop: got 36, expected a multiple of",
        ("--set", 'resolutions=["quarter"]', "--set", "levels=[4,4]", "--set", "halving.validation_side=16"): (
            "halving.validation_side: got 16, expected at least 32"
        ),
        ("--epochs", "3"): "halving.first_iterations",
        ("--perturbed",): "--perturbed",
        ("--resume",): "no search to resume from",
        ("--set", "halving.weight_decay=500"): "weight_decay: got 500, which at a learning rate of 0.002",
        ("--set", "halving.kept=2"): "--set halving.kept: Input should be less than or equal to 1",
    }.items():
        assert message in mistake(app, *run, *more), more
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_another_search_is_not_gone_on_with(picture_folder: Path, tmp_path: Path, mistake: Any) -> None:
    out = tmp_path / "run"
    started = CliRunner().invoke(app, _arguments(picture_folder, out, "--max-minutes", "0"))
    assert started.exit_code == 0, started.output
    assert "a search is already there" in mistake(app, *_arguments(picture_folder, out))
    assert "another seed" in mistake(app, *_arguments(picture_folder, out, "--resume", "--seed", "5"))
    assert "another space" in mistake(app, *_arguments(picture_folder, out, "--resume", "--set", "halving.kept=0.5"))
