"""The whole way, command by command: search, train, export, denoise, measure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.bench.commands import app as bench_app
from hinas.export.commands import app as export_app
from hinas.runtime.denoise_command import app as denoise_app
from hinas.search.search_command import app as search_app
from hinas.search.train_command import app as train_app
from PIL import Image

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
def test_pictures_become_a_network_that_denoises_pictures(
    space: str, in_process: Any, picture_folder: Path, tmp_path: Path
) -> None:
    def run(app: Any, *arguments: Any) -> None:
        result = in_process(app, *map(str, arguments))
        assert result.returncode == 0, result.stderr

    found, trained = tmp_path / "found", tmp_path / "trained"
    run(
        search_app, picture_folder, "--out", found, "--space", space,
        *(part for change in (*SMALL[space], "steps=3") for part in ("--set", change)),
        "--epochs", 5, "--batch", 2, "--crop", 32, "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    run(
        train_app, found / "genotype.json", picture_folder, "--out", trained, "--iterations", 400, "--batch", 4,
        "--crop", 32, "--learning-rate", "0.01", "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    run(export_app, trained / "genotype.json")

    noisy_folder, clean_folder = tmp_path / "noisy", tmp_path / "clean"
    noisy_folder.mkdir()
    random = np.random.default_rng(0)
    for path in picture_folder.glob("*.png"):
        clean = np.asarray(Image.open(path)).astype(float)
        noisy = (clean + random.normal(0, 40, clean.shape)).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(noisy).save(noisy_folder / path.name)
    run(denoise_app, noisy_folder, clean_folder, "--model", trained / "model.onnx", "--sigma", 40)
    for path in picture_folder.glob("*.png"):
        clean, noisy, denoised = (
            np.asarray(Image.open(folder / path.name)).astype(float)
            for folder in (picture_folder, noisy_folder, clean_folder)
        )
        assert ((denoised - clean) ** 2).mean() < 0.9 * ((noisy - clean) ** 2).mean()

    out = tmp_path / "bench"
    run(bench_app, "--model", trained / "model.onnx", "--data", picture_folder, "--size", "64x48", "--out", out)
    entries = json.loads((out / "results.json").read_text())["entries"]
    assert {entry["origin"] for entry in entries} == {"measured"}
