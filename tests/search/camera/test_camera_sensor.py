"""The sensor of the camera noise model against the definitions of its noise, and the table of cameras."""

import numpy as np
import pytest
from hinas.search.camera.cameras import CAMERAS, generic_camera
from hinas.search.camera.sensor import WHITE, Sensor


def _generator() -> np.random.Generator:
    return np.random.default_rng(3)


def _flat(signal: float) -> np.ndarray:
    return np.full((400, 400), signal, np.float32)


@pytest.mark.parametrize("gain", [0.4, 5.0, 26.0])
@pytest.mark.parametrize("signal", [100.0, 2000.0, 9000.0])
def test_the_variance_of_photon_noise_is_the_gain_times_the_signal(gain: float, signal: float) -> None:
    sensor = Sensor(gain=gain, read_noise=0, row_noise=0)
    noisy = sensor.noisy(_flat(signal), _generator())
    assert noisy.mean() == pytest.approx(signal, rel=0.01)
    assert noisy.var() == pytest.approx(gain * signal, rel=0.02)


def test_variances_of_photon_and_read_noise_add_up() -> None:
    sensor = Sensor(gain=5, read_noise=30, row_noise=0)
    assert sensor.noisy(_flat(200), _generator()).var() == pytest.approx(5 * 200 + 30**2, rel=0.02)


def test_without_light_only_read_and_row_noise_are_left() -> None:
    noisy = Sensor(gain=5, read_noise=10, row_noise=4).noisy(_flat(0), _generator())
    assert noisy.mean() == pytest.approx(0, abs=1)
    assert noisy.std() == pytest.approx(np.hypot(10, 4), rel=0.05)


def test_row_noise_is_what_a_row_has_in_common() -> None:
    noisy = Sensor(gain=1, read_noise=0, row_noise=7).noisy(np.zeros((2000, 20), np.float32), _generator())
    assert np.ptp(noisy, axis=1).max() == 0
    assert noisy[:, 0].std() == pytest.approx(7, rel=0.05)


@pytest.mark.parametrize(("bits", "step"), [(14, 1), (12, 4)])
def test_counting_rounds_to_the_steps_of_the_file(bits: int, step: int) -> None:
    signal = np.linspace(-900, 20000, 5001, dtype=np.float32)
    counted = Sensor(gain=1, read_noise=0, row_noise=0, bits=bits).counted(signal)
    assert np.all(counted[1000:3000] % step == 0)
    assert np.abs(counted - signal)[1000:3000].max() <= step / 2
    assert (counted.min(), counted.max()) == (-512, WHITE - 512)


def test_a_camera_without_black_level_keeps_nothing_below_black() -> None:
    raw = Sensor(gain=1, read_noise=20, row_noise=0, black=0).exposed(_flat(0), _generator())
    assert raw.min() == 0


def test_exposure_cancels_in_the_signal_and_not_in_the_noise() -> None:
    light = _flat(0.3)
    full = Sensor(gain=2, read_noise=5, row_noise=0).exposed(light, _generator())
    quarter = Sensor(gain=2, read_noise=5, row_noise=0, exposure=0.25).exposed(light, _generator())
    assert quarter.mean() == pytest.approx(full.mean(), rel=0.01)
    assert quarter.std() / full.std() == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_cameras_hold_the_published_calibration_and_keep_white_white(camera) -> None:
    lowest, highest = camera.gain_range
    assert highest / lowest == pytest.approx(64, rel=0.01)
    np.testing.assert_allclose(camera.camera_of_srgb @ np.ones(3), np.ones(3))
    # In daylight every one of these sensors answers most to green.
    assert all(1 < gain < 3 for gain in camera.daylight_gains)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_daylight_gains_balance_what_a_camera_sees_of_daylight(camera) -> None:
    daylight = np.array([0.95047, 1, 1.08883])  # XYZ of D65
    red, green, blue = np.reshape(camera.camera_of_xyz, (3, 3)) @ daylight
    gains = camera.daylight_gains
    np.testing.assert_allclose([red * gains[0], blue * gains[1]], green, rtol=1e-5)


def test_read_noise_is_log_linear_in_the_gain() -> None:
    noise = next(camera for camera in CAMERAS if camera.name == "Canon EOS 70D").read_noise
    assert noise.at(1) == pytest.approx(np.exp(1.998))
    assert np.log(noise.at(20) / noise.at(2)) / np.log(10) == pytest.approx(0.568)
    drawn = np.log([noise.drawn(2, generator) for generator in [_generator()] for _ in range(4000)])
    assert drawn.mean() == pytest.approx(np.log(noise.at(2)), abs=0.02)
    assert drawn.std() == pytest.approx(0.249, rel=0.05)


def test_generic_cameras_differ_and_keep_white_white() -> None:
    generator = _generator()
    cameras = [generic_camera(generator) for _ in range(20)]
    assert len({camera.gain_range for camera in cameras}) == 20
    for camera in cameras:
        np.testing.assert_allclose(camera.camera_of_srgb.sum(axis=1), 1)
