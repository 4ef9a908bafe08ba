"""PSNR and SSIM as their definitions say, and noise that everybody can draw again."""

import math

import numpy as np
import pytest
from hinas.bench.quality.protocol import noisy_image, unit_noise
from hinas.bench.quality.psnr_ssim import psnr_db, ssim
from hypothesis import given
from hypothesis import strategies as st
from skimage import metrics  # which reads SciPy, seconds, when it is used


@pytest.mark.parametrize("shape", [(11, 11), (40, 53), (31, 24, 3)])
@pytest.mark.parametrize("sigma", [2.0, 60.0])
def test_both_measures_agree_with_scikit_image(shape: tuple[int, ...], sigma: float) -> None:
    random = np.random.default_rng(0)
    clean = random.integers(0, 256, shape, dtype=np.uint8)
    output = clean + random.normal(0, sigma, shape)
    inside = output.clip(0, 255)
    expected = metrics.structural_similarity(
        clean.astype(float),
        inside,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if clean.ndim == 3 else None,
    )
    assert ssim(output, clean) == pytest.approx(expected, abs=1e-9)
    assert psnr_db(output, clean) == pytest.approx(
        metrics.peak_signal_noise_ratio(clean.astype(float), inside, data_range=255)
    )


def test_an_equal_image_is_perfect_and_values_outside_are_clipped() -> None:
    clean = np.full((16, 16), 255, np.uint8)
    assert psnr_db(clean.astype(np.float32) + 40, clean) == math.inf
    assert ssim(clean.astype(np.float32) + 40, clean) == pytest.approx(1)


def test_noise_depends_on_the_images_name_and_sigma_alone() -> None:
    noise = unit_noise("folder/a.png", 30.0, (20, 30))
    np.testing.assert_array_equal(noise, unit_noise("elsewhere/a.jpg", 30, (20, 30)))
    assert not np.array_equal(noise, unit_noise("folder/b.png", 30.0, (20, 30)))
    assert not np.array_equal(noise, unit_noise("folder/a.png", 50.0, (20, 30)))


@given(sigma=st.sampled_from([5.0, 30.0, 70.0]))
def test_the_two_kinds_of_noise(sigma: float) -> None:
    clean = np.full((200, 200), 128, np.uint8)
    standard = noisy_image(clean, sigma, image="x", noise="standard")
    as_file = noisy_image(clean, sigma, image="x", noise="file")
    assert (standard - clean).std() == pytest.approx(sigma, rel=0.02)
    np.testing.assert_array_equal(as_file, np.rint(standard).clip(0, 255))
