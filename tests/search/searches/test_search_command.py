"""hinas-search as a person runs it: what it writes, how it goes on, and what it says to mistakes."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hinas.errors import UserError
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.architecture_search.undecided import undecided_choices
from hinas.search.genotype import read_genotype
from hinas.search.search_command import app
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_names
from PIL import Image
from typer.testing import CliRunner

SMALL_SPACE = (
    "layers=2", "nodes=2", "width=4", "compact_width=8", "stem.channels=6", "end.channels=6", "end.early_channels=4",
    "steps=1",
)  # fmt: skip
SMALL = (
    "--channels", "1", *(part for change in SMALL_SPACE for part in ("--set", change)), "--epochs", "3", "--batch", "2",
    "--crop", "16", "--device", "cpu", "--threads", "1",
)  # fmt: skip


Search = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def search(in_process: Callable[..., subprocess.CompletedProcess[str]]) -> Search:
    """The command in this process."""
    return lambda *arguments: in_process(app, *arguments)


def test_a_search_writes_genotype_pictures_and_history_and_can_be_gone_on_with(
    search: Search, picture_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "hinas.search.search_command", picture_folder, "--out", out, *SMALL]
    stopped = subprocess.run(
        [*command, "--max-minutes", "0", "--perturbed"], capture_output=True, text=True, timeout=120
    )
    assert stopped.returncode == 0, stopped.stderr
    assert "epoch 1 of 3; go on with --resume" in stopped.stdout
    again = search(picture_folder, "--out", out, *SMALL)
    assert again.returncode == 2
    assert "a search is already there" in again.stderr
    other = search(picture_folder, "--out", out, *SMALL, "--resume", "--set", "ssim_weight=0.6")
    assert other.returncode == 2
    assert "searched with ssim weight 0.0, asked to go on with 0.6" in other.stderr
    other = search(picture_folder, "--out", out, *SMALL, "--resume", "--set", "activation=leaky_relu")
    assert other.returncode == 2
    assert "another space" in other.stderr

    resumed = search(picture_folder, "--out", out, *SMALL, "--resume", "--perturbed")
    assert resumed.returncode == 0, resumed.stderr
    assert "dB and SSIM" in resumed.stdout
    rows = list(csv.DictReader((out / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(0 < float(row["entropy_alpha_bits"]) < 2.81 for row in rows)
    found = read_genotype(out / "genotype.json")
    assert found.task.channels == 1
    assert found.provenance is not None and found.provenance.score is not None
    assert found.provenance.command.startswith("hinas-search")
    changed = [read_genotype(out / f"genotype-{name}.json") for name in ("r1", "r2")]
    assert len({found.identity, *(genotype.identity for genotype in changed)}) == 3
    for name in ("genotype", "curves"):
        with Image.open(out / f"{name}.png") as picture:
            assert picture.width > 300
        assert "</svg>" in (out / f"{name}.svg").read_text()
    assert {path.suffix for path in out.iterdir()} == {".json", ".png", ".svg", ".csv", ".pt"}


def test_the_time_ends_a_search_within_an_epoch_and_it_says_where(
    search: Search, picture_folder: Path, tmp_path: Path
) -> None:
    run = (picture_folder, "--out", tmp_path / "run", *SMALL, "--set", "steps=2", "--max-minutes", "0")
    stopped = search(*run)
    assert stopped.returncode == 0, stopped.stderr
    assert "epoch 0 of 3 and step 1 of the next; go on with --resume" in stopped.stdout
    assert "epoch 1 of 3; go on with --resume" in search(*run, "--resume").stdout


def test_random_search_finds_a_genotype(search: Search, picture_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = search(picture_folder, "--out", out, *SMALL, "--method", "random", "--set", "samples=3")
    assert result.returncode == 0, result.stderr
    assert read_genotype(out / "genotype.json").network is not None


def test_the_papers_space_can_be_printed_and_changed(search: Search) -> None:
    result = search("--preset", "paper", "--print-space", "--set", "layers=4")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    settings = document["settings"]
    assert (settings["layers"], settings["nodes"], settings["width"], settings["compact_width"]) == (4, 4, 10, 20)
    assert settings["stem"]["resolution"] == "full" and settings["normalisation"] == "batch"
    assert settings["activation"] == "leaky_relu" and settings["conditioning"] is None
    assert document["schedule"]["kernel_optimizer"] == "sgd" and document["schedule"]["ssim_weight"] == 0.6


def test_what_is_printed_of_a_space_is_read_again_and_can_be_changed(search: Search, tmp_path: Path) -> None:
    printed = search("--preset", "paper", "--print-space", "--channels", "1", "--epochs", "7")
    (tmp_path / "space.json").write_text(printed.stdout)
    again = search("--space", tmp_path / "space.json", "--print-space")
    assert again.stdout == printed.stdout
    changed = json.loads(search("--space", tmp_path / "space.json", "--print-space", "--set", "nodes=2").stdout)
    assert (changed["settings"]["nodes"], changed["schedule"]["epochs"], changed["task"]["channels"]) == (2, 7, 1)


def test_a_space_file_is_not_contradicted_by_options(search: Search, tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    path.write_text(search("--print-space", "--channels", "1").stdout)
    same = search("--space", path, "--print-space", "--channels", "1", "--task", "denoise", "--scale", "1")
    assert same.stdout == path.read_text()
    for option, value, stands_there in (("channels", "3", "1"), ("task", "derain", "denoise"), ("scale", "2", "1")):
        refused = search("--space", path, "--print-space", f"--{option}", value)
        assert refused.returncode == 2
        said = f"--{option}: got {value}, but {path} is a space with {option} {stands_there}; leave one of the two out"
        assert said in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--latency-weight", "1"), "give --latency-table"),
        (("--latency-table", "nowhere.json"), "cannot be read"),
        (("--set", "width_factors=1,x"), "--set width_factors.1: "),
        (("--set", "width_search=doubled", "--set", "width_factors=[1]"), "expected one for each of 2 layers"),
        (("--set", "depth=3"), "--set depth: no such setting; there are layers"),
        (("--set", "layers"), "expected NAME=VALUE"),
        (("--set", "layers.x=3"), "layers is a single value"),
        (
            ("--set", "halving=3"),
            "--set halving: got 3, but it is a group; give --set halving.NAME=VALUE with candidates",
        ),
        (("--set", "supernet=a,b"), "--set supernet: got ['a', 'b'], but it is a group"),
        (("--preset", "none-such"), "the space hinas has fast, paper"),
        (("--scale", "2"), "denoising keeps the size"),
        (("--sigma", "300"), "expected grey levels"),
        (("--crop", "17"), "--crop: got 17, expected a multiple of 2"),
        (("--channels", "2"), "the task denoise takes 1 (grey) or 3 (colour)"),
        (("--task", "raw", "--channels", "3"), "the task raw takes 4 (packed Bayer)"),
        (("--task", "upscale"), "expected camera, denoise"),
        (("--space", "none-such"), f"expected {', '.join(space_names())}, or a file"),
        (("--device", "cuda:9"), "CUDA devices"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], message: str, picture_folder: Path, tmp_path: Path) -> None:
    command = [picture_folder, "--out", tmp_path / "run", *SMALL, *arguments]
    result = CliRunner().invoke(app, list(map(str, command)))
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_images_and_out_are_asked_for(search: Search, picture_folder: Path, tmp_path: Path) -> None:
    for arguments, message in ((["--out", "x"], "give a folder of clean images"), (["photos"], "--out: missing")):
        assert message in str(CliRunner().invoke(app, arguments).exception)
    result = search(tmp_path / "nowhere", "--out", tmp_path / "x", *SMALL)
    assert result.returncode == 2 and "nowhere" in result.stderr and "Traceback" not in result.stderr


def test_an_undecided_search_says_so_and_what_to_do(search: Search, picture_folder: Path, tmp_path: Path) -> None:
    undecided = search(picture_folder, "--out", tmp_path / "run", *SMALL)
    assert undecided.returncode == 0, undecided.stderr
    (line,) = [line for line in undecided.stderr.splitlines() if "alpha is undecided" in line]
    assert line.startswith("warning: alpha is undecided, with an entropy of 2.81 of at most 2.81 bits")
    assert "search longer than --epochs 3, or compare networks with --method random" in line
    compared = search(picture_folder, "--out", tmp_path / "other", *SMALL, "--method", "random", "--set", "samples=2")
    assert "undecided" not in compared.stderr


def test_only_a_choice_close_to_the_largest_entropy_is_undecided() -> None:
    largest = {"alpha": 2.81, "beta": 1.2}
    assert undecided_choices({"alpha": 2.6, "beta": 0.4}, largest) == []
    (text,) = undecided_choices({"alpha": 1.1, "beta": 1.19}, largest)
    assert text.startswith("beta is undecided, with an entropy of 1.19 of at most 1.20 bits, so")


def test_a_choice_that_stays_where_it_began_is_undecided_unless_it_began_with_a_decision() -> None:
    (text,) = undecided_choices({"filters": 0.83}, {"filters": 1.0}, {"filters": 0.84})
    assert text.startswith("filters is undecided, with an entropy of 0.83 of at most 1.00 bits (0.84 at the start), so")
    assert undecided_choices({"filters": 0.6}, {"filters": 1.0}, {"filters": 0.84}) == []
    assert undecided_choices({"filters": 0.1}, {"filters": 1.0}, {"filters": 0.1}) == []


SEARCHED = [(name, {}) for name in space_names() if "gradient" in space_named(name).methods]
SEARCHED += [("superkernel", {"choice": choice}) for choice in ("factorized", "filterwise", "filterwise_attention")]


@pytest.mark.parametrize("space", [name for name in space_names() if "gradient" in space_named(name).methods])
def test_in_every_space_the_architecture_learns_with_the_schedules_settings_of_adam(space: str) -> None:
    changes = {
        "architecture_betas": [0.5, 0.9], "architecture_learning_rate": 0.02, "architecture_weight_decay": 0.01,
    }  # fmt: skip
    described = preset_space(space, TaskDescription(channels=1), "fast", changes)
    phases = space_named(space).searcher(described.settings, described.task).phases(described.schedule)
    # A phase that learns the kernels too has their optimizers before it.
    groups = [p.optimizers[-1].param_groups[0] for p in phases if "architecture" in p.learns]
    assert [(group["betas"], group["lr"], group["weight_decay"]) for group in groups] == [((0.5, 0.9), 0.02, 0.01)]


@pytest.mark.parametrize(("space", "changes"), SEARCHED)
def test_in_every_space_an_architecture_that_has_learnt_nothing_is_undecided(
    space: str, changes: dict[str, object]
) -> None:
    torch.manual_seed(0)
    described = preset_space(space, TaskDescription(channels=1), "fast", changes)
    searcher = space_named(space).searcher(described.settings, described.task)
    entropies = searcher.entropies_bits()
    found = undecided_choices(entropies, searcher.largest_entropies_bits(), entropies)
    assert [text.split()[0] for text in found] == list(entropies) and entropies
