"""Images that are too small for a score or for the SSIM of a loss: passed over or refused before a training begins."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.learning.computing import Computing
from hinas.search.learning.metrics import smallest_scored_side, validate
from hinas.search.tasks.interface import TaskOptions
from hinas.search.tasks.registry import configured_task
from hinas.search.train_command import app
from hinas.search.training.chosen_images import chosen_images
from hinas.search.training.train_request import TrainRequest
from hinas.search.training.training_settings import TrainingSettings
from PIL import Image

Train = Callable[..., subprocess.CompletedProcess[str]]
TASKS = {
    "denoise": {"name": "denoise", "channels": 1},
    "enlarge": {"name": "super-resolution", "channels": 3, "scale": 4},
    "raw": {"name": "raw", "channels": 4},
}
LEVEL = {"width": 4, "blocks": 1}


def _document(task: str, **network: Any) -> dict[str, Any]:
    network = {"levels": [LEVEL]} | network
    return {"format": "hinas-genotype", "version": 1, "space": "pyramid", "task": TASKS[task], "network": network}


DEEP = _document(
    "denoise",
    stem={"resolution": "quarter"},
    levels=[LEVEL | {"blocks_after": 1}, LEVEL | {"blocks_after": 1}, LEVEL | {"blocks_after": 1}, LEVEL],
    steps={},
    conditioning={"range": [0, 75]},
)


def _request(images: Path) -> TrainRequest:
    return TrainRequest(
        genotype=images / "none.json", images=images, out=images / "none", task=TaskOptions(),
        settings=TrainingSettings(crop=16), computing=Computing(), validation=None, start_from=None, resume=False,
        max_minutes=None, quiet=True,
    )  # fmt: skip


def _is_scored(genotype: Genotype, side: int) -> bool:
    task = configured_task(genotype.task.name, TaskOptions(scale=genotype.task.scale))
    given = genotype.network_input
    image = np.full((side, side + 1, given.picture_channels), 100, np.uint8)
    try:
        validate(genotype.built(), [image], task=task, network_input=given, device=torch.device("cpu"))
    except (RuntimeError, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("document", "expected"),
    [(_document("denoise"), 11), (DEEP, 32), (_document("enlarge"), 20), (_document("raw"), 22)],
)
def test_the_smallest_side_is_the_smallest_that_can_be_scored(document: dict[str, Any], expected: int) -> None:
    genotype = genotype_from_json(json.dumps(document))
    task = configured_task(genotype.task.name, TaskOptions(scale=genotype.task.scale))
    smallest = smallest_scored_side(task, genotype.network_input)
    assert smallest == expected
    assert [_is_scored(genotype, side) for side in (smallest - 1, smallest, smallest + 1)] == [False, True, True]


@pytest.fixture
def train(in_process: Callable[..., subprocess.CompletedProcess[str]], picture_folder: Path, tmp_path: Path) -> Train:
    """(genotype's document, *options) -> one step of a training on pictures, of 90x70 pixels if not told otherwise."""

    def run(
        document: dict[str, Any], *options: str | Path, images: Path = picture_folder
    ) -> subprocess.CompletedProcess[str]:
        genotype = tmp_path / "genotype.json"
        genotype.write_text(json.dumps(document))
        small = ("--batch", "1", "--crop", "32", "--iterations", "1", "--device", "cpu", "--threads", "1")
        return in_process(app, genotype, images, "--out", tmp_path / "run", *small, *options)

    return run


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    Image.new("RGB", (40, 19)).save(folder / "narrow.png")
    return folder


@pytest.mark.parametrize(("document", "side"), [(DEEP, 32), (_document("enlarge"), 20), (_document("raw"), 22)])
def test_validation_images_that_cannot_be_scored_are_passed_over(
    train: Train, small_folder: Path, document: dict[str, Any], side: int
) -> None:
    alone = train(document, "--validation", small_folder)
    assert alone.returncode == 2
    assert f"narrow.png: 40x19 is smaller than {side}x{side}" in alone.stderr
    Image.new("RGB", (40, 40)).save(small_folder / "wide.png")
    beside = train(document, "--validation", small_folder)
    assert beside.returncode == 0, beside.stderr
    assert f"warning: {small_folder / 'narrow.png'}: 40x19 is smaller than {side}x{side}, skipped" in beside.stderr
    assert "validation" in beside.stdout


def test_an_image_that_can_be_scored_is_held_out(train: Train, small_folder: Path) -> None:
    alone = train(_document("raw"), "--crop", "16", images=small_folder)
    assert alone.returncode == 2
    assert "no image is large enough to be scored, expected sides of 22 pixels; add a larger one" in alone.stderr
    Image.new("RGB", (30, 30)).save(small_folder / "wide.png")
    beside = train(_document("raw"), "--crop", "16", images=small_folder)
    assert beside.returncode == 0, beside.stderr


@pytest.mark.parametrize(("number", "places"), [(9, [0]), (10, [1]), (30, [5]), (130, [25, 75])])
def test_every_50th_image_is_held_out_of_those_that_can_be_scored(
    tmp_path: Path, number: int, places: list[int]
) -> None:
    """Every 3rd of the images is too small to be scored, not to be learnt from; their first pixel numbers them."""
    for index in range(number):
        Image.new("RGB", (16, 16) if index % 3 == 0 else (24, 24), (index, 0, 0)).save(tmp_path / f"{index:03}.png")
    genotype = genotype_from_json(json.dumps(_document("raw")))
    images = chosen_images(_request(tmp_path), configured_task("raw", TaskOptions()), genotype.network_input)
    learnt, scored = ([int(image[0, 0, 0]) for image in part] for part in (images.training, images.validation))
    large = [index for index in range(number) if index % 3]
    assert scored == [large[place] for place in places]
    assert sorted({*learnt, *scored}) == list(range(number))
    assert not {*learnt} & {*scored} or number < 10


def test_a_patch_holds_a_window_of_the_ssim_that_is_learnt(train: Train, tmp_path: Path) -> None:
    refused = train(_document("raw"), "--crop", "16", "--ssim-weight", "0.6")
    assert refused.returncode == 2
    assert "--crop: got 16, of which a network makes 8x8" in refused.stderr
    assert "expected at least 22, or --ssim-weight 0" in refused.stderr
    assert not (tmp_path / "run").exists()
    assert train(_document("raw"), "--crop", "22", "--ssim-weight", "0.6").returncode == 0
