"""Two processes under torchrun give what one gives with the same global batch."""

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stand_ins.commands import COMMANDS

HINAS_CHANGES = (
    "layers=2", "nodes=2", "width=4", "compact_width=8", "stem.channels=6", "end.channels=6", "end.early_channels=4",
    "skip_dropout=0.5", "residual=false",
)  # fmt: skip
CLEARER_CHANGES = ("width=4", "branches=2", "modules=2", "stem.channels=4")
SEARCHED_CHANGES = (
    "stem.resolution=half", "conditioning={}", "warm_up_epochs=1", "steps=2", "kernel_learning_rate=0.001",
)  # fmt: skip
HALVED_CHANGES = (
    "widths=[8]", "middle=[1,2]", "blocks=[1,1]", "halving.candidates=5", "halving.rounds=2",
    "halving.first_iterations=10", "halving.batch=2", "halving.crop=32", "halving.validation_side=32",
)  # fmt: skip
SEARCHED = (
    "--channels", "1", "--preset", "paper", "--epochs", "2", "--batch", "4", "--crop", "16", "--precision", "fp32",
)  # fmt: skip


def _changed(*changes: str) -> list[str]:
    return [part for change in changes for part in ("--set", change)]


JOBS: dict[str, list[str]] = {
    "training": [
        "hinas-train", "small.json", "PHOTOS", "--iterations", "4", "--batch", "4", "--crop", "16", "--optimizer",
        "sgd", "--ssim-weight", "0.6", "--precision", "fp32",
    ],
    "hinas": ["hinas-search", "PHOTOS", "--space", "hinas", *SEARCHED, *_changed(*HINAS_CHANGES, *SEARCHED_CHANGES)],
    "clearer": [
        "hinas-search", "PHOTOS", "--space", "clearer", *SEARCHED, *_changed(*CLEARER_CHANGES, *SEARCHED_CHANGES),
    ],
    "halving": ["hinas-search", "PHOTOS", "--space", "pyramid", "--channels", "1", *_changed(*HALVED_CHANGES)],
}  # fmt: skip
"""Commands by what they do; PHOTOS stands for the folder of pictures, --out and the device are added."""


def _command(job: str, photos: Path, out: Path) -> list[str]:
    words = [str(photos) if word == "PHOTOS" else word for word in JOBS[job]]
    return [*words, "--out", str(out), "--device", "cpu", "--threads", "1"]


def _free_ports(number: int) -> list[int]:
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.create_server(("", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="module")
def by_two(
    picture_folder: Path, small_document: Callable[[int], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with what two processes make of every job, under the job's name."""
    folder = tmp_path_factory.mktemp("by two")
    (folder / "small.json").write_text(json.dumps(small_document(3)))
    commands = [
        [port, *_command(job, picture_folder, folder / job)]
        for port, job in zip(_free_ports(len(JOBS)), JOBS, strict=True)
    ]
    (folder / "commands.json").write_text(json.dumps(commands))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "stand_ins.commands_in_turn"]
    result = subprocess.run(
        [sys.executable, *launcher, "commands.json"], cwd=folder, capture_output=True, text=True, timeout=400,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("\n") == len(JOBS), "the first process alone speaks"
    return folder


@pytest.fixture
def both(
    by_two: Path,
    in_process: Callable[..., subprocess.CompletedProcess[str]],
    picture_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], tuple[Path, Path]]:
    """job -> the folders with what one process makes of it, and two."""

    def run(job: str) -> tuple[Path, Path]:
        monkeypatch.chdir(by_two)
        name, *arguments = _command(job, picture_folder, tmp_path / job)
        result = in_process(COMMANDS[name], *arguments)
        assert result.returncode == 0, result.stderr[-3000:]
        return tmp_path / job, by_two / job

    return run


@pytest.mark.slow
def test_training_in_two_processes_equals_training_in_one(both: Callable[[str], tuple[Path, Path]]) -> None:
    folders = both("training")
    one, two = (load_file(folder / "weights.safetensors") for folder in folders)
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=1e-5, rtol=1e-4), name
    losses = [float(next(csv.DictReader((folder / "history.csv").open()))["loss"]) for folder in folders]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("space", "moving"), [("hinas", "architecture.beta"), ("clearer", "logits")])
def test_searching_in_two_processes_equals_searching_in_one(
    space: str, moving: str, both: Callable[[str], tuple[Path, Path]]
) -> None:
    folders = both(space)
    one, two = (torch.load(folder / "checkpoint.pt", weights_only=True)["searcher"] for folder in folders)
    assert one[moving].abs().max() > 1e-3, "the architecture has moved"
    for name, value in one.items():
        assert torch.allclose(value.float(), two[name].float(), atol=2e-4, rtol=1e-3), name
    # So closely that other skips left out would be seen, which hardly move the weights in these few steps.
    losses = [float(next(csv.DictReader((folder / "history.csv").open()))["kernel_loss"]) for folder in folders]
    assert losses[0] == pytest.approx(losses[1], rel=5e-6)


@pytest.mark.slow
def test_halving_in_two_processes_equals_halving_in_one(both: Callable[[str], tuple[Path, Path]]) -> None:
    one, two = ((folder / "networks.csv").read_text() for folder in both("halving"))
    assert one == two


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    from hinas.errors import UserError
    from hinas.search.learning.distributed import Ranks, check_batch

    with pytest.raises(UserError, match="expected a multiple of 3"):
        check_batch(4, Ranks(rank=0, count=3))
    batch = torch.arange(6)
    assert torch.equal(torch.cat([Ranks(rank=rank, count=3).share(batch) for rank in range(3)]), batch)
