"""Two processes under torchrun give what one gives with the same global batch."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file


@pytest.fixture
def run(in_process: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., None]:
    """(command's module, number of processes, *arguments): one process is this one."""

    def run_in(module: str, processes: int, *arguments: str | Path) -> None:
        given = [*map(str, arguments), "--device", "cpu", "--threads", "1"]
        if processes == 1:
            result = in_process(import_module(module).app, *given)
        else:
            launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m", module]
            result = subprocess.run([sys.executable, *launcher, *given], capture_output=True, text=True, timeout=240)
        assert result.returncode == 0, result.stderr[-3000:]
        assert result.stdout.count("\n") == 1, "the first process alone speaks"

    return run_in


@pytest.mark.slow
def test_training_in_two_processes_equals_training_in_one(
    run: Callable[..., None], small_document: Any, picture_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "small.json").write_text(json.dumps(small_document(3)))
    for processes in (1, 2):
        run(
            "hinas.search.train_command", processes, tmp_path / "small.json", picture_folder,
            "--out", tmp_path / str(processes), "--iterations", "4", "--batch", "4", "--crop", "16",
            "--optimizer", "sgd", "--ssim-weight", "0.6", "--precision", "fp32",
        )  # fmt: skip
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("1", "2"))
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=1e-5, rtol=1e-4), name
    losses = [float(next(csv.DictReader((tmp_path / n / "history.csv").open()))["loss"]) for n in ("1", "2")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


SPACES: dict[str, tuple[str, ...]] = {
    "hinas": (
        "layers=2", "nodes=2", "width=4", "compact_width=8", "stem.channels=6", "end.channels=6",
        "end.early_channels=4",
    ),
    "clearer": ("width=4", "branches=2", "modules=2", "stem.channels=4"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_searching_in_two_processes_equals_searching_in_one(
    space: str, run: Callable[..., None], picture_folder: Path, tmp_path: Path
) -> None:
    changes = (
        *SPACES[space], "stem.resolution=half", "conditioning={}",
        "warm_up_epochs=1", "steps=2", "kernel_learning_rate=0.001",
    )  # fmt: skip
    small = [part for change in changes for part in ("--set", change)]
    for processes in (1, 2):
        run(
            "hinas.search.search_command", processes, picture_folder, "--out", tmp_path / str(processes),
            "--space", space, "--channels", "1", "--preset", "paper", *small, "--epochs", "2", "--batch", "4",
            "--crop", "16", "--precision", "fp32",
        )  # fmt: skip
    one, two = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["searcher"] for name in ("1", "2"))
    moved = one["architecture.beta" if space == "hinas" else "logits"].abs().max()
    assert moved > 1e-3, "the architecture has moved"
    for name, value in one.items():
        assert torch.allclose(value.float(), two[name].float(), atol=2e-4, rtol=1e-3), name


def test_a_batch_that_cannot_be_shared_is_refused(small_document: Any, picture_folder: Path, tmp_path: Path) -> None:
    from hinas.errors import UserError
    from hinas.search.learning.distributed import Ranks, check_batch

    with pytest.raises(UserError, match="expected a multiple of 3"):
        check_batch(4, Ranks(rank=0, count=3))
    batch = torch.arange(6)
    assert torch.equal(torch.cat([Ranks(rank=rank, count=3).share(batch) for rank in range(3)]), batch)


@pytest.mark.slow
def test_halving_in_two_processes_equals_halving_in_one(
    run: Callable[..., None], picture_folder: Path, tmp_path: Path
) -> None:
    changes = (
        "widths=[8]", "middle=[1,2]", "blocks=[1,1]", "halving.candidates=5", "halving.rounds=2",
        "halving.first_iterations=10", "halving.batch=2", "halving.crop=32", "halving.validation_side=32",
    )  # fmt: skip
    small = [part for change in changes for part in ("--set", change)]
    for processes in (1, 2):
        run(
            "hinas.search.search_command", processes, picture_folder, "--out", tmp_path / str(processes),
            "--space", "pyramid", "--channels", "1", *small,
        )  # fmt: skip
    one, two = ((tmp_path / name / "networks.csv").read_text() for name in ("1", "2"))
    assert one == two
