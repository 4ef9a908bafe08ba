"""Each step between the raw file and the picture against its definition."""

from typing import get_args

import numpy as np
import pytest
from hinas.search.camera.cameras import CAMERAS
from hinas.search.camera.development import Development
from hinas.search.camera.mosaic import RED_AT, Demosaicing, Phase, demosaiced, mosaiced
from hinas.search.camera.separable_filters import (
    box_averaged,
    gaussian_blurred,
    gaussian_matrix,
    resize_matrix,
    resized,
)
from hinas.search.camera.tone_curve import ToneCurve
from PIL import Image

DEMOSAICINGS = get_args(Demosaicing)
PHASES = tuple(RED_AT)


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(shape, dtype=np.float32)


def _development(**changed) -> Development:
    camera = CAMERAS[1]
    values = {
        "phase": "RGGB",
        "demosaicing": "bilinear",
        "gains": camera.daylight_gains,
        "camera_of_srgb": tuple(camera.camera_of_srgb.ravel().tolist()),
        "curve": ToneCurve(contrast=0.5),
    }
    return Development(**(values | changed))


def _correlation(plane: np.ndarray, lag: int) -> float:
    plane = plane - plane.mean()
    return float((plane[:, lag:] * plane[:, :-lag]).mean() / plane.var())


# Separable filters


def test_a_gaussian_keeps_flat_planes_and_has_the_variance_of_its_sigma() -> None:
    np.testing.assert_allclose(gaussian_blurred(np.full((3, 70, 90), 0.3, np.float32), 2.0), 0.3, rtol=1e-5)
    point = np.zeros((101, 101), np.float32)
    point[50, 50] = 1
    blurred = gaussian_blurred(point, 2.0)
    offset = np.arange(101) - 50
    assert (blurred.sum(0) * offset**2).sum() == pytest.approx(4, rel=0.01)
    assert (blurred.sum(1) * offset**2).sum() == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (64, 65), (150, 200)])
def test_blocks_of_the_matrix_give_the_whole_product(height: int, width: int) -> None:
    planes = _noise(2, 3, height, width)
    whole = gaussian_matrix(height, 3.0) @ planes @ gaussian_matrix(width, 3.0).T
    np.testing.assert_allclose(gaussian_blurred(planes, 3.0), whole, atol=1e-5)


def test_a_box_is_the_mean_of_the_neighbourhood() -> None:
    plane = _noise(40, 50)
    assert box_averaged(plane, 5)[20, 30] == pytest.approx(plane[18:23, 28:33].mean(), abs=1e-5)


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
@pytest.mark.parametrize("new", [31, 50, 83])
def test_scaling_is_pillows(kernel, new: int) -> None:
    plane = _noise(50, 50)
    filters = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
    theirs = np.asarray(Image.fromarray(plane).resize((new, new), filters[kernel]))
    np.testing.assert_allclose(resized(plane, new, new, kernel)[6:-6, 6:-6], theirs[6:-6, 6:-6], atol=2e-3)


def test_the_area_kernel_averages_whole_pixels_at_half_size() -> None:
    plane = _noise(20, 30)
    np.testing.assert_allclose(resized(plane, 10, 15, "area"), plane.reshape(10, 2, 15, 2).mean((1, 3)), atol=1e-6)
    np.testing.assert_allclose(resize_matrix(30, 17, "area").sum(axis=1), 1, rtol=1e-6)


# Tone curve


@pytest.mark.parametrize("gamma", [None, 1.8, 2.4])
@pytest.mark.parametrize("contrast", [0.0, 0.4, 0.8])
def test_the_curve_undoes_its_inverse_for_every_byte(gamma: float | None, contrast: float) -> None:
    curve = ToneCurve(gamma=gamma, contrast=contrast)
    linear = curve.linear_of_bytes()
    assert np.all(np.diff(linear) > 0)
    # The table is fine enough for all but the steep foot of a plain power law.
    np.testing.assert_allclose(curve.developed(linear)[16:] * 255, np.arange(256)[16:], atol=0.3)


def test_the_curve_of_srgb_is_the_standards_own() -> None:
    linear = ToneCurve().linear_of_bytes()
    assert linear[0] == 0
    assert linear[255] == pytest.approx(1)
    assert linear[10] == pytest.approx(10 / 255 / 12.92, rel=1e-3)
    assert linear[128] == pytest.approx(0.21586, rel=1e-3)


def test_light_outside_the_range_is_clipped() -> None:
    np.testing.assert_allclose(ToneCurve().developed(np.array([-0.2, 1.7])), [0, 1], atol=1e-6)


