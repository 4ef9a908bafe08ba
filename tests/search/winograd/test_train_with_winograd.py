"""hinas-train --convolutions winograd: it trains the same, and says what stands against it."""

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.errors import UserError
from hinas.search.learning.computing import Computing
from hinas.search.train_command import app
from hinas.search.winograd.choice import chosen_transforms
from safetensors import safe_open

Train = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def train(in_process: Callable[..., subprocess.CompletedProcess[str]], picture_folder: Path, tmp_path: Path) -> Train:
    """The command on the network of `gray-fast`, on one thread; it writes to tmp_path/NAME."""
    given = ("gray-fast", picture_folder, "--batch", "2", "--crop", "16", "--device", "cpu", "--threads", "1")
    return lambda name, *arguments: in_process(app, *given, "--out", tmp_path / name, *arguments)


def _losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((folder / "history.csv").open())]


def _settings(folder: Path) -> dict[str, Any]:
    with safe_open(folder / "weights.safetensors", framework="np") as weights:
        return json.loads(weights.metadata()["hinas.training"])["settings"]


@pytest.mark.usefixtures("transforms")
def test_it_learns_what_direct_convolutions_learn_and_the_record_says_so(train: Train, tmp_path: Path) -> None:
    for choice in ("direct", "winograd"):
        done = train(choice, "--iterations", "4", "--precision", "fp32", "--convolutions", choice)
        assert done.returncode == 0, done.stderr
        assert _settings(tmp_path / choice)["convolutions"] == choice
    assert _losses(tmp_path / "winograd") == pytest.approx(_losses(tmp_path / "direct"), rel=1e-4)


@pytest.mark.usefixtures("transforms")
def test_a_training_may_go_on_with_other_convolutions(train: Train, tmp_path: Path) -> None:
    for choice in ("direct", "winograd"):
        assert train(choice, "--iterations", "2", "--precision", "fp32").returncode == 0
        longer = ("--iterations", "4", "--precision", "fp32", "--resume", "--convolutions", choice)
        resumed = train(choice, *longer)
        assert resumed.returncode == 0, resumed.stderr
        assert _settings(tmp_path / choice)["convolutions"] == choice
    assert _losses(tmp_path / "winograd") == pytest.approx(_losses(tmp_path / "direct"), rel=1e-4)


def test_compiled_steps_are_refused(train: Train, tmp_path: Path) -> None:
    done = train("run", "--precision", "fp32", "--convolutions", "winograd", "--compile", "--iterations", "1")
    assert done.returncode == 2
    assert "not with --compile" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_machine_without_a_compiler_is_told(train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    done = train("run", "--precision", "fp32", "--convolutions", "winograd", "--iterations", "1")
    assert done.returncode == 2
    assert "no C++ compiler is here" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_compiler_that_fails_is_named(train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    done = train("run", "--precision", "fp32", "--convolutions", "winograd", "--iterations", "1")
    assert done.returncode == 2
    assert "broken fails (no such option)" in done.stderr


def test_what_cannot_be_loaded_is_said(train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "writer"
    compiler.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho nothing > "$2"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    done = train("run", "--precision", "fp32", "--convolutions", "winograd", "--iterations", "1")
    assert done.returncode == 2
    assert "cannot be loaded" in done.stderr and "set TMPDIR" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("device", "arithmetic", "message"),
    [("cuda", "fp32", "for the CPU only, but this trains on cuda"), ("cpu", "bf16", "in fp32 only, not in bf16")],
)
def test_other_devices_and_arithmetics_are_refused(device: str, arithmetic: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        chosen_transforms(Computing(convolutions="winograd"), torch.device(device), arithmetic)
