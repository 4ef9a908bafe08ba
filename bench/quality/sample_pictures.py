"""A few test pictures, noisy and denoised, for eyes: what the decibels look like."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...search.images.image_folder import evenly_chosen
from .clean_images import ImageSet, clean_pixels
from .measure_quality import ImageScore, ScoredMethod, mean_scores
from .noise_protocols import Noise
from .protocol import noisy_image
from .psnr_ssim import clipped, psnr_db

LARGEST_WIDTH = 640
"""Pixels of the part that is kept."""
LARGEST_HEIGHT = 480
"""Pixels of the part that is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplePicture:
    """The middle of a test image, noisy and denoised."""

    name: str
    """The file's name."""
    model: str
    sigma: float
    """Grey levels 0..255."""
    noisy: NDArray[np.uint8]
    """(H, W) or (H, W, 3), as an 8-bit file would hold it."""
    denoised: NDArray[np.uint8]
    """The same shape."""
    noisy_psnr_db: float
    """Of the part that is kept, before rounding, like the one below."""
    denoised_psnr_db: float


def best_method(methods: Sequence[ScoredMethod], scores: Sequence[ImageScore], sigma: float) -> ScoredMethod | None:
    """The one with the best mean PSNR at `sigma`, for colour images if any was scored on them; None: none was."""
    by_name = {method.name: method for method in methods}
    networks = [
        (scored.channels, mean.psnr_db, by_name[scored.model])
        for scored, mean in mean_scores(scores).items()
        if scored.sigma == sigma and scored.model in by_name
    ]
    return max(networks, key=lambda network: network[:2])[2] if networks else None


def sample_pictures(
    method: ScoredMethod,
    images: ImageSet,
    *,
    sigma: float,
    noise: Noise,
    count: int = 3,
    warn: Callable[[str], None] = lambda _: None,
) -> list[SamplePicture]:
    """At most `count` images, evenly chosen, with the noise that quality is measured with.

    `warn` is called with a line for each image that turns out damaged; it is left out.
    """
    samples: list[SamplePicture] = []
    for file in evenly_chosen(images.files, count):
        try:
            clean = clean_pixels(file, method.channels)
        except UserError as error:
            warn(f"{error}, not shown")
            continue
        noisy = noisy_image(clean, sigma, image=file, noise=noise)
        denoised = method.denoise(noisy / np.float32(255), sigma) * np.float32(255)
        part = middle_part(clean.shape, height=LARGEST_HEIGHT, width=LARGEST_WIDTH)
        samples.append(
            SamplePicture(
                name=file.name,
                model=method.name,
                sigma=sigma,
                noisy=_rounded(noisy[part]),
                denoised=_rounded(denoised[part]),
                noisy_psnr_db=psnr_db(noisy[part], clean[part]),
                denoised_psnr_db=psnr_db(denoised[part], clean[part]),
            )
        )
    return samples


def middle_part(shape: tuple[int, ...], *, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the middle of a picture of `shape`, at most `height` by `width` pixels."""
    height, width = min(shape[0], height), min(shape[1], width)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)


def _rounded(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(clipped(pixels)).astype(np.uint8)
