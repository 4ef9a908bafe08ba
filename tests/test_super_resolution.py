"""Super-resolution from pictures to larger pictures, every command in turn: search, train, export, enlarge, measure."""

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

SMALL = (
    "layers=1",
    "nodes=1",
    "width=4",
    "compact_width=4",
    "stem.channels=4",
    "end.channels=4",
    "end.early_channels=2",
)
ONE_THREAD = ("--threads", "1", "--device", "cpu")


@pytest.mark.slow
def test_pictures_become_a_network_that_enlarges_pictures(
    in_process: Any, mistake: Any, picture_folder: Path, tmp_path: Path
) -> None:
    def run(app: Any, *arguments: Any) -> None:
        result = in_process(app, *map(str, arguments))
        assert result.returncode == 0, result.stderr

    found, trained = tmp_path / "found", tmp_path / "trained"
    changes = [part for name in SMALL for part in ("--set", name)]
    run(
        search_app, picture_folder, "--out", found, "--task", "super-resolution", "--scale", 3, *changes,
        "--set", "steps=2", "--epochs", 3, "--batch", 2, "--crop", 36, "--quiet", *ONE_THREAD,
    )  # fmt: skip
    document = json.loads((found / "genotype.json").read_text())
    assert document["task"] == {"name": "super-resolution", "channels": 3, "scale": 3}
    run(
        train_app, found / "genotype.json", picture_folder, "--out", trained, "--iterations", 60, "--batch", 4,
        "--crop", 36, "--quiet", *ONE_THREAD,
    )  # fmt: skip
    run(export_app, trained / "genotype.json", "--check", picture_folder)
    model = trained / "model.onnx"

    for name, shape, mode in (("colour", (20, 31, 3), "RGB"), ("grey", (20, 31), "L"), ("alpha", (20, 31, 4), "RGBA")):
        source, target = tmp_path / f"{name}.png", tmp_path / f"{name}-large.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8)).save(source)
        run(denoise_app, source, target, "--model", model, "--quiet")
        with Image.open(target) as picture:
            assert (picture.size, picture.mode) == ((93, 60), mode)
    words = mistake(denoise_app, source, tmp_path / "no.png", "--model", model, "--sigma", "20")
    assert "this model takes no noise level; leave sigma out" in words

    out = tmp_path / "bench"
    run(
        bench_app, "--model", model, "--data", picture_folder, "--size", "30x20", "--rounds", 1, "--out", out,
        "--quiet",
    )  # fmt: skip
    entries = json.loads((out / "results.json").read_text())["entries"]
    scores = {entry["model"]: entry["psnr_db"] for entry in entries if entry.get("protocol") == "sr-y"}
    # Even a network of a minute's training starts from bicubic enlargement.
    assert set(scores) == {"model", "bicubic enlargement"}
    assert scores["model"] > scores["bicubic enlargement"] - 1
