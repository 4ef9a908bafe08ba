"""The noise estimate on pictures with known noise: accuracy, clipping, depth, odd inputs."""

import math

import numpy as np
import pytest
from hinas.runtime.noise.clipping import clipped_moments, clipped_noise_variance, level_that_explains
from hinas.runtime.noise.estimate import estimate_sigma


def textured_picture(height: int = 200, width: int = 260) -> np.ndarray:
    """Grey levels 0..255: a dark, a bright and a mid area, ramps, edges, and a third full of fine texture."""
    generator = np.random.default_rng(11)
    rows, columns = np.mgrid[0:height, 0:width]
    picture = 128 + 80 * np.sin(rows / 40) + columns / 10
    picture[: height // 3, : width // 3] = 20
    picture[height // 3 : height // 2, width // 2 :] = 235
    texture = generator.random((height // 3, width)) * 60
    picture[-(height // 3) :] = 90 + texture
    return picture.clip(0, 255)


def noisy(picture: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    return picture + np.random.default_rng(seed).standard_normal(picture.shape) * sigma


@pytest.mark.parametrize("sigma", [3, 10, 25, 50, 75])
def test_float_pictures(sigma: float) -> None:
    image = (noisy(textured_picture(), sigma) / 255).astype(np.float32)
    assert estimate_sigma(image) == pytest.approx(sigma, abs=max(1.5, 0.1 * sigma))


@pytest.mark.parametrize("sigma", [3, 10, 25, 50, 75])
def test_clipped_8_bit_files(sigma: float) -> None:
    image = noisy(textured_picture(), sigma).round().clip(0, 255).astype(np.uint8)
    assert estimate_sigma(image) == pytest.approx(sigma, abs=max(1.5, 0.1 * sigma))


def test_clipping_is_corrected_and_not_merely_tolerated() -> None:
    """On a dark flat picture much of the noise is cut off; its plain standard deviation is far off."""
    image = noisy(np.full((120, 120), 15.0), 40).round().clip(0, 255).astype(np.uint8)
    assert image.std() < 29
    assert estimate_sigma(image) == pytest.approx(40, rel=0.1)


def test_16_bit_is_measured_in_grey_levels_of_8() -> None:
    image = noisy(textured_picture(), 20).clip(0, 255)
    eight, sixteen = image.round().astype(np.uint8), (image * 257).round().astype(np.uint16)
    assert estimate_sigma(sixteen) == pytest.approx(estimate_sigma(eight), rel=0.02)


def test_colour_is_the_root_mean_square_over_channels() -> None:
    picture = textured_picture()
    image = np.dstack([noisy(picture, sigma, seed) for seed, sigma in enumerate((10, 20, 30))])
    expected = math.sqrt((10**2 + 20**2 + 30**2) / 3)
    assert estimate_sigma((image / 255).astype(np.float32)) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_picture_has_no_noise(level: int) -> None:
    assert estimate_sigma(np.full((50, 60), level, np.uint8)) == 0.0


def test_a_white_margin_does_not_hide_the_noise() -> None:
    image = noisy(np.full((150, 150), 128.0), 20).round().clip(0, 255).astype(np.uint8)
    image[:60] = 255
    assert estimate_sigma(image) == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (8, 8), (5, 300), (9, 9, 3)])
def test_tiny_pictures_give_a_finite_level(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert 0 <= estimate_sigma(image) < 255


def test_a_small_flat_picture() -> None:
    image = noisy(np.full((20, 20), 128.0), 15).round().astype(np.uint8)
    assert estimate_sigma(image) == pytest.approx(15, rel=0.25)


def test_the_estimate_is_repeatable() -> None:
    image = noisy(textured_picture(), 20).round().clip(0, 255).astype(np.uint8)
    assert estimate_sigma(image) == estimate_sigma(image.copy())


@pytest.mark.parametrize("bounds", [(0.0, 255.0), (0.0, 1e4), (-1e4, 255.0), (-1e4, 1e4)])
def test_clipped_moments_are_those_of_samples(bounds: tuple[float, float]) -> None:
    sample = np.random.default_rng(0).standard_normal(400_000)
    for true_mean in (-10.0, 5.0, 128.0, 250.0):
        clipped = np.clip(true_mean + 30 * sample, *bounds)
        mean, variance = clipped_moments(np.array([true_mean]), 30.0, bounds)
        assert mean[0] == pytest.approx(clipped.mean(), abs=0.3)
        assert variance[0] == pytest.approx(clipped.var(), rel=0.01)


def test_the_level_that_explains_undoes_the_variance() -> None:
    means = np.array([5.0, 60.0, 128.0, 250.0])
    for sigma in (2.0, 20.0, 70.0):
        variance = float(clipped_noise_variance(means, sigma, (0.0, 255.0)).mean())
        assert level_that_explains(variance, means, (0.0, 255.0)) == pytest.approx(sigma, rel=0.01)
