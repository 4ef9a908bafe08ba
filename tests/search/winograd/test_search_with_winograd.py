"""hinas-search --convolutions winograd: candidates score the same, and searches without trainings refuse it."""

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hinas.search.search_command import app

Search = Callable[..., subprocess.CompletedProcess[str]]

SETTINGS = {
    "widths": "[32]", "middle": "[1,2]", "blocks": "[1,2]", "levels": "[1,2]", "halving.candidates": "2",
    "halving.rounds": "1", "halving.first_iterations": "10", "halving.batch": "2", "halving.crop": "32",
    "halving.validation_side": "32",
}  # fmt: skip


@pytest.fixture
def search(in_process: Callable[..., subprocess.CompletedProcess[str]], picture_folder: Path, tmp_path: Path) -> Search:
    """The command with two candidates of 32 channels, in fp32 on one thread; it writes to tmp_path/NAME."""
    changes = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    given = (picture_folder, "--space", "pyramid", "--channels", "1", *changes, "--device", "cpu", "--threads", "1")
    return lambda name, *more: in_process(app, *given, "--precision", "fp32", "--out", tmp_path / name, *more)


@pytest.mark.usefixtures("transforms")
def test_candidates_score_as_with_direct_convolutions(search: Search, tmp_path: Path) -> None:
    scores: dict[str, dict[str, float]] = {}
    for choice in ("direct", "winograd"):
        done = search(choice, "--convolutions", choice)
        assert done.returncode == 0, done.stderr
        rows = csv.DictReader((tmp_path / choice / "networks.csv").open())
        scores[choice] = {row["identity"]: float(row["psnr_db_after_10"]) for row in rows}
    assert len(scores["direct"]) == 2
    assert scores["winograd"] == pytest.approx(scores["direct"], abs=1e-3)


def test_a_search_without_trainings_refuses_it(picture_folder: Path, tmp_path: Path, mistake: Any) -> None:
    run = [str(picture_folder), "--out", str(tmp_path / "run"), "--device", "cpu", "--convolutions", "winograd"]
    assert "--method gradient has none, leave it out" in mistake(app, *run)
    assert not (tmp_path / "run").exists()
