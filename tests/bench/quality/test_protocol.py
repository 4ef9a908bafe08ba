"""Each protocol's noise and patches against a slow, plain reference."""

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.bench.quality.clean_images import find_images, images_digest
from hinas.bench.quality.measure_quality import NOISY_INPUT, ScoredMethod, measure_quality
from hinas.bench.quality.noise_protocols import Noise
from hinas.bench.quality.protocol import joined, noisy_image, noisy_patches, patch_origins
from hinas.bench.session_output import quality_entries
from hinas.errors import UserError
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image


def _method(**changes: Any) -> ScoredMethod:
    given = {
        "name": "halved",
        "channels": 1,
        "sigma_range": None,
        "denoise": lambda noisy, sigma: noisy / 2,
        "facts": {"source": "a test"},
    }
    return ScoredMethod(**(given | changes))


def _slow_reference(clean: np.ndarray, sigma: float, image: str, side: int = 64, stride: int = 48) -> np.ndarray:
    """hinas-patches pixel by pixel, for a denoiser that gives half of (value + 1)."""
    height, width = clean.shape[:2]

    def starts(size: int) -> list[int]:
        found = [0]
        while found[-1] + side < size:
            found.append(min(found[-1] + stride, size - side))
        return found

    sums: dict[tuple[int, int], list[Any]] = {}
    for top in starts(height):
        for left in starts(width):
            rows, columns = min(side, height), min(side, width)
            digest = hashlib.sha256(f"{image}|{sigma!r}|{top},{left}".encode()).digest()
            seed = [int.from_bytes(digest[index : index + 4], "little") for index in range(0, 32, 4)]
            noise = np.random.RandomState(seed).standard_normal((rows, columns, *clean.shape[2:]))
            for row in range(rows):
                for column in range(columns):
                    noisy = clean[top + row, left + column] + sigma * noise[row, column]
                    sums.setdefault((top + row, left + column), []).append((noisy + 1) / 2)
    result = np.zeros(clean.shape)
    for place, values in sums.items():
        result[place] = sum(values) / len(values)
    return result


@pytest.mark.parametrize("shape", [(70, 130), (64, 64), (40, 113, 3), (11, 20)])
def test_hinas_patches_equals_a_slow_reference(shape: tuple[int, ...]) -> None:
    clean = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    patches = noisy_patches(clean, 50.0, image="folder/a.png", noise="hinas-patches")
    result = joined(patches, [(patch.pixels + np.float32(1)) / np.float32(2) for patch in patches], clean.shape)
    np.testing.assert_allclose(result, _slow_reference(clean, 50.0, "a"), atol=1e-4)


@settings(deadline=None)
@given(height=st.integers(1, 400), width=st.integers(1, 400))
def test_the_patches_cover_every_pixel(height: int, width: int) -> None:
    clean = np.zeros((height, width), np.uint8)
    patches = noisy_patches(clean, 1.0, image="a", noise="hinas-patches")
    covered = np.zeros((height, width), int)
    for patch in patches:
        rows, columns = patch.pixels.shape
        assert (rows, columns) == (min(height, 64), min(width, 64))
        covered[patch.top : patch.top + rows, patch.left : patch.left + columns] += 1
    assert covered.min() >= 1
    assert len({(patch.top, patch.left) for patch in patches}) == len(patches)
    # Only the last patch of a side, flush with the border, may lie closer to the one before.
    for size in (height, width):
        origins = patch_origins(size)
        assert origins[-1] == max(size - 64, 0)
        assert {second - first for first, second in pairwise(origins[:-1])} <= {48}


def test_every_patch_has_noise_of_its_own() -> None:
    clean = np.zeros((64, 112), np.uint8)
    first, second = noisy_patches(clean, 1.0, image="a", noise="hinas-patches")
    assert (first.left, second.left) == (0, 48)
    overlaps = first.pixels[:, 48:].ravel(), second.pixels[:, :16].ravel()
    assert abs(np.corrcoef(*overlaps)[0, 1]) < 0.1
    again, _ = noisy_patches(clean, 1.0, image="elsewhere/a.jpg", noise="hinas-patches")
    np.testing.assert_array_equal(first.pixels, again.pixels)


