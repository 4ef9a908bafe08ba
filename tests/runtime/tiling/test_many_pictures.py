"""Batches and frames: each picture as alone, mistakes that name it, one level for all frames."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser

Models = dict[str, Path]


@pytest.fixture
def noisy(generator: np.random.Generator) -> np.ndarray:
    """(9, 60, 70, 3) uint8, each with more noise than the one before: sigma 4 to 36."""
    noise = generator.normal(0, 1, (9, 60, 70, 3)) * np.arange(4, 40, 4).reshape(-1, 1, 1, 1)
    return (128 + noise).clip(0, 255).astype(np.uint8)


def load(models: Models, name: str = "color") -> Denoiser:
    return Denoiser.load(models[name], threads=1)


@pytest.mark.parametrize("sigma", [None, 20, np.float32(20), [20.0, 10, 5], np.array([1.0, 2, 3])])
def test_each_picture_of_a_batch_is_as_it_is_alone(models: Models, noisy: np.ndarray, sigma: Any) -> None:
    denoiser = load(models)
    levels = [sigma] * 3 if np.ndim(sigma) == 0 else sigma
    alone = [denoiser(image, level) for image, level in zip(noisy[:3], levels, strict=True)]
    as_array = denoiser.batch(noisy[:3], sigma)
    assert isinstance(as_array, np.ndarray)
    assert np.array_equal(as_array, np.stack(alone))
    as_list = denoiser.batch(list(noisy[:3]), sigma)
    assert isinstance(as_list, list)
    assert all(np.array_equal(*pair) for pair in zip(as_list, alone, strict=True))


def test_pictures_of_a_list_may_differ_and_strength_and_chroma_count(models: Models, noisy: np.ndarray) -> None:
    denoiser = load(models)
    images = [noisy[0], noisy[1, :30, :, 0], noisy[2].astype(np.float32) / 255]
    clean = denoiser.batch(images, 20, strength=0.5, chroma=0.5)
    for image, result in zip(images, clean, strict=True):
        assert np.array_equal(result, denoiser(image, 20, strength=0.5, chroma=0.5))


def test_an_empty_batch_is_an_empty_batch(models: Models, noisy: np.ndarray) -> None:
    assert load(models).batch([]) == []
    assert load(models).batch(noisy[:0]).shape == (0, 60, 70, 3)


def test_mistakes_in_a_batch_name_the_picture(models: Models, noisy: np.ndarray) -> None:
    denoiser = load(models)
    with pytest.raises(UserError, match=r"picture 2 of 2: the image's values are int64"):
        denoiser.batch([noisy[0], noisy[1].astype(np.int64)])
    with pytest.raises(UserError, match=r"sigma has 2 values for 3 pictures; give one, or one for each"):
        denoiser.batch(noisy[:3], [1.0, 2.0])
    with pytest.raises(UserError, match=r"the batch has shape \(60, 70\); expected \(N, H, W\)"):
        denoiser.batch(noisy[0, :, :, 0])


def test_frames_of_a_list_get_the_median_of_seven_all_over_it(models: Models, noisy: np.ndarray) -> None:
    denoiser = load(models)
    frames = np.concatenate([noisy, noisy[::-1]])[[*range(18)] * 2]
    for given in (frames, list(frames)):
        clean = list(denoiser.frames(given))
        # The middles of seven equal parts.
        levels = [denoiser.noise_level(frames[(2 * k + 1) * 36 // 14]).sigma for k in range(7)]
        level = sorted(value for value in levels if value is not None)[3]
        assert np.array_equal(np.stack(clean), denoiser.batch(frames, level))


def test_frames_that_come_one_by_one_get_the_median_of_the_first_seven(models: Models, noisy: np.ndarray) -> None:
    denoiser = load(models)
    taken: list[int] = []

    def coming() -> Iterator[np.ndarray]:
        for number, frame in enumerate(noisy):
            taken.append(number)
            yield frame

    frames = denoiser.frames(coming())
    first = next(frames)
    assert taken == [0, 1, 2, 3, 4, 5, 6]
    level = denoiser.noise_level(noisy[3]).sigma
    assert np.array_equal(np.stack([first, *frames]), denoiser.batch(noisy, level))
    assert taken == [*range(9)]


def test_with_a_level_no_frame_is_taken_ahead(models: Models, noisy: np.ndarray) -> None:
    for name, sigma in (("color", 20.0), ("blind", None)):
        denoiser = load(models, name)
        coming = iter(noisy)
        assert np.array_equal(next(denoiser.frames(coming, sigma)), denoiser(noisy[0], sigma))
        assert len(list(coming)) == 8


def test_strength_counts_once_for_frames(models: Models, noisy: np.ndarray) -> None:
    denoiser = load(models)
    for strength in (0.5, 1.5):
        (clean,) = denoiser.frames(noisy[2:3], strength=strength)
        assert np.array_equal(clean, denoiser(noisy[2], strength=strength))


def test_no_frames_give_no_frames(models: Models) -> None:
    assert list(load(models).frames([])) == []
    assert list(load(models).frames(iter([]))) == []


def test_frames_that_the_model_cannot_take_are_a_users_error(models: Models) -> None:
    with pytest.raises(UserError, match="4 channels"):
        list(load(models).frames(np.zeros((2, 20, 20, 4), np.uint8)))
