"""Denoise the test images under the standard protocol and score every one."""

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import written_whole
from ..errors import UserError
from ..runtime.denoise import Denoiser
from .candidates import Candidate
from .images import ImageSet, UnusableImageError, read_clean
from .noise_variants import Noise
from .protocol import noisy_image
from .quality import SsimReference, psnr_db

NOISY_INPUT = "noisy input"
"""The baseline's name in results: what doing nothing scores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageScore:
    """One model on one image at one noise level."""

    model: str
    """A candidate's name, or NOISY_INPUT."""
    channels: int
    """1: measured on the grey image; 3: on the colour image."""
    image: str
    """The file's path."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    sigma: float
    """Grey levels 0..255, of the noise and as told to a conditioned network."""
    psnr_db: float
    """Infinite where the output equals the clean image."""
    ssim: float


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanScore:
    """The plain mean over the images."""

    num_images: int
    psnr_db: float
    """dB, mean of the images' dB values; infinite where one of them is."""
    ssim: float


def levels_of(candidate: Candidate, sigmas: Iterable[float]) -> list[float]:
    """Those noise levels that a model's quality can be measured at: within its range, none for random weights."""
    manifest = candidate.manifest
    if manifest.weights == "random":
        return []
    low, high = manifest.sigma_range or (0.0, 255.0)
    return [sigma for sigma in sigmas if low <= sigma <= high]


def measure_quality(
    candidates: Sequence[Candidate],
    images: ImageSet,
    *,
    sigmas: Sequence[float],
    noise: Noise,
    progress: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[ImageScore]:
    """Score every candidate (and doing nothing) on every image at every sigma in its range.

    One-channel models see grey images, three-channel models colour ones; models of one kind see the same noise.
    `progress` is called after each image, `warn` with a line for each image that turns out damaged.
    Raises UserError where no image could be scored.
    """
    denoisers = {candidate.name: Denoiser(candidate.backend) for candidate in candidates}
    scores: list[ImageScore] = []
    for file in images.files:
        for channels in sorted({candidate.manifest.channels for candidate in candidates}):
            try:
                clean = read_clean(file, channels)
            except UnusableImageError as error:
                warn(f"{error}, skipped")
                break
            reference = SsimReference(clean)
            for sigma in sigmas:
                suited = [
                    candidate
                    for candidate in candidates
                    if candidate.manifest.channels == channels and sigma in levels_of(candidate, [sigma])
                ]
                if not suited:
                    continue
                noisy = noisy_image(clean, sigma, image=file, noise=noise)
                outputs = {NOISY_INPUT: noisy}
                for candidate in suited:
                    level = sigma if candidate.manifest.conditioned else None
                    outputs[candidate.name] = _denoised(denoisers[candidate.name], noisy, level)
                for model, output in outputs.items():
                    scores.append(
                        ImageScore(
                            model=model,
                            channels=channels,
                            image=str(file),
                            width=clean.shape[1],
                            height=clean.shape[0],
                            sigma=sigma,
                            psnr_db=psnr_db(output, clean),
                            ssim=reference.ssim(output),
                        )
                    )
        progress()
    if not scores:
        raise UserError(f"no image of {images.name} could be scored")
    return scores


def mean_scores(scores: Iterable[ImageScore]) -> dict[tuple[str, int, float], MeanScore]:
    """The means by (model, channels, sigma), in the order of first appearance."""
    groups: dict[tuple[str, int, float], list[ImageScore]] = {}
    for score in scores:
        groups.setdefault((score.model, score.channels, score.sigma), []).append(score)
    return {
        key: MeanScore(
            num_images=len(group),
            psnr_db=math.fsum(score.psnr_db for score in group) / len(group),
            ssim=math.fsum(score.ssim for score in group) / len(group),
        )
        for key, group in groups.items()
    }


def write_scores(scores: Sequence[ImageScore], path: Path) -> None:
    """One line for each image, model and sigma."""
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(ImageScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def _denoised(denoiser: Denoiser, noisy: NDArray[np.float32], sigma: float | None) -> NDArray[np.float32]:
    """Grey levels 0..255 in and out, not clipped."""
    return denoiser(noisy / np.float32(255), sigma=sigma) * np.float32(255)