@pytest.mark.parametrize("noise", ["standard", "file"])
def test_the_other_protocols_show_the_whole_image_at_once(noise: Noise) -> None:
    clean = np.random.default_rng(2).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    (patch,) = noisy_patches(clean, 30.0, image="a", noise=noise)
    np.testing.assert_array_equal(patch.pixels, noisy_image(clean, 30.0, image="a", noise=noise))
    np.testing.assert_array_equal(joined([patch], [patch.pixels], clean.shape), patch.pixels)


def test_averaging_independent_patches_alone_raises_the_psnr(picture_folder: Path) -> None:
    """The protocol's trap: doing nothing scores more under it."""
    images = find_images(str(picture_folder))
    psnr_db = {}
    for noise in ("standard", "hinas-patches"):
        scores = measure_quality([_method()], images, sigmas=(30,), noise=noise)
        entries = quality_entries(scores, [_method()], "pictures")
        assert {entry.protocol for entry in entries} == {noise}
        (psnr_db[noise],) = [entry.psnr_db for entry in entries if entry.model == NOISY_INPUT]
    assert psnr_db["hinas-patches"] > psnr_db["standard"] + 0.3


def test_a_method_is_scored_in_its_range_and_its_time_is_kept(picture_folder: Path) -> None:
    images = find_images(str(picture_folder))
    seen: list[tuple[tuple[int, ...], float]] = []

    def denoise(noisy: np.ndarray, sigma: float) -> np.ndarray:
        seen.append((noisy.shape, sigma))
        return noisy

    methods = [_method(name="narrow", channels=3, sigma_range=(20, 40), denoise=denoise), _method()]
    scores = measure_quality(methods, images, sigmas=(30, 50), noise="standard")
    assert [sigma for _, sigma in seen] == [30, 30, 30]
    assert all(shape[2:] == (3,) for shape, _ in seen)
    entries = quality_entries(scores, methods, "pictures")
    assert {(entry.model, entry.sigma) for entry in entries} == {
        ("narrow", 30), ("halved", 30), ("halved", 50), (NOISY_INPUT, 30), (NOISY_INPUT, 50),
    }  # fmt: skip
    for entry in entries:
        taken = [score.seconds for score in scores if (score.model, score.sigma) == (entry.model, entry.sigma)]
        if entry.model == NOISY_INPUT:
            assert entry.dataset_time_s is None
        else:
            assert entry.dataset_time_s == pytest.approx(sum(second or 0 for second in taken))


def test_images_are_told_apart_by_their_names_and_contents(tmp_path: Path) -> None:
    def digest(folder: str, name: str, grey: int) -> str:
        (tmp_path / folder / "test").mkdir(parents=True)
        Image.new("L", (40, 30), grey).save(tmp_path / folder / "test" / name)
        return images_digest(find_images(str(tmp_path / folder / "test")))

    first = digest("a", "one.png", 128)
    assert digest("b", "one.png", 128) == first
    assert len({first, digest("c", "one.png", 129), digest("d", "two.png", 128)}) == 3


def test_results_say_the_size_of_the_images_where_all_have_one(tmp_path: Path) -> None:
    def sizes_of(*sizes: tuple[int, int]) -> set[str | None]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for index, size in enumerate(sizes):
            Image.new("L", size, 128).save(folder / f"{index}.png")
        scores = measure_quality([_method()], find_images(str(folder)), sigmas=(30,), noise="standard")
        return {entry.image_size for entry in quality_entries(scores, [_method()], "pictures")}

    assert sizes_of((40, 30), (30, 40)) == {"40x30"}
    assert sizes_of((40, 30), (40, 31)) == {"various"}


def test_a_method_that_fails_is_named_with_the_image(picture_folder: Path) -> None:
    def denoise(noisy: np.ndarray, sigma: float) -> np.ndarray:
        raise UserError("out of paper")

    images = find_images(str(picture_folder))
    with pytest.raises(UserError, match=r"halved on .*picture-0\.png at sigma 30: out of paper"):
        measure_quality([_method(denoise=denoise)], images, sigmas=(30,), noise="standard")
