"""What a search or a training says of itself while it runs, and when it is stopped."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search import search_command, train_command
from hinas.search.architecture_search import search_run
from hinas.search.learning.computing import Computing
from hinas.search.learning.progress import Progress, duration_text
from hinas.search.tasks.interface import TaskOptions
from hinas.search.training import train_loop
from hinas.search.training.train_request import TrainRequest
from hinas.search.training.train_run import run_training
from hinas.search.training.training_settings import TrainingSettings

Command = Callable[..., subprocess.CompletedProcess[str]]


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_rate_and_the_time_left_are_those_of_the_steps_after_the_first() -> None:
    clock = Clock()
    with Progress(unit="it", total=100, done=10, is_quiet=True, clock=clock) as progress:
        assert progress.pace_text == ""
        clock.seconds = 1000.0  # the first one compiles
        progress.step()
        assert progress.pace_text == ""
        clock.seconds = 1002.0
        progress.step(4)
        assert progress.pace_text == ", 2 it/s, 42 s left"
        progress.total = 1215
        assert progress.left_text == ", 10 min left"
        progress.total = None
        assert progress.pace_text == ", 2 it/s"


def test_times_are_told_in_few_digits() -> None:
    texts = [duration_text(seconds) for seconds in (0.2, 45, 99.6, 720, 5900, 12_000)]
    assert texts == ["0 s", "45 s", "2 min", "12 min", "98 min", "3 h 20 min"]


def test_where_no_bar_is_shown_a_line_comes_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress(unit="it", total=9, is_quiet=False, clock=clock) as progress:
        for clock.seconds in (0.0, 10.0, 29.0, 31.0, 40.0):
            progress.line(f"at {clock.seconds:.0f}")
        progress.note("a result")
    assert capsys.readouterr().err.split("\n") == ["at 0", "at 31", "a result", ""]


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_bar_counts_from_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(unit="it", total=None, is_quiet=False) as progress:
        progress.total = 7
        progress.step()
        progress.line("not beside a bar")
    assert "1/7" in terminal.getvalue() and "not beside a bar" not in terminal.getvalue()


@pytest.fixture
def genotype(small_document: Any, tmp_path: Path) -> Path:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(small_document(1)))
    return path


def test_a_training_by_the_clock_tells_how_many_iterations_will_fit(
    genotype: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()

    def ticking() -> float:
        clock.seconds += 1.0
        return clock.seconds

    request = TrainRequest(
        genotype=genotype, images=picture_folder, out=tmp_path / "run", task=TaskOptions(),
        settings=TrainingSettings(iterations=None, batch=1, crop=16, log_every=5, validation_every=10),
        computing=Computing(device="cpu", precision="fp32", threads=1, compiled=False), validation=None,
        start_from=None, resume=False, max_minutes=2.0, quiet=False,
    )  # fmt: skip
    summary = run_training(request, clock=ticking)
    lines = capsys.readouterr().err.splitlines()
    assert "validation" in lines[-1] and lines[-1].startswith("iteration ")
    last = int(summary.split(" iterations")[0].split()[-1])
    validated = [line for line in lines if line.startswith("iteration 10 of ") and "validation" in line]
    (told,) = validated
    planned = int(told.split(" of ")[1].split(",")[0])
    assert abs(planned - last) <= 0.2 * last
    assert " it/s, " in told and " left: loss " in told


def test_ctrl_c_in_a_training_keeps_it_and_says_how_to_go_on(
    genotype: Path, picture_folder: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter(range(3))
    real = train_loop._step

    def interrupted(*given: Any) -> torch.Tensor:
        if next(steps) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(train_loop, "_step", interrupted)
    small = ("--batch", "1", "--crop", "16", "--threads", "1", "--device", "cpu", "--iterations", "4")
    stopped = in_process(train_command.app, genotype, picture_folder, "--out", tmp_path / "run", *small)
    assert stopped.returncode == 130
    assert "checkpoint.pt: iteration 2 is kept; go on with --resume" in stopped.stderr
    monkeypatch.setattr(train_loop, "_step", real)
    resumed = in_process(train_command.app, genotype, picture_folder, "--out", tmp_path / "run", *small, "--resume")
    assert "4 of 4 iterations" in resumed.stdout


SMALL_SPACE = ("layers=1", "nodes=1", "width=4", "compact_width=8", "width_search=fixed", "steps=2", "warm_up_epochs=1")
SMALL = (
    "--channels", "1", *(part for change in SMALL_SPACE for part in ("--set", change)), "--epochs", "3", "--batch", "2",
    "--crop", "16", "--device", "cpu", "--threads", "1",
)  # fmt: skip


def test_a_search_counts_the_steps_of_all_phases_and_says_of_how_many_epochs(
    in_process: Command, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Progress] = []

    def kept(**given: Any) -> Progress:
        made.append(Progress(**given))
        return made[-1]

    monkeypatch.setattr(search_run, "Progress", kept)
    result = in_process(search_command.app, picture_folder, "--out", tmp_path / "run", *SMALL)
    assert result.returncode == 0, result.stderr
    # Two steps of the kernels in each of three epochs, and two of the architecture in all but the first.
    assert made[0].total == made[0].done == 10
    beginnings = [line.split(":")[0] for line in result.stderr.splitlines() if line.startswith("epoch ")]
    assert [text.split(",")[0] for text in beginnings] == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"]
    assert all(text.endswith(" left") for text in beginnings)


@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_in_a_search_says_how_to_go_on_even_in_the_first_epoch(
    in_process: Command, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    from hinas.search.architecture_search import search_loop

    real = search_loop._epoch

    def interrupted(state: Any, *given: Any) -> Any:
        result = real(state, *given)
        if state.epoch == epoch - 1:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(search_loop, "_epoch", interrupted)
    stopped = in_process(search_command.app, picture_folder, "--out", tmp_path / "run", *SMALL)
    assert stopped.returncode == 130
    assert "checkpoint.pt: holds all whole epochs; go on with --resume" in stopped.stderr
    monkeypatch.setattr(search_loop, "_epoch", real)
    resumed = in_process(search_command.app, picture_folder, "--out", tmp_path / "run", *SMALL, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert f"epoch {epoch} of 3" in resumed.stderr and (tmp_path / "run" / "genotype.json").is_file()


def test_ctrl_c_in_a_halving_says_how_to_go_on(
    in_process: Command, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinas.search.halving import comparison

    def interrupted(*given: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "train_round", interrupted)
    changes = ("widths=[8]", "middle=[1,2]", "blocks=[1,1]", "halving.candidates=2", "halving.rounds=1")
    small = [part for change in changes for part in ("--set", change)]
    given = (picture_folder, "--out", tmp_path / "run", "--space", "pyramid", "--channels", "1", *small)
    stopped = in_process(search_command.app, *given, "--crop", "32", "--device", "cpu", "--threads", "1")
    assert stopped.returncode == 130
    assert "networks.json: what was compared is kept; go on with --resume" in stopped.stderr