# Mosaic


@pytest.mark.parametrize("phase", PHASES)
def test_a_mosaic_keeps_one_colour_per_pixel(phase: Phase) -> None:
    flat = np.broadcast_to(np.array([1, 2, 3], np.float32).reshape(3, 1, 1), (3, 4, 6))
    letters = np.array([" ", "R", "G", "B"])[mosaiced(flat, phase).astype(int)]
    assert "".join(letters[:2, :2].ravel()) == phase
    assert np.array_equal(letters[:2, :2], letters[2:, 4:])


@pytest.mark.parametrize("how", DEMOSAICINGS)
@pytest.mark.parametrize("phase", PHASES)
def test_demosaicing_keeps_flat_colours_and_what_was_measured(how: Demosaicing, phase: Phase) -> None:
    flat = np.broadcast_to(np.array([0.2, 0.5, 0.9], np.float32).reshape(3, 1, 1), (3, 12, 14)).copy()
    np.testing.assert_allclose(demosaiced(mosaiced(flat, phase), phase, "bilinear"), flat, atol=1e-6)
    mosaic = _noise(12, 14)
    np.testing.assert_allclose(mosaiced(demosaiced(mosaic, phase, how), phase), mosaic, atol=1e-6)


@pytest.mark.parametrize("how", DEMOSAICINGS)
@pytest.mark.parametrize("phase", PHASES)
def test_demosaicing_restores_a_grey_ramp(how: Demosaicing, phase: Phase) -> None:
    ramp = np.add.outer(np.arange(16), 2 * np.arange(20)).astype(np.float32)
    planes = demosaiced(mosaiced(np.stack([ramp] * 3), phase), phase, how)
    np.testing.assert_allclose(planes[:, 3:-3, 3:-3], np.stack([ramp] * 3)[:, 3:-3, 3:-3], atol=1e-4)


_MALVAR = {
    "green": [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]],
    "beside": [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]],
    "above": [[0, 0, -1, 0, 0], [0, -1, 4, -1, 0], [0.5, 0, 5, 0, 0.5], [0, -1, 4, -1, 0], [0, 0, -1, 0, 0]],
    "diagonal": [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]],
}
"""The paper's figure 2, in eighths, by where the pixels that measured the missing colour lie."""


@pytest.mark.parametrize(
    ("plane", "row", "column", "missing"),
    [
        (1, 6, 6, "green"),
        (1, 7, 7, "green"),
        (0, 6, 7, "beside"),
        (2, 7, 6, "beside"),
        (0, 7, 6, "above"),
        (2, 6, 7, "above"),
        (0, 7, 7, "diagonal"),
        (2, 6, 6, "diagonal"),
    ],
)
def test_the_kernels_of_malvar_he_and_cutler(plane: int, row: int, column: int, missing: str) -> None:
    impulses = np.zeros((5, 5, 14, 14), np.float32)
    for down, right in np.ndindex(5, 5):
        impulses[down, right, row + down - 2, column + right - 2] = 8
    planes = demosaiced(impulses, "RGGB", "malvar")
    np.testing.assert_array_equal(planes[:, :, plane, row, column], _MALVAR[missing])


def test_hamilton_adams_follows_an_edge() -> None:
    edge = np.zeros((3, 16, 16), np.float32)
    edge[:, :, 8:] = 1
    green = demosaiced(mosaiced(edge, "RGGB"), "RGGB", "hamilton-adams")[1]
    np.testing.assert_allclose(green[4:-4], edge[1, 4:-4], atol=1e-6)


def test_demosaicing_correlates_white_noise() -> None:
    """Bilinear red: neighbours share half of a measured pixel, so the correlation at lag 1 is far from 0."""
    planes = demosaiced(_noise(400, 400), "RGGB", "bilinear")
    # Red: rows with measured pixels alternate variance 1 and 1/2; covariance of neighbours 1/2 in all of them,
    # rows between them the same at half (1/2 and 1/4; 1/4): (1/2 + 1/4) / (3/4 + 3/8) = 2/3.
    assert _correlation(planes[0], 1) == pytest.approx(2 / 3, abs=0.02)
    assert _correlation(planes[1], 1) == pytest.approx(0.4, abs=0.02)
    # Red at lag 2: half of the covariance remains only where the two share a pixel: (0 + 1/4 + 0 + 1/8) / 4 / (9/16).
    assert _correlation(planes[0], 2) == pytest.approx((0 + 1 / 4 + 0 + 1 / 8) / 4 / (9 / 16), abs=0.02)
    assert abs(_correlation(planes[0], 3)) < 0.02


