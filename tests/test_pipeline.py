"""The whole way, command by command: search, train, export, denoise, measure."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.bench.quality.task_cases import case_examples
from PIL import Image
from stand_ins.commands import COMMANDS
from stand_ins.small_spaces import SMALL_SPACES, as_options

pytestmark = pytest.mark.usefixtures("small_peaks")
ONE_THREAD = ("--threads", 1, "--device", "cpu")
ONE_CELL: dict[str, dict[str, Any]] = {"hinas": {}, "clearer": {"modules": 1}, "superkernel": {"depth": 1}}
Run = Callable[..., Any]


def _program(name: str, *arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(name)
    assert program.is_file(), f"{program}: install the project first"
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def in_this_process(in_process: Run) -> Run:
    """As `_program`, without its imports."""

    def run(name: str, *arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
        result = in_process(COMMANDS[name], *map(str, arguments))
        assert result.returncode == 0, result.stderr
        return result

    return run


def _searched_and_trained(run: Run, space: str, photos: Path, folder: Path, *options: str, iterations: int) -> Path:
    """A model file."""
    changes = as_options({**SMALL_SPACES[space], **ONE_CELL[space], "steps": 2})
    run(
        "hinas-search", photos, "--out", folder / "found", "--space", space, *changes, *options, "--epochs", 3,
        "--batch", 2, "--crop", 32, *ONE_THREAD,
    )  # fmt: skip
    run(
        "hinas-train", folder / "found" / "genotype.json", photos, "--out", folder / "run", "--iterations", iterations,
        "--batch", 4, "--crop", 32, "--learning-rate", "0.01", *ONE_THREAD,
    )  # fmt: skip
    run("hinas-export", folder / "run" / "genotype.json")
    return folder / "run" / "model.onnx"


def _denoises_pictures(run: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    noisy_folder, clean_folder = tmp_path / "noisy", tmp_path / "clean"
    noisy_folder.mkdir()
    random = np.random.default_rng(0)
    for path in photos.glob("*.png"):
        clean = np.asarray(Image.open(path)).astype(float)
        noisy = (clean + random.normal(0, 40, clean.shape)).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(noisy).save(noisy_folder / path.name)
    run("hinas-denoise", noisy_folder, clean_folder, "--model", model, "--sigma", 40)
    for path in photos.glob("*.png"):
        clean, noisy, denoised = (
            np.asarray(Image.open(folder / path.name)).astype(float) for folder in (photos, noisy_folder, clean_folder)
        )
        assert ((denoised - clean) ** 2).mean() < 0.9 * ((noisy - clean) ** 2).mean()

    out = tmp_path / "bench"
    run("hinas-bench", "--model", model, "--data", photos, "--size", "64x48", "--rounds", 1, "--out", out)
    entries = json.loads((out / "results.json").read_text())["entries"]
    assert {entry["origin"] for entry in entries} == {"measured"}


@pytest.mark.slow
def test_pictures_become_a_network_that_denoises_pictures(
    in_this_process: Run, picture_folder: Path, tmp_path: Path
) -> None:
    """What runs the model, by the programs themselves."""
    model = _searched_and_trained(in_this_process, "hinas", picture_folder, tmp_path, iterations=400)
    _denoises_pictures(_program, model, picture_folder, tmp_path)


@pytest.mark.slow
def test_the_same_with_a_network_that_exchanges_between_branches(
    in_this_process: Run, picture_folder: Path, tmp_path: Path
) -> None:
    model = _searched_and_trained(
        in_this_process, "clearer", picture_folder, tmp_path, "--set", "normalisation=batch", iterations=200
    )
    _denoises_pictures(in_this_process, model, picture_folder, tmp_path)


@pytest.mark.slow
def test_pictures_become_a_network_that_denoises_raw_data(
    in_this_process: Run, picture_folder: Path, tmp_path: Path
) -> None:
    run = in_this_process
    options = ("--task", "raw", "--set", "choice=joint", "--set", "resolution=full")
    model = _searched_and_trained(run, "superkernel", picture_folder, tmp_path, *options, iterations=200)
    found = json.loads((tmp_path / "found" / "genotype.json").read_text())
    assert found["task"] == {"name": "raw", "channels": 4, "scale": 1}

    photo = picture_folder / "picture-0.png"
    *_, (name, example) = case_examples("raw", np.asarray(Image.open(photo)), photo)
    noisy, clean = (values[0].transpose(1, 2, 0) for values in (example.degraded_BCHW, example.clean_BCHW))
    assert name == "ISO 6400" and noisy.shape == clean.shape == (35, 45, 4)
    np.save(tmp_path / "noisy.npy", noisy)
    for target, *more in (("whole.npy",), ("tiles.npy", "--tile", 16), ("mean.tif", "--ensemble")):
        run("hinas-denoise", tmp_path / "noisy.npy", tmp_path / target, "--model", model, *more)
    whole, tiles, mean = (
        np.load(tmp_path / "whole.npy"), np.load(tmp_path / "tiles.npy"), tifffile.imread(tmp_path / "mean.tif")
    )  # fmt: skip
    np.testing.assert_allclose(tiles, whole, atol=1e-5)
    errors = [float(((values - clean) ** 2).mean()) for values in (noisy, whole, mean)]
    assert max(errors[1:]) < 0.9 * errors[0]

    out = tmp_path / "bench"
    printed = run(
        "hinas-bench", "--model", model, "--data", picture_folder, "--size", "45x35", "--rounds", 1, "--out", out
    )
    assert "raw ISO 6400" in printed.stdout and "packed Bayer" in printed.stdout
    entries = json.loads((out / "results.json").read_text())["entries"]
    scores = {
        (entry["model"], entry["task"]): entry["psnr_db"] for entry in entries if entry.get("protocol") == "task cases"
    }
    assert set(scores) == {
        (name, f"raw ISO {iso}") for name in ("model", "noisy input") for iso in ("400", "1600", "6400")
    }
    assert scores["model", "raw ISO 6400"] > scores["noisy input", "raw ISO 6400"] + 0.5
