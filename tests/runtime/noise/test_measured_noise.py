"""The noise that is measured: how much of it, and whether it is white, on pictures whose noise is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hinas.runtime.noise.estimate import estimate_sigma
from hinas.runtime.noise.measured_noise import measured_noise
from hinas.runtime.noise.noise_network import SMALLEST_SIDE, noise_of_crops
from hinas.search.camera.random_shots import drawn_shot, shot_at_gain
from hinas.search.camera.shot import level_of
from hinas.search.noise.network import load_noise_network
from PIL import Image

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """A photograph."""
    with Image.open(ROOT / "examples" / "clean.png") as picture:
        return np.asarray(picture.convert("RGB"))


def with_white_noise(pixels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(pixels.shape) * sigma
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(SMALLEST_SIDE, SMALLEST_SIDE), (96, 112), (128, 128), (49, 301)])
def test_the_network_in_numpy_is_the_one_that_was_trained(shape: tuple[int, int]) -> None:
    crop = np.random.default_rng(0).uniform(0, 255, (*shape, 3)).astype(np.float32)
    found = noise_of_crops([crop])
    network = load_noise_network(ROOT / "runtime" / "models" / "noise.npz")
    with torch.no_grad():
        log_level, whiteness = network(torch.from_numpy(crop).permute(2, 0, 1)[None])
    assert found.levels_N[0] == pytest.approx(max(log_level.exp().item() - 0.5, 0), rel=1e-3)
    assert found.whiteness_N[0] == pytest.approx(whiteness.item(), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("sigma", [5, 15, 25, 50])
@pytest.mark.parametrize("is_colour", [True, False])
def test_white_noise_is_white_and_has_its_level(clean: np.ndarray, sigma: float, is_colour: bool) -> None:
    noisy = with_white_noise(clean if is_colour else clean.mean(axis=2), sigma)
    found = measured_noise([noisy])
    assert found.is_white
    assert found.level == estimate_sigma(noisy)


@pytest.mark.parametrize("gain", [6.5, 26.0])
def test_a_developed_photograph_is_known_with_its_level(clean: np.ndarray, gain: float) -> None:
    degraded, truth = shot_at_gain(gain, seed=1).pair(clean)
    found = measured_noise([degraded])
    assert not found.is_white
    assert found.level == pytest.approx(level_of(degraded, truth), rel=0.35)
    assert estimate_sigma(degraded) < 0.5 * found.level  # what is measured as if it were white is far too low


def test_random_cameras_are_hardly_ever_taken_for_white_noise(clean: np.ndarray) -> None:
    pairs = [drawn_shot(seed, "camera").pair(clean) for seed in range(16)]
    loud = [degraded for degraded, truth in pairs if level_of(degraded, truth) > 3]
    assert len(loud) > 5
    assert sum(measured_noise([degraded]).is_white for degraded in loud) <= len(loud) // 4


def test_depths_and_channels_that_say_the_same_are_measured_alike(clean: np.ndarray) -> None:
    degraded, _ = shot_at_gain(6.5, seed=1).pair(clean)
    eight = measured_noise([degraded])
    sixteen = measured_noise([degraded.astype(np.uint16) * 257])
    assert (sixteen.is_white, sixteen.level) == (eight.is_white, pytest.approx(eight.level, rel=1e-4))
    grey = degraded.mean(axis=2).astype(np.uint8)
    assert measured_noise([grey]) == measured_noise([grey[..., None]])


def test_a_drawing_has_hardly_any_noise() -> None:
    drawing = np.full((300, 400, 3), 255, np.uint8)
    drawing[40:120, 30:200] = (200, 30, 30)
    drawing[150:152] = 0
    drawing[::9, 250:300] = 0
    assert measured_noise([drawing]).level < 1


def test_blocks_of_a_picture_stand_for_the_whole(clean: np.ndarray) -> None:
    degraded, truth = shot_at_gain(26.0, seed=1).pair(clean)
    blocks = [degraded[top : top + 96, left : left + 96] for top in (0, 100, 200) for left in (0, 150, 300)]
    found = measured_noise(blocks)
    assert not found.is_white
    assert found.level == pytest.approx(level_of(degraded, truth), rel=0.4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (SMALLEST_SIDE - 1, 200, 3)])
def test_pictures_of_a_few_pixels_are_measured_as_white(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    found = measured_noise([image])
    assert found.is_white and found.level == estimate_sigma(image)


def test_a_small_picture_with_hardly_any_noise_has_none() -> None:
    ramp = np.linspace(60, 200, 40)[:, None] + np.linspace(0, 20, 40)
    # What rounding leaves is found as 0.25 grey levels.
    assert measured_noise([with_white_noise(ramp, 0.2)]).level == 0
    assert measured_noise([with_white_noise(ramp, 20)]).level > 10
