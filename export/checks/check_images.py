"""Real images with the same noise on every run, to hold a precision's output to fp32's."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...search.images.image_folder import load_images

MOST_IMAGES = 20
LARGEST_SIDE = 256
"""Pixels; larger images are cut to their middle."""
SMALLEST_SIDE = 64
"""Pixels; the tests' usual images have five times as many, SSIM needs 11."""
USUAL_SIGMAS = (15.0, 25.0, 50.0)
"""Grey levels 0..255."""


@dataclass(frozen=True, kw_only=True)
class NoisyImage:
    """One image at one noise level."""

    image: str
    """The file's name without folder."""
    sigma: float
    """Grey levels 0..255."""
    clean: NDArray[np.float32]
    """(1, C, H, W) in 0..1."""
    noisy: NDArray[np.float32]
    """(1, C, H, W) in 0..1 with white Gaussian noise, beyond it too."""


def check_images(
    source: str, *, channels: int, alignment: int, sigma_range: tuple[float, float] | None
) -> list[NoisyImage]:
    """At most 20 images of a folder, a file or a glob, evenly chosen by name, at each sigma that the model is for.

    Raises UserError where no image can be used; one that cannot is named on stderr.
    """
    from ...search.images.image_folder import read_clean

    found: list[NoisyImage] = []
    problems: list[str] = []
    for number, path in enumerate(_evenly_chosen(_files(source))):
        try:
            pixels = read_clean(path, channels=channels, smallest_side=max(SMALLEST_SIDE, alignment))
        except UserError as error:
            problems.append(str(error))
            continue
        clean = (_middle(pixels, alignment).transpose(2, 0, 1)[None] / 255).astype(np.float32)
        for sigma in sigmas_within(sigma_range):
            unit = np.random.default_rng((number, round(1000 * sigma))).standard_normal(clean.shape)
            noisy = (clean + unit * (sigma / 255)).astype(np.float32)
            found.append(NoisyImage(image=path.name, sigma=sigma, clean=clean, noisy=noisy))
    if not found:
        raise UserError(f"--check {source}: no usable image ({problems[0]})")
    for problem in problems:
        print(f"--check: {problem}, skipped", file=sys.stderr)
    return found


def sigmas_within(sigma_range: tuple[float, float] | None) -> tuple[float, ...]:
    """The usual noise levels inside a range, its middle where there is none; all of them where it is unknown."""
    if sigma_range is None:
        return USUAL_SIGMAS
    low, high = sigma_range
    return tuple(sigma for sigma in USUAL_SIGMAS if low <= sigma <= high) or ((low + high) / 2,)


def _files(source: str) -> list[Path]:
    from ...search.images.image_folder import SUFFIXES

    path = Path(source)
    # pathlib's glob takes no absolute patterns.
    found = path.rglob("*") if path.is_dir() else [path] if path.is_file() else map(Path, glob(source, recursive=True))  # noqa: PTH207
    files = sorted(file for file in found if file.is_file() and file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"--check {source}: no images there; give a folder, a file or a 'glob' of clean images")
    return files


def _evenly_chosen(files: Sequence[Path]) -> list[Path]:
    count = min(MOST_IMAGES, len(files))
    return [files[index * len(files) // count] for index in range(count)]


def _middle(pixels_HWC: NDArray[np.uint8], alignment: int) -> NDArray[np.uint8]:
    sides = [min(side, LARGEST_SIDE) // alignment * alignment for side in pixels_HWC.shape[:2]]
    top, left = ((whole - side) // 2 for whole, side in zip(pixels_HWC.shape[:2], sides, strict=True))
    return pixels_HWC[top : top + sides[0], left : left + sides[1]]


NUM_CROPS = 64
USUAL_RANGE = (0.0, 75.0)
"""Grey levels 0..255: for a model that does not say what it was trained for."""
CROP_PIXELS = 96


def calibration_batches(
    images: Sequence[Path],
    *,
    channels: int,
    alignment: int,
    sigma_range: tuple[float, float],
    conditioned: bool,
    seed: int = 0,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Inputs of a model, one crop each: `noisy` (1, C, H, W) in 0..1 and, if conditioned, `sigma` (1,) in grey levels.

    `images`: files or folders of clean images. The noise levels are spread evenly over `sigma_range`; every other crop
    is clipped and rounded as an 8-bit file would be. Raises UserError where there is no usable image, before the first
    crop.
    """
    side = CROP_PIXELS + -CROP_PIXELS % alignment
    clean = [pixels for path in images for pixels in load_images(path, channels=channels, smallest_side=side).images]
    return _crops(clean, side, sigma_range, conditioned=conditioned, seed=seed)


def _crops(
    clean: Sequence[np.ndarray], side: int, sigma_range: tuple[float, float], *, conditioned: bool, seed: int
) -> Iterator[dict[str, NDArray[np.float32]]]:
    random = np.random.default_rng(seed)
    low, high = sigma_range
    order = random.permutation(len(clean))
    for index in range(NUM_CROPS):
        pixels = clean[order[index % len(clean)]]
        top, left = (int(random.integers(length - side + 1)) for length in pixels.shape[:2])
        crop = pixels[top : top + side, left : left + side].transpose(2, 0, 1)[None] / np.float32(255)
        sigma = np.float32(low + (high - low) * (index + 0.5) / NUM_CROPS)
        noisy = crop + random.standard_normal(crop.shape, np.float32) * sigma / np.float32(255)
        if index % 2:
            noisy = (noisy.clip(0, 1) * 255).round() / np.float32(255)
        batch = {"noisy": np.ascontiguousarray(noisy, np.float32)}
        yield batch | {"sigma": np.full(1, sigma, np.float32)} if conditioned else batch
