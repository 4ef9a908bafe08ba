"""PSNR and SSIM that a model loses against another one on the same noisy images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .check_images import NoisyImage
from .model_runs import Run


@dataclass(frozen=True, kw_only=True)
class SigmaLoss:
    """Means over the images at one noise level; a gain is negative."""

    sigma: float
    psnr_db: float
    """Of the reduced model, standard protocol: output clipped to 0..1 and not rounded."""
    psnr_lost_db: float
    ssim_lost: float


@dataclass(frozen=True, kw_only=True)
class WorstImage:
    """Where most was lost."""

    image: str
    sigma: float
    psnr_lost_db: float


@dataclass(frozen=True, kw_only=True)
class QualityLoss:
    """What a model loses; infinite where its output is not finite."""

    by_sigma: tuple[SigmaLoss, ...]
    worst: WorstImage

    @property
    def largest(self) -> SigmaLoss:
        """The noise level at which most PSNR is lost."""
        return max(self.by_sigma, key=lambda loss: loss.psnr_lost_db)

    def rounded(self) -> "QualityLoss":
        """To what matters: the last digits hang on the number of threads."""
        by_sigma = [
            replace(
                item,
                psnr_db=_rounded(item.psnr_db, 4),
                psnr_lost_db=_rounded(item.psnr_lost_db, 4),
                ssim_lost=_rounded(item.ssim_lost, 5),
            )
            for item in self.by_sigma
        ]
        worst = replace(self.worst, psnr_lost_db=_rounded(self.worst.psnr_lost_db, 4))
        return QualityLoss(by_sigma=tuple(by_sigma), worst=worst)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A noisy image, and how well the fp32 model denoises it."""

    image: NoisyImage
    denoised: NDArray[np.float32]
    psnr_db: float
    ssim: float


def feeds_of(image: NoisyImage, *, conditioned: bool) -> dict[str, NDArray[np.float32]]:
    """A model's inputs for one image."""
    level = {"sigma": np.full(1, image.sigma, np.float32)} if conditioned else {}
    return {"noisy": image.noisy} | level


def references(run: Run, images: Sequence[NoisyImage], *, conditioned: bool) -> list[Reference]:
    """Denoise every image with the fp32 model."""
    made = []
    for image in images:
        denoised = run(feeds_of(image, conditioned=conditioned))
        psnr_db, ssim = _scores(denoised, image.clean)
        made.append(Reference(image=image, denoised=denoised, psnr_db=psnr_db, ssim=ssim))
    return made


def quality_loss(run: Run, given: Sequence[Reference], *, conditioned: bool) -> QualityLoss:
    """Denoise the same images with another model and compare."""
    scores = [_scores(run(feeds_of(item.image, conditioned=conditioned)), item.image.clean) for item in given]
    lost = [(item.psnr_db - psnr_db, item.ssim - ssim) for item, (psnr_db, ssim) in zip(given, scores, strict=True)]
    by_sigma = []
    for sigma in dict.fromkeys(item.image.sigma for item in given):
        own = [index for index, item in enumerate(given) if item.image.sigma == sigma]
        by_sigma.append(
            SigmaLoss(
                sigma=sigma,
                psnr_db=float(np.mean([scores[index][0] for index in own])),
                psnr_lost_db=float(np.mean([lost[index][0] for index in own])),
                ssim_lost=float(np.mean([lost[index][1] for index in own])),
            )
        )
    worst = max(range(len(given)), key=lambda index: lost[index][0])
    image = given[worst].image
    return QualityLoss(
        by_sigma=tuple(by_sigma),
        worst=WorstImage(image=image.image, sigma=image.sigma, psnr_lost_db=lost[worst][0]),
    )


def _rounded(number: float, digits: int) -> float:
    return round(number, digits) + 0.0  # no negative zero


def _scores(denoised: NDArray[np.float32], clean: NDArray[np.float32]) -> tuple[float, float]:
    """(PSNR in dB, SSIM); minus infinity for what is not finite."""
    import torch

    from ...search.learning.losses import ssim
    from ...search.learning.metrics import psnr_db

    if not np.isfinite(denoised).all():
        return -math.inf, -math.inf
    output, truth = torch.from_numpy(np.clip(denoised, 0, 1)).double(), torch.from_numpy(clean).double()
    return psnr_db(output, truth), ssim(output, truth).item()
