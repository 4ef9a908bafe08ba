"""docs/programs.md: its python blocks run in their order, and what they make is used as the other programs use it."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from PIL import Image

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The names that the blocks leave behind."""
    text = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(ROOT)
        for block in blocks:
            exec(compile(block, "docs/programs.md", "exec"), names)
    return names


def error_db(pixels: Any) -> float:
    """How much nearer to the clean picture than the noisy one, in dB."""
    height, width = pixels.shape[:2]
    clean, noisy = (
        np.asarray(Image.open(ROOT / "examples" / f"{name}.png").convert("RGB"), np.float64)[:height, :width]
        for name in ("clean", "noisy")
    )
    return float(10 * np.log10(((noisy - clean) ** 2).mean() / ((pixels - clean) ** 2).mean()))


def test_pictures_batches_and_frames_are_denoised(page: dict[str, Any]) -> None:
    assert error_db(page["clean"]) > 8
    assert np.array_equal(page["same"], np.stack([page["clean"]] * 2))
    assert [picture.shape for picture in page["mixed"]] == [(120, 160, 3), (90, 160, 3)]
    assert error_db(page["mixed"][1]) > 8
    assert all(np.array_equal(frame, page["clean"]) for frame in page["film"])
    assert len(page["film"]) == 9


def test_a_step_of_a_pipeline_keeps_the_level_it_learnt(page: dict[str, Any]) -> None:
    assert page["cleaner"].shape == page["pictures"].shape
    assert 20 < page["denoise"].sigma_ < 45
    assert error_db(page["cleaner"][0]) > 8


def test_naparis_layer_is_a_stack_of_the_same_kind(page: dict[str, Any]) -> None:
    data, settings, kind = page["layer"]
    assert (data.shape, data.dtype) == (page["stack"].shape, np.uint16)
    assert (settings, kind) == ({"name": "cells, denoised", "rgb": False}, "image")
    assert np.array_equal(data[0], data[2])
    assert not np.array_equal(data, page["stack"])


def test_imagejs_stacks_stay_stacks(tmp_path: Path) -> None:
    stack = np.random.default_rng(1).normal(30000, 3000, (3, 50, 60)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "noisy.tif", stack, imagej=True)
    request = Request(source=tmp_path / "noisy.tif", target=tmp_path / "denoised.tif", model="gray", threads=1)
    denoise_files(request, Reporter(quiet=True, json=False))
    denoised = tifffile.imread(tmp_path / "denoised.tif")
    assert (denoised.shape, denoised.dtype) == (stack.shape, np.uint16)
    assert denoised.std() < 0.3 * stack.std()


def test_comfyuis_node_takes_and_gives_its_images(page: dict[str, Any]) -> None:
    node = page["NODE_CLASS_MAPPINGS"]["HinasDenoise"]
    assert set(node.INPUT_TYPES()["required"]) == {"image", "model", "sigma", "strength"}
    assert set(page["NODE_DISPLAY_NAME_MAPPINGS"]) == {"HinasDenoise"}
    image = torch.from_numpy(page["pictures"][:2].astype(np.float32) / 255)
    (result,) = getattr(node(), node.FUNCTION)(image=image, model="color", sigma=30.0, strength=1.0)
    assert (result.shape, result.dtype) == (torch.Size([2, 64, 64, 3]), torch.float32)
    assert float(result.min()) >= 0 and float(result.max()) <= 1
    assert error_db(255 * result[0].numpy()) > 8
