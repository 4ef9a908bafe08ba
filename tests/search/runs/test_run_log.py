"""--log tensorboard: TensorBoard's own reader finds the curves that history.csv holds."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hinas import command_line
from hinas.search import search_command, train_command
from hinas.search.runs.run_log import run_log

Curves = dict[str, dict[int, float]]
PLAIN = ("--device", "cpu", "--threads", "1", "--channels", "1")


def _curves(folder: Path) -> Curves:
    """Name -> step -> value, as TensorBoard shows them."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulators.EventAccumulator(str(folder)).Reload()
    return {name: {event.step: event.value for event in read.Scalars(name)} for name in read.Tags()["scalars"]}


def test_without_a_log_nothing_is_written(tmp_path: Path) -> None:
    with run_log(None, tmp_path / "tensorboard", done=0) as log:
        log(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_gone_on_with_shows_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with run_log("tensorboard", tmp_path, done=0) as log:
        for step in (1, 2, 3):
            log(step, {"loss": float(step), "psnr at 30": None})
    # The checkpoint was of step 1: the two after it were lost.
    with run_log("tensorboard", tmp_path, done=1) as log:
        log(2, {"loss": 20.0, "psnr at 30": 5.0})
    assert _curves(tmp_path) == {"loss": {1: 1.0, 2: 20.0}, "psnr_at_30": {2: 5.0}}


def test_a_training_logs_its_history(
    small_document: Callable[[int], Any], picture_folder: Path, tmp_path: Path, in_process: Any
) -> None:
    pytest.importorskip("tensorboard")
    genotype, out = tmp_path / "net.json", tmp_path / "run"
    genotype.write_text(json.dumps(small_document(1)))
    result = in_process(
        train_command.app, genotype, picture_folder, "--out", out, "--batch", "1", "--crop", "16", "--iterations", "2",
        "--device", "cpu", "--threads", "1", "--log", "tensorboard",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (row,) = csv.DictReader((out / "history.csv").open())
    curves = _curves(out / "tensorboard")
    assert curves["loss"][2] == pytest.approx(float(row["loss"]))
    assert curves["validation/psnr_db"][2] == pytest.approx(float(row["psnr_db"]))
    cases = [name for name in curves if name.startswith("validation/psnr_db_")]
    assert cases and not any(" " in name for name in cases)


def test_a_search_logs_its_history(picture_folder: Path, tmp_path: Path, in_process: Any) -> None:
    pytest.importorskip("tensorboard")
    changes = ("layers=1", "nodes=1", "width=4", "compact_width=8", "width_search=fixed", "steps=1")
    small = [part for change in changes for part in ("--set", change)]
    result = in_process(
        search_command.app, picture_folder, "--out", tmp_path / "run", *small, "--epochs", "2", "--batch", "2",
        "--crop", "16", *PLAIN, "--log", "tensorboard",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").open()))
    curves = _curves(tmp_path / "run" / "tensorboard")
    kernels = {number: float(row["kernel_loss"]) for number, row in enumerate(rows, 1)}
    assert curves["loss/kernel"] == pytest.approx(kernels)
    assert sorted(curves["entropy_bits/alpha"]) == [1, 2]


def test_a_halving_logs_each_network_as_a_run_of_its_own(picture_folder: Path, tmp_path: Path, in_process: Any) -> None:
    pytest.importorskip("tensorboard")
    changes = (
        "widths=[8]", "middle=[1,2]", "blocks=[1,1]", "halving.candidates=2", "halving.rounds=1",
        "halving.first_iterations=10", "halving.batch=1", "halving.validation_side=32",
    )  # fmt: skip
    small = [part for change in changes for part in ("--set", change)]
    out = tmp_path / "run"
    result = in_process(
        search_command.app, picture_folder, "--out", out, "--space", "pyramid", *small, "--crop", "32", *PLAIN, "--log",
        "tensorboard",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader((out / "networks.csv").open()))
    for number, row in enumerate(rows, 1):
        curves = _curves(out / "tensorboard" / f"network-{number:03d}")
        assert curves["validation/psnr_db"] == pytest.approx({10: float(row["psnr_db_after_10"])})


@pytest.mark.parametrize("app", [search_command.app, train_command.app])
def test_a_missing_package_is_said_before_any_work(
    app: Any, tmp_path: Path, mistake: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = command_line.find_spec
    monkeypatch.setattr(command_line, "find_spec", lambda name: None if name == "tensorboard" else real(name))
    # Neither the genotype nor the pictures are there; they are not even looked for.
    paths = ["one", "two"] if app is train_command.app else ["one"]
    said = mistake(app, *paths, "--out", tmp_path / "run", "--log", "tensorboard")
    (line,) = said.splitlines()
    assert line.startswith("error: --log tensorboard needs tensorboard; install: pip install")
    assert line.endswith('[tensorboard]"')
    assert not (tmp_path / "run").exists()
