"""What stays the same from frame to frame is averaged; what moves or changes is left as it is, without ghosts."""

import numpy as np
import pytest
from hinas.runtime.films.frame_pixels import Pixels
from hinas.runtime.films.steady_frames import SteadyFrames

SIGMA = 25.0
LEFT = 4.0
"""Grey levels of what a network leaves of noise of that level."""


def with_noise(picture: Pixels, generator: np.random.Generator) -> Pixels:
    return (picture + generator.normal(0, LEFT / 255, picture.shape)).astype(np.float32)


def block_at(column: int, *, side: int = 20, height: int = 48, width: int = 96, level: float = 0.3) -> Pixels:
    """A bright block on a grey ground."""
    picture = np.full((height, width, 3), level, np.float32)
    picture[14 : 14 + side, column : column + side] = level + 0.4
    return picture


def test_the_noise_that_is_left_fades_where_nothing_moves(generator: np.random.Generator) -> None:
    steady, picture = SteadyFrames(SIGMA), block_at(30)
    noisy = [with_noise(picture, generator) for _ in range(12)]
    results = [steady(frame) for frame in noisy]
    assert np.square(results[-1] - picture).mean() < 0.3 * np.square(noisy[-1] - picture).mean()


def test_the_first_frame_and_the_one_behind_a_cut_stay_as_they_are(generator: np.random.Generator) -> None:
    steady = SteadyFrames(SIGMA)
    before, behind = with_noise(block_at(30), generator), with_noise(block_at(30, level=0.6), generator)
    np.testing.assert_array_equal(steady(before), before)
    np.testing.assert_array_equal(steady(behind), behind)


def test_what_moves_leaves_no_ghost(generator: np.random.Generator) -> None:
    steady = SteadyFrames(SIGMA)
    noisy = [with_noise(block_at(10 + 6 * step), generator) for step in range(8)]
    results = [steady(frame) for frame in noisy]
    for step in range(1, 8):
        # Where the block was, and where it is now.
        for column in (10 + 6 * (step - 1), 30 + 6 * (step - 1)):
            swept = np.s_[14:34, column : column + 6]
            np.testing.assert_array_equal(results[step][swept], noisy[step][swept])
    # Far from it the noise fades all the same.
    ground = np.s_[:8, 80:]
    assert np.std(results[-1][ground]) < 0.7 * np.std(noisy[-1][ground])


def test_light_that_fades_does_not_lag(generator: np.random.Generator) -> None:
    steady = SteadyFrames(SIGMA)
    for step in range(8):
        level = 0.6 - 0.03 * step
        result = steady(with_noise(np.full((40, 40, 3), level, np.float32), generator))
        assert abs(float(result.mean()) - level) < 0.5 / 255


def test_grey_frames_are_as_colours_that_are_equal(generator: np.random.Generator) -> None:
    grey, colour = SteadyFrames(SIGMA), SteadyFrames(SIGMA)
    for column in (30, 30, 32):
        noisy = with_noise(block_at(column), generator)[:, :, 0]
        of_grey = grey(noisy)
        of_colour = colour(np.repeat(noisy[:, :, np.newaxis], 3, axis=2))
        np.testing.assert_allclose(of_colour, np.repeat(of_grey[:, :, np.newaxis], 3, axis=2), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (5, 7, 3)])
def test_frames_smaller_than_the_windows(generator: np.random.Generator, shape: tuple[int, ...]) -> None:
    steady, picture = SteadyFrames(SIGMA), np.full(shape, 0.5, np.float32)
    for _ in range(3):
        result = steady(with_noise(picture, generator))
        assert result.shape == shape and np.isfinite(result).all()