# The whole development


def test_development_undoes_its_inverse() -> None:
    """Without blur the flat colours of a picture come back, at every scale."""
    pixels = np.empty((48, 48, 3), np.uint8)
    for colour in ((20, 30, 40), (128, 128, 128), (200, 150, 90), (90, 160, 210), (255, 255, 255)):
        pixels[:] = colour
        for scale in (1.0, 1.6):
            development = _development(scale=scale)
            light = mosaiced(development.light_of(pixels), development.phase)
            planes = development.developed(np.stack([light, light]), 48, 48)
            np.testing.assert_allclose(planes[0].mean((1, 2)) * 255, colour, atol=0.5)


def test_the_sensor_sees_less_red_and_blue_than_green_of_a_grey_picture() -> None:
    light = _development(gains=(2.0, 1.5)).light_of(np.full((8, 8, 3), 128, np.uint8))
    np.testing.assert_allclose(light[1] / light[0], 2, rtol=1e-4)
    np.testing.assert_allclose(light[1] / light[2], 1.5, rtol=1e-4)


def test_the_sensors_pixels_are_even_in_number_and_as_many_as_the_scale_says() -> None:
    assert _development(scale=1.5).light_of(np.zeros((31, 50, 3), np.uint8)).shape == (3, 46, 76)


def test_white_balance_does_not_tint_blown_out_light() -> None:
    development = _development()
    planes = development.developed(np.full((2, 16, 16), 1.3, np.float32), 16, 16)
    np.testing.assert_allclose(planes, 1, atol=1e-3)


def _luma_and_colour_noise(development: Development) -> tuple[float, float, np.ndarray]:
    noisy = (0.2 + 0.01 * _noise(128, 128)).astype(np.float32)
    planes = development.developed(np.stack([noisy, np.full_like(noisy, 0.2)]), 128, 128)
    difference = planes[0] - planes[1]
    luma = np.tensordot(np.array([0.299, 0.587, 0.114]), difference, axes=1)
    return float(luma.std()), float((difference[0] - luma).std()), luma


def test_blurring_colours_leaves_the_brightness_alone() -> None:
    luma, colour, _ = _luma_and_colour_noise(_development())
    luma_after, colour_after, _ = _luma_and_colour_noise(_development(chroma_denoising=3.0))
    assert luma_after == pytest.approx(luma, rel=1e-3)
    assert colour_after < 0.5 * colour


@pytest.mark.parametrize("smoother", [{"luma_blur": 0.8}, {"luma_denoising": 2.0}])
def test_smoothing_the_brightness_leaves_the_colours_alone_and_correlates_noise(smoother: dict[str, float]) -> None:
    luma, colour, before = _luma_and_colour_noise(_development())
    luma_after, colour_after, after = _luma_and_colour_noise(_development(**smoother))
    assert luma_after < 0.8 * luma
    assert colour_after == pytest.approx(colour, rel=1e-3)
    assert _correlation(after, 1) > _correlation(before, 1) + 0.1


def test_the_local_wiener_filter_keeps_strong_detail() -> None:
    clean = np.full((64, 64), 0.2, np.float32)
    clean[:, 32:] = 0.6
    mosaics = np.stack([clean + np.float32(0.005) * _noise(64, 64), clean])
    plain = _development().developed(mosaics, 64, 64)
    smooth = _development(luma_denoising=2.0).developed(mosaics, 64, 64)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    noise, noise_left = (np.tensordot(luma, pair[0] - pair[1], axes=1)[8:-8, 8:20].std() for pair in (plain, smooth))
    assert noise_left < 0.8 * noise
    np.testing.assert_allclose(smooth[1][:, 8:-8, 30:34], plain[1][:, 8:-8, 30:34], atol=0.01)


def test_sharpening_strengthens_noise_and_edges() -> None:
    luma, _, _ = _luma_and_colour_noise(_development())
    sharper, _, _ = _luma_and_colour_noise(_development(sharpening=1.0))
    assert sharper > 1.3 * luma


def test_scaling_down_weakens_noise() -> None:
    luma, _, _ = _luma_and_colour_noise(_development())
    noisy = (0.2 + 0.01 * _noise(256, 256)).astype(np.float32)
    planes = _development(scale=2.0).developed(np.stack([noisy, np.full_like(noisy, 0.2)]), 128, 128)
    halved = np.tensordot(np.array([0.299, 0.587, 0.114]), planes[0] - planes[1], axes=1).std()
    assert halved < 0.75 * luma
