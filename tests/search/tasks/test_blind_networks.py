"""Networks that are told no level, for noise that has levels: they are trained, and their record claims no range."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.export.freeze import PlainExport, plain_export
from hinas.search.genotype import read_genotype
from hinas.search.train_command import app

Train = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def train(
    in_process: Callable[..., subprocess.CompletedProcess[str]],
    small_document: Any,
    picture_folder: Path,
    tmp_path: Path,
) -> Train:
    """(task's name, *options) -> one step of a training of a blind network."""

    def run(task: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
        document = small_document(3)
        document["task"]["name"] = task
        del document["network"]["conditioning"]
        genotype = tmp_path / f"{task}.json"
        genotype.write_text(json.dumps(document))
        small = ("--batch", "1", "--crop", "32", "--device", "cpu", "--threads", "1")
        return in_process(app, genotype, picture_folder, "--out", tmp_path / "run", *small, *options)

    return run


def _exported(run: Path) -> PlainExport:
    return plain_export(read_genotype(run / "genotype.json"), run / "weights.safetensors")


def test_a_blind_network_learns_the_noise_of_cameras(train: Train, tmp_path: Path) -> None:
    refused = train("camera", "--sigma", "10", "--iterations", "1")
    assert refused.returncode == 2
    assert "camera.json is not conditioned on sigma, and the task camera draws noise of any level; leave it out" in (
        refused.stderr
    )
    trained = train("camera", "--iterations", "1")
    assert trained.returncode == 0, trained.stderr
    exported = _exported(tmp_path / "run")
    assert exported.training is not None
    assert exported.training["settings"]["sigma_range"] is None and exported.trained_range is None
    # The task is checked on all cameras.
    assert exported.task.level_range == (0.0, 30.0)


def test_a_blind_network_learns_from_given_pairs(train: Train, picture_folder: Path, tmp_path: Path) -> None:
    pairs = ("--degraded", picture_folder, "--iterations", "1")
    refused = train("denoise", *pairs, "--sigma", "10")
    assert refused.returncode == 2
    assert "given pairs have noise of any level; leave it out" in refused.stderr
    trained = train("denoise", *pairs)
    assert trained.returncode == 0, trained.stderr
    assert _exported(tmp_path / "run").trained_range is None


def test_noise_that_sigma_draws_still_needs_one_level(train: Train) -> None:
    result = train("denoise", "--iterations", "1")
    assert result.returncode == 2
    assert "not conditioned on sigma; give one level" in result.stderr


def test_a_training_that_recorded_options_without_meaning_goes_on(train: Train, tmp_path: Path) -> None:
    assert train("camera", "--iterations", "1").returncode == 0
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    content = torch.load(checkpoint, weights_only=True)
    content["settings"] |= {"sigma_range": [10.0, 10.0], "quantised_share": 0.5}
    torch.save(content, checkpoint)
    resumed = train("camera", "--iterations", "2", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert _exported(tmp_path / "run").trained_range is None
