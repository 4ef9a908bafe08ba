"""hinas-train as a person runs it: what it writes, how it goes on, and what it says to mistakes."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search.train_command import app
from safetensors import safe_open

Train = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def train(in_process: Callable[..., subprocess.CompletedProcess[str]]) -> Train:
    """The command in this process, on one thread."""
    return lambda *arguments: in_process(app, *arguments, "--threads", "1")


@pytest.fixture
def genotype_file(small_document: Any, tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(small_document(3)))
    return path


def test_a_run_can_be_stopped_and_gone_on_with(
    train: Train, genotype_file: Path, picture_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    short = ("--batch", "2", "--crop", "16", "--device", "cpu")
    module = [sys.executable, "-m", "hinas.search.train_command", genotype_file, picture_folder]
    first = subprocess.run(
        [*module, "--out", out, "--iterations", "3", *short, "--threads", "1"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert "3 of 3 iterations" in first.stdout
    assert "dB at sigma 30" in first.stderr

    again = train(genotype_file, picture_folder, "--out", out, "--iterations", "5", *short)
    assert again.returncode == 2
    assert "a training is already there" in again.stderr

    resumed = train(genotype_file, picture_folder, "--out", out, "--iterations", "5", "--resume", *short)
    assert resumed.returncode == 0, resumed.stderr
    rows = list(csv.DictReader((out / "history.csv").open()))
    assert [row["iteration"] for row in rows] == ["3", "5"]
    assert all(float(row["psnr_db"]) > 10 for row in rows)
    with safe_open(out / "weights.safetensors", framework="np") as weights:
        record = json.loads(weights.metadata()["hinas.training"])
    assert record["iterations_done"] == 5
    assert record["images"] == 3
    assert record["settings"]["sigma_range"] == [0.0, 75.0]
    assert (out / "genotype.json").is_file()

    other = train(
        genotype_file, picture_folder, "--out", out, "--iterations", "9", "--resume", *short, "--optimizer", "adam"
    )
    assert other.returncode == 2
    assert "trained with optimizer muon, asked to go on with adam" in other.stderr


def test_fine_tuning_begins_with_given_weights_and_remembers_their_training(
    train: Train, genotype_file: Path, picture_folder: Path, tmp_path: Path
) -> None:
    short = ("--batch", "2", "--crop", "16", "--device", "cpu")
    first, fine, wrong = tmp_path / "first", tmp_path / "fine", tmp_path / "wrong"
    assert train(genotype_file, picture_folder, "--out", first, "--iterations", "3", *short).returncode == 0
    # A learning rate of 0 leaves the weights as they were.
    still = (
        "--start-from",
        first / "weights.safetensors",
        "--learning-rate",
        "0",
        "--loss",
        "mse",
        "--iterations",
        "2",
    )
    tuned = train(genotype_file, picture_folder, "--out", fine, *still, *short)
    assert tuned.returncode == 0, tuned.stderr
    with (
        safe_open(first / "weights.safetensors", framework="np") as before,
        safe_open(fine / "weights.safetensors", framework="np") as after,
    ):
        for name in before.keys():  # noqa: SIM118 (not a dict)
            assert (before.get_tensor(name) == after.get_tensor(name)).all(), name
        earlier = json.loads(before.metadata()["hinas.training"])
        assert json.loads(after.metadata()["hinas.training"])["started_from"] == earlier
    resumed = train(
        genotype_file,
        picture_folder,
        *("--out", fine, "--resume", "--loss", "mse", "--learning-rate", "0", "--iterations", "4", *short),
    )
    assert resumed.returncode == 0, resumed.stderr
    with safe_open(fine / "weights.safetensors", framework="np") as after:
        assert json.loads(after.metadata()["hinas.training"])["started_from"] == earlier

    missing = train(genotype_file, picture_folder, "--out", wrong, "--start-from", tmp_path / "none", *short)
    assert missing.returncode == 2
    assert "no such weights file" in missing.stderr
    assert not wrong.exists()


def test_a_warm_start_takes_what_fits_of_another_network(
    train: Train, small_document: Any, genotype_file: Path, picture_folder: Path, tmp_path: Path
) -> None:
    short = ("--batch", "2", "--crop", "16", "--device", "cpu", "--iterations", "1", "--learning-rate", "0")
    colour, grey = tmp_path / "colour", tmp_path / "grey"
    assert train(genotype_file, picture_folder, "--out", colour, *short).returncode == 0
    (tmp_path / "grey.json").write_text(json.dumps(small_document(1)))
    begun = train(
        tmp_path / "grey.json", picture_folder, "--out", grey, "--warm-start", colour / "weights.safetensors", *short
    )
    assert begun.returncode == 0, begun.stderr
    assert "tensors begin with its values, others at random" in begun.stderr
    with (
        safe_open(colour / "weights.safetensors", framework="np") as before,
        safe_open(grey / "weights.safetensors", framework="np") as after,
    ):
        shapes = [{name: file.get_tensor(name).shape for name in file.keys()} for file in (before, after)]  # noqa: SIM118
        fitting = [name for name, shape in shapes[1].items() if shapes[0].get(name) == shape]
        assert 0 < len(fitting) < len(shapes[1])
        assert all((before.get_tensor(name) == after.get_tensor(name)).all() for name in fitting)
        record = json.loads(after.metadata()["hinas.training"])["started_from"]
    assert record["tensors_taken"] == f"{len(fitting)} of {len(shapes[1])}" and record["iterations_done"] == 1


def test_max_minutes_stops_a_given_number_of_iterations_resumably(
    train: Train, genotype_file: Path, picture_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    limits = ("--iterations", "9", "--max-minutes", "0")
    stopped = train(genotype_file, picture_folder, "--out", out, "--crop", "16", "--batch", "1", *limits)
    assert stopped.returncode == 0, stopped.stderr
    assert "1 of 9 iterations" in stopped.stdout
    assert "go on with --resume" in stopped.stdout
    assert (out / "checkpoint.pt").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--sigma", "loud"], "--sigma: got 'loud', expected one level such as 30 or a range such as 0:75"),
        (["--sigma", "50:20"], "the lower one first"),
        (["--sigma", "0:200"], "conditioned on 0:75"),
        (["--crop", "17"], "--crop: got 17, expected a multiple of 2"),
        (["--weight-decay", "300"], "--weight-decay: got 300, which at a learning rate of 0.005 leaves nothing of the"),
        (["--learning-rate", "-1"], "Invalid value for '--learning-rate'"),
        (["--learning-rate", "nan"], "Invalid value for '--learning-rate'"),
        (["--learning-rate", "inf", "--optimizer", "adam"], "--learning-rate: got inf, expected a finite number"),
        (["--crop", "4000"], "no usable training image"),
        (["--device", "tpu"], "expected auto, cpu, cuda or cuda:N"),
        (["--device", "cuda:99"], "CUDA devices; use --device cpu"),
        (["--resume", "--start-from", "weights.safetensors"], "give one of them"),
        (["--start-from", "a.safetensors", "--warm-start", "b.safetensors"], "give neither --resume nor --start-from"),
        (["--resume"], "no training to resume from"),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_leaves_nothing(
    train: Train, genotype_file: Path, picture_folder: Path, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    out = tmp_path / "run"
    result = train(genotype_file, picture_folder, "--out", out, "--iterations", "2", "--quiet", *arguments)
    assert result.returncode == 2
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(out.glob("*")) if out.exists() else True


@pytest.mark.parametrize("recorded", [0.5, None])
def test_the_share_that_was_drawn_may_be_named_when_a_training_goes_on(
    train: Train, genotype_file: Path, picture_folder: Path, tmp_path: Path, recorded: float | None
) -> None:
    out = tmp_path / "run"
    run = (genotype_file, picture_folder, "--out", out, "--batch", "1", "--crop", "16", "--device", "cpu")
    assert train(*run, "--iterations", "1").returncode == 0
    content = torch.load(out / "checkpoint.pt", weights_only=True)
    assert content["settings"]["quantised_share"] == 0.5
    # Earlier versions recorded None where no share was asked for.
    content["settings"]["quantised_share"] = recorded
    torch.save(content, out / "checkpoint.pt")
    other = train(*run, "--iterations", "2", "--resume", "--quantised-share", "0.2")
    assert other.returncode == 2
    assert "trained with quantised share 0.5, asked to go on with 0.2" in other.stderr
    for number, share in enumerate(((), ("--quantised-share", "0.5")), start=2):
        resumed = train(*run, "--iterations", str(number), "--resume", *share)
        assert resumed.returncode == 0, resumed.stderr


def test_a_damaged_checkpoint_is_named(train: Train, genotype_file: Path, picture_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "checkpoint.pt").write_bytes(b"not a checkpoint")
    result = train(genotype_file, picture_folder, "--out", out, "--resume", "--crop", "16")
    assert result.returncode == 2
    assert "checkpoint.pt: a damaged checkpoint" in result.stderr
    assert "Traceback" not in result.stderr


def test_one_level_is_asked_of_a_network_that_is_not_conditioned(
    train: Train, small_document: Any, picture_folder: Path, tmp_path: Path
) -> None:
    document = small_document(3)
    del document["network"]["conditioning"]
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(document))
    result = train(path, picture_folder, "--out", tmp_path / "run", "--sigma", "0:50")
    assert result.returncode == 2
    assert "not conditioned on sigma; give one level" in result.stderr
    trained = train(
        path, picture_folder, "--out", tmp_path / "run", "--sigma", "30", "--iterations", "2", "--crop", "16"
    )
    assert trained.returncode == 0, trained.stderr
    assert "dB at sigma 30" in trained.stderr
