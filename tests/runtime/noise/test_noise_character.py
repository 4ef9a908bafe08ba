"""Noise that is not white, Gaussian and even is named; noise that is raises no doubt."""

import numpy as np
import pytest
from hinas.runtime.noise.character import correlation, doubts, impulses
from hinas.runtime.noise.estimate import estimate_sigma
from hinas.runtime.noise.measured_noise import MeasuredNoise
from scipy.ndimage import gaussian_filter


def picture() -> np.ndarray:
    """Stripes, a ramp and flat parts, grey levels."""
    rows, columns = np.mgrid[0:240, 0:320]
    image = 30 + 180 * columns / 320
    image[:, 100:180] += 25 * np.sign(np.sin(rows[:, 100:180] / 3))
    return image


def eight_bits(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def found(image: np.ndarray) -> str:
    return " ".join(doubts(image, MeasuredNoise(level=estimate_sigma(image), is_white=True)))


@pytest.mark.parametrize("sigma", [0, 3, 10, 25, 50, 75])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_white_gaussian_noise_raises_no_doubt(sigma: float, dtype: type) -> None:
    noisy = picture() + np.random.default_rng(0).standard_normal((240, 320)) * sigma
    images = {np.uint8: eight_bits(noisy), np.uint16: (noisy * 257).clip(0, 65535).astype(np.uint16)}
    assert found(images.get(dtype, (noisy / 255).astype(np.float32))) == ""


def test_noise_that_neighbours_share_is_named() -> None:
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((240, 320)), 0.8)
    image = eight_bits(picture() + 15 * noise / noise.std())
    said = found(image)
    assert "neighbouring pixels share their noise" in said
    assert f"the level of {estimate_sigma(image):.1f} is probably underestimated; try --model photo, or --sigma" in said


def test_noise_that_depends_on_brightness_is_named() -> None:
    shot = np.random.default_rng(0).poisson(picture() / 3) * 3.0
    assert "the noise depends on brightness" in found(eight_bits(shot))


def test_impulses_are_named() -> None:
    image = eight_bits(picture())
    draw = np.random.default_rng(0).random(image.shape)
    image[draw < 0.01], image[draw > 0.99] = 0, 255
    assert "impulses, not Gaussian noise" in found(image)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (8, 8), (9, 300), (40, 40, 3), (40, 40, 1)])
def test_any_size_is_looked_at(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert isinstance(doubts(image, MeasuredNoise(level=20.0, is_white=True)), tuple)


def test_of_noise_that_is_not_white_impulses_alone_are_named() -> None:
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((240, 320)), 0.8)
    image = eight_bits(picture() + 15 * noise / noise.std())
    assert doubts(image, MeasuredNoise(level=15.0, is_white=False)) == ()
    image[::10, ::10] = 255
    assert "impulses" in " ".join(doubts(image, MeasuredNoise(level=15.0, is_white=False)))


def test_the_measures_themselves() -> None:
    white = np.random.default_rng(0).standard_normal((500, 8, 8)).astype(np.float32)
    assert abs(correlation(white)) < 0.02
    assert correlation(np.repeat(white[:, ::2], 2, axis=1)) > 0.2
    assert correlation(np.zeros((3, 8, 8), np.float32)) == 0.0
    dotted = np.full((50, 50), 128, np.float32)
    dotted[10::10, 10::10] = 255
    assert impulses(dotted) == pytest.approx(16 / 48**2)
