"""The whole way, command by command: search, train, export, denoise, measure."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _run(name: str, *arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(name)
    assert program.is_file(), f"{program}: install the project first"
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result


SMALL = {
    "hinas": (
        "layers=2", "nodes=2", "width=4", "compact_width=8", "stem.channels=8", "end.channels=8",
        "end.early_channels=8",
    ),
    "clearer": ("width=8", "branches=2", "modules=2", "stem.channels=8", "normalisation=batch"),
}  # fmt: skip
"""Settings that make a space small."""


@pytest.mark.slow
@pytest.mark.parametrize("space", SMALL)
def test_pictures_become_a_network_that_denoises_pictures(space: str, picture_folder: Path, tmp_path: Path) -> None:
    found, run = tmp_path / "found", tmp_path / "run"
    _run(
        "hinas-search", picture_folder, "--out", found, "--space", space,
        *(part for change in (*SMALL[space], "steps=3") for part in ("--set", change)),
        "--epochs", 5, "--batch", 2, "--crop", 32, "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    _run(
        "hinas-train", found / "genotype.json", picture_folder, "--out", run, "--iterations", 400, "--batch", 4,
        "--crop", 32, "--learning-rate", "0.01", "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    _run("hinas-export", run / "genotype.json")

    noisy_folder, clean_folder = tmp_path / "noisy", tmp_path / "clean"
    noisy_folder.mkdir()
    random = np.random.default_rng(0)
    for path in picture_folder.glob("*.png"):
        clean = np.asarray(Image.open(path)).astype(float)
        noisy = (clean + random.normal(0, 40, clean.shape)).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(noisy).save(noisy_folder / path.name)
    _run("hinas-denoise", noisy_folder, clean_folder, "--model", run / "model.onnx", "--sigma", 40)
    for path in picture_folder.glob("*.png"):
        clean, noisy, denoised = (
            np.asarray(Image.open(folder / path.name)).astype(float)
            for folder in (picture_folder, noisy_folder, clean_folder)
        )
        assert ((denoised - clean) ** 2).mean() < 0.9 * ((noisy - clean) ** 2).mean()

    out = tmp_path / "bench"
    _run("hinas-bench", "--model", run / "model.onnx", "--data", picture_folder, "--size", "64x48", "--out", out)
    entries = json.loads((out / "results.json").read_text())["entries"]
    assert {entry["origin"] for entry in entries} == {"measured"}
