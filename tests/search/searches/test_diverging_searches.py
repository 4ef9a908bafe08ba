"""A search whose losses are no longer finite: what it says, and that what was kept before stays as it was."""

import csv
import itertools
import math
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search.architecture_search import search_loop, search_run
from hinas.search.genotype import read_genotype
from hinas.search.halving import candidate_training
from hinas.search.search_command import app
from safetensors.torch import load_file

Command = Callable[..., subprocess.CompletedProcess[str]]

CHANGES = ("width=4", "depth=1", "blocks=1", "steps=4")
GRADIENT = (
    "--space", "superkernel", "--channels", "1", *(part for change in CHANGES for part in ("--set", change)),
    "--epochs", "2", "--batch", "1", "--crop", "16", "--device", "cpu", "--threads", "1",
)  # fmt: skip
BROKEN_STEP = 3
ROUNDS = (
    "widths=[8]", "levels=[1,1]", "middle=[1,3]", "halving.candidates=3", "halving.rounds=2", "halving.growth=2",
    "halving.first_iterations=10", "halving.batch=1", "halving.validation_side=32",
)  # fmt: skip
HALVING = (
    "--space", "pyramid", "--channels", "1", *(part for change in ROUNDS for part in ("--set", change)),
    "--crop", "32", "--device", "cpu", "--threads", "1",
)  # fmt: skip


@pytest.mark.parametrize("broken", ["loss", "weights"])
@pytest.mark.parametrize("saved_by", ["the timer", "ctrl-c"])
def test_a_search_that_diverges_within_an_epoch_leaves_its_checkpoint_as_it_was(
    broken: str,
    saved_by: str,
    picture_folder: Path,
    tmp_path: Path,
    in_process: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = search_loop._step, itertools.count(1)

    def diverging(state: Any, *given: Any) -> torch.Tensor:
        loss = real(state, *given)
        if next(calls) != BROKEN_STEP:
            return loss
        if saved_by == "ctrl-c":
            signal.raise_signal(signal.SIGINT)
        if broken == "loss":
            return loss * math.nan
        with torch.no_grad():
            next(state.searcher.parameters()).fill_(math.inf)
        return loss

    monkeypatch.setattr(search_loop, "_step", diverging)
    if saved_by == "the timer":
        monkeypatch.setattr(search_run, "_SAVE_EVERY_SECONDS", 0.0)
    stopped = in_process(app, picture_folder, "--out", tmp_path / "run", *GRADIENT)
    assert stopped.returncode == 2
    said = "the loss of the one_level phase is nan in epoch 1" if broken == "loss" else "no longer finite in epoch 1"
    assert said in stopped.stderr and "the last checkpoint is kept" in stopped.stderr
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert kept["step"] == (BROKEN_STEP - 1 if saved_by == "the timer" else 0)
    assert all(value.isfinite().all() for value in kept["searcher"].values())


@pytest.mark.parametrize("rounds_that_hold", [1, 0])
def test_a_halving_whose_later_rounds_diverge_leaves_the_best_network_of_the_round_before(
    rounds_that_hold: int, picture_folder: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, out = candidate_training._train, tmp_path / "run"

    def diverging(state: Any, settings: Any, *given: Any, **named: Any) -> None:
        if settings.iterations > 10 * rounds_that_hold:
            raise FloatingPointError("the loss is nan")
        real(state, settings, *given, **named)

    monkeypatch.setattr(candidate_training, "_train", diverging)
    found = in_process(app, picture_folder, "--out", out, *HALVING)
    if rounds_that_hold == 0:
        assert found.returncode == 2 and "every training diverged" in found.stderr
        return
    assert found.returncode == 0, found.stderr
    assert "after 10 iterations; every later training diverged: lower --set halving.learning_rate" in found.stdout
    scores = {row["identity"]: float(row["psnr_db_after_10"]) for row in csv.DictReader((out / "networks.csv").open())}
    genotype = read_genotype(out / "genotype.json")
    assert scores[genotype.identity] == max(scores.values())
    genotype.built().load_state_dict(load_file(out / "weights.safetensors"))
    assert (out / "halving.png").exists()
