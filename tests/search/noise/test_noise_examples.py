"""What the noise network is trained on: drawn pairs, drawings, patterns, and the batches cut out of them."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
import torch
from hinas.search.camera.clean_crops import CleanImages
from hinas.search.camera.shot import level_of
from hinas.search.noise.batches import NoiseBatch, PoolSizes, noise_batches
from hinas.search.noise.drawings import drawn_drawing
from hinas.search.noise.noise_pairs import SHARES, NoisePair, Source, drawn_pair
from hinas.search.noise.patterns import drawn_pattern

SIZES = PoolSizes(pair_side=64, crop_sides=(48, 56), batch=8, num_first=10, num_new=2, num_most=12)


def _origin() -> CleanImages:
    """A photograph of a kind: smooth colours with an edge."""
    rows, columns = np.mgrid[:90, :100]
    planes = [120 + 80 * np.sin(rows / 15), 90 + columns, 200 - rows - columns / 2]
    pixels = np.stack(planes, axis=-1)
    pixels[:, 50:] *= 0.6
    return CleanImages(images=[pixels.clip(0, 255).astype(np.uint8)])


def _pairs(source: Source, number: int) -> list[NoisePair]:
    generator = np.random.default_rng(0)
    return [drawn_pair([_origin()], size=64, generator=generator, source=source) for _ in range(number)]


def _colours(pixels: np.ndarray) -> int:
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("source", SHARES)
def test_every_source_gives_pictures_with_white_noise_with_other_changes_and_without_any(source: Source) -> None:
    pairs = _pairs(source, 60)
    levels = {white: [level_of(p.degraded, p.clean) for p in pairs if p.is_white is white] for white in (True, False)}
    for pair in pairs:
        assert pair.degraded.shape == pair.clean.shape == (64, 64, 3)
        assert pair.degraded.dtype == pair.clean.dtype == np.uint8
    assert max(levels[True]) > 15
    assert min(levels[False]) == 0
    assert max(levels[False]) > 0.5


def test_white_noise_is_as_even_as_its_level_says() -> None:
    whites = [pair for pair in _pairs("photograph", 60) if pair.is_white]
    assert len(whites) > 15
    for pair in whites:
        noise = pair.degraded.astype(float) - pair.clean
        if np.abs(noise).max() < 30:  # hardly anything is clipped
            neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
            assert abs(neighbours) < 0.05
            assert noise[:32].std() == pytest.approx(noise[32:].std(), rel=0.1, abs=0.1)


def test_white_noise_of_grey_photographs_is_grey() -> None:
    pairs = [pair for pair in _pairs("photograph", 120) if pair.is_white]
    greys = [pair for pair in pairs if np.ptp(pair.clean, axis=2).max() == 0]
    assert 3 < len(greys) < len(pairs) / 2
    assert all(np.ptp(pair.degraded, axis=2).max() == 0 for pair in greys)


def test_patterns_repeat_two_colours() -> None:
    generator = np.random.default_rng(0)
    patterns = [drawn_pattern(120, 130, generator) for _ in range(30)]
    assert all(pattern.shape == (120, 130, 3) and _colours(pattern) <= 2 for pattern in patterns)
    moved = [
        any(np.array_equal(p[:-s], p[s:]) or np.array_equal(p[:, :-s], p[:, s:]) for s in range(1, 81))
        for p in patterns
    ]
    assert all(moved)


def test_patterns_without_noise_are_among_the_examples() -> None:
    clean = [pair for pair in _pairs("pattern", 60) if np.array_equal(pair.degraded, pair.clean)]
    assert len(clean) > 10
    assert all(_colours(pair.clean) <= 2 and not pair.is_white for pair in clean)


def test_drawings_are_of_many_kinds_and_depend_on_the_seed_alone() -> None:
    drawings, again = ([drawn_drawing(96, np.random.default_rng(seed)) for seed in range(40)] for _ in range(2))
    np.testing.assert_array_equal(drawings, again)
    assert all(drawing.shape == (96, 96, 3) and drawing.dtype == np.uint8 for drawing in drawings)
    assert len({drawing.tobytes() for drawing in drawings}) > 30
    shares = [np.mean(np.all(drawing[:, 1:] == drawing[:, :-1], axis=2)) for drawing in drawings]
    assert max(shares) > 0.95
    assert min(shares) < 0.6  # scaled ones and gradients


def _batches(seed: int) -> Iterator[NoiseBatch]:
    return noise_batches([_origin()], SIZES, seed=seed)


def test_the_same_seed_gives_the_same_batches_and_another_one_does_not() -> None:
    for first, second, other in islice(zip(_batches(1), _batches(1), _batches(2), strict=True), 4):
        assert torch.equal(first.crops_BCHW, second.crops_BCHW)
        assert torch.equal(first.levels_B, second.levels_B)
        assert torch.equal(first.is_white_B, second.is_white_B)
        assert not torch.equal(first.levels_B, other.levels_B)


def test_batches_hold_crops_in_grey_levels_of_every_side_asked_for() -> None:
    batches = list(islice(_batches(0), 12))
    assert {tuple(batch.crops_BCHW.shape) for batch in batches} == {(8, 3, 48, 48), (8, 3, 56, 56)}
    crops = torch.cat([batch.crops_BCHW.flatten() for batch in batches])
    assert crops.dtype == torch.float32
    assert torch.equal(crops, crops.round()) and crops.min() >= 0 and 200 < crops.max() <= 255


def test_the_level_is_that_of_the_crop() -> None:
    """Flat photographs: what a crop of white noise deviates from its colour is its level."""
    flat = CleanImages(images=[np.full((80, 80, 3), 128, np.uint8)])
    sizes = PoolSizes(pair_side=64, crop_sides=(48,), batch=16, num_first=60, num_new=0)
    batch = next(noise_batches([flat], sizes, seed=5))
    deviation_B = (batch.crops_BCHW - 128).square().mean((1, 2, 3)).sqrt()
    is_of_flat_B = (batch.is_white_B == 1) & ((batch.crops_BCHW.mean((1, 2, 3)) - 128).abs() < 2)
    assert is_of_flat_B.sum() >= 2
    torch.testing.assert_close(deviation_B[is_of_flat_B], batch.levels_B[is_of_flat_B])


def test_old_pairs_leave_the_pool() -> None:
    """With as many new pairs as the pool holds nothing of the first batch is seen again."""
    sizes = PoolSizes(pair_side=48, crop_sides=(48,), batch=8, num_first=8, num_new=8, num_most=8)
    first, second = islice(noise_batches([_origin()], sizes, seed=0), 2)
    levels = set(first.levels_B[first.levels_B > 0].tolist())
    assert levels and not levels & set(second.levels_B.tolist())
