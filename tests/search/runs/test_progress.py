"""What a search or a training says of itself while it runs, and when it is stopped."""

import csv
import io
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hinas.search import search_command, train_command
from hinas.search.architecture_search import search_loop, search_run
from hinas.search.genotype import read_genotype
from hinas.search.learning.computing import Computing
from hinas.search.runs import step_signals
from hinas.search.runs.progress import Progress, duration_text
from hinas.search.runs.step_signals import signals_wait_for_steps
from hinas.search.tasks.interface import TaskOptions
from hinas.search.training import train_loop
from hinas.search.training.train_request import TrainRequest
from hinas.search.training.train_run import run_training
from hinas.search.training.training_settings import TrainingSettings
from safetensors.torch import load_file

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
        for seconds in (0.0, 10.0, 31.0, 40.0, 62.0):
            clock.seconds = seconds
            progress.tell(f"loss {seconds:.0f}")
            progress.step()
        progress.note("a result")
    assert capsys.readouterr().err.split("\n") == [
        "iteration 3 of 9, 0.0645 it/s, 93 s left: loss 31",
        "iteration 5 of 9, 0.0645 it/s, 62 s left: loss 62",
        "a result",
        "",
    ]


def test_what_an_earlier_run_has_done_says_nothing_of_the_rate() -> None:
    clock = Clock()
    with Progress(unit="it", total=1010, is_quiet=True, clock=clock) as progress:
        progress.skip(500)
        progress.step()
        clock.seconds = 2.0
        progress.skip(500)
        progress.step(4)
        assert (progress.done, progress.pace_text) == (1005, ", 2 it/s, 2 s left")


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_bar_counts_from_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    clock = Clock()
    with Progress(unit="it", total=None, is_quiet=False, clock=clock) as progress:
        progress.total = 7
        progress.tell("loss 0.25")
        progress.step()
        clock.seconds = 99.0
        progress.step()
    assert "2/7" in terminal.getvalue() and "loss 0.25" in terminal.getvalue()
    assert "iteration" not in terminal.getvalue()


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


def _interrupted_at(step: int, real: Callable[..., Any], number: int = signal.SIGINT) -> Callable[..., Any]:
    """`real`, with Ctrl-C or another signal in the middle of this call, counted from 1."""
    calls = itertools.count(1)

    def interrupted(*given: Any, **named: Any) -> Any:
        if next(calls) == step:
            signal.raise_signal(number)
        return real(*given, **named)

    return interrupted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_in_a_training_keeps_the_step_it_came_in_and_says_how_to_go_on(
    genotype: Path,
    picture_folder: Path,
    tmp_path: Path,
    in_process: Command,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
) -> None:
    small = ("--batch", "1", "--crop", "16", "--threads", "1", "--device", "cpu", "--iterations", "4")

    def weights(out: Path, *more: str) -> dict[str, torch.Tensor]:
        result = in_process(train_command.app, genotype, picture_folder, "--out", out, *small, *more)
        assert "4 of 4 iterations" in result.stdout
        return load_file(out / "weights.safetensors")

    through = weights(tmp_path / "through")
    with monkeypatch.context() as patched:
        patched.setattr(train_loop, "_step", _interrupted_at(3, train_loop._step, number))
        stopped = in_process(train_command.app, genotype, picture_folder, "--out", tmp_path / "run", *small)
    assert stopped.returncode == code
    assert "checkpoint.pt: iteration 3 is kept; go on with --resume" in stopped.stderr
    resumed = weights(tmp_path / "run", "--resume")
    assert all(torch.equal(value, resumed[name]) for name, value in through.items())
    # The line of the history is of the iterations before the signal too.
    assert _without_seconds(tmp_path / "run") == _without_seconds(tmp_path / "through")


def _without_seconds(run: Path) -> list[dict[str, str]]:
    return [row | {"seconds": ""} for row in csv.DictReader((run / "history.csv").open())]


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


@pytest.mark.parametrize(("step", "kept"), [(1, "epoch 0 of 3 and step 1"), (8, "epoch 2 of 3 and step 1")])
def test_ctrl_c_in_a_search_keeps_the_step_it_came_in_even_in_the_first_epoch(
    in_process: Command, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, kept: str
) -> None:
    def found(out: Path, *more: str) -> tuple[str, list[str]]:
        result = in_process(search_command.app, picture_folder, "--out", out, *SMALL, *more)
        assert result.returncode == 0, result.stderr
        columns = list(csv.reader((out / "history.csv").open()))
        # The second one is the time.
        return read_genotype(out / "genotype.json").identity, [str(row[:1] + row[2:]) for row in columns]

    through = found(tmp_path / "through")
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(search_loop, "_step", _interrupted_at(step, search_loop._step))
        stopped = in_process(search_command.app, picture_folder, "--out", out, *SMALL)
    assert stopped.returncode == 130
    assert f"checkpoint.pt: {kept} of the next is kept; go on with --resume" in stopped.stderr
    # What is known after a whole epoch is there, too.
    assert (out / "genotype.json").exists() == (step > 1)
    assert found(out, "--resume") == through


def test_ctrl_c_in_a_halving_keeps_the_network_being_trained(
    in_process: Command, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (
        "widths=[8]", "middle=[1,2]", "blocks=[1,1]", "halving.candidates=2", "halving.rounds=1",
        "halving.first_iterations=10", "halving.batch=1", "halving.validation_side=32",
    )  # fmt: skip
    small = [part for change in changes for part in ("--set", change)]
    given = [picture_folder, "--out", tmp_path / "run", "--space", "pyramid", "--channels", "1", *small]
    given += ["--crop", "32", "--device", "cpu", "--threads", "1"]
    with monkeypatch.context() as patched:
        patched.setattr(train_loop, "_step", _interrupted_at(3, train_loop._step))
        stopped = in_process(search_command.app, *given)
    assert stopped.returncode == 130
    assert "networks.json: what was compared is kept; go on with --resume" in stopped.stderr
    kept = torch.load(tmp_path / "run" / "networks" / "001.pt", weights_only=True)
    assert kept["iteration"] == 3
    resumed = in_process(search_command.app, *given, "--resume")
    assert resumed.returncode == 0 and "after 10 iterations" in resumed.stdout, resumed.stderr


def test_a_signal_waits_for_the_step_and_a_second_one_does_not() -> None:
    saved: list[int] = []
    with pytest.raises(KeyboardInterrupt), signals_wait_for_steps() as signals:
        signal.raise_signal(signal.SIGINT)
        # torchrun repeats what the terminal has sent.
        signal.raise_signal(signal.SIGINT)
        saved.append(1)
        signals.step_ended(lambda: saved.append(2))
        saved.append(3)
    assert saved == [1, 2]
    with pytest.raises(KeyboardInterrupt), signals_wait_for_steps():
        # After the last step: it is not lost.
        signal.raise_signal(signal.SIGINT)


def test_an_impatient_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter((0.0, 5.0))
    monkeypatch.setattr(step_signals, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    saved: list[int] = []
    with pytest.raises(KeyboardInterrupt), signals_wait_for_steps() as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signals.step_ended(lambda: saved.append(1))
    assert saved == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
