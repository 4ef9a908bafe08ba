"""How well a network denoises whole images during training: PSNR and SSIM, standard protocol."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .losses import ssim
from .noise import add_noise


@dataclass(frozen=True, kw_only=True)
class ValidationScore:
    """Means over images and sigmas: PSNR in dB and SSIM, output clipped to 0..1, un-quantised noise."""

    psnr_db: float
    ssim: float
    psnr_db_by_sigma: dict[float, float]


def psnr_db(output: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images in 0..1."""
    error = torch.mean((output - clean) ** 2).item()
    return math.inf if error == 0 else -10 * math.log10(error)


@torch.no_grad()
def validate(
    network: nn.Module,
    images: Sequence[np.ndarray],
    *,
    sigmas: Sequence[float],
    stride: int,
    conditioned: bool,
    device: torch.device,
) -> ValidationScore:
    """Denoise (H, W, C) uint8 images at each sigma with noise that is the same on every call."""
    was_training = network.training
    network.eval()
    similarity: list[float] = []
    by_sigma: dict[float, list[float]] = {sigma: [] for sigma in sigmas}
    generator = torch.Generator(device=device).manual_seed(0)
    for image in images:
        height, width = (side - side % stride for side in image.shape[:2])
        pixels = torch.from_numpy(image[:height, :width].copy()).to(device)
        clean = pixels.permute(2, 0, 1)[None].float() / 255
        for sigma in sigmas:
            level = torch.tensor([float(sigma)], device=device)
            noisy = add_noise(clean, level, quantised_share=0, generator=generator)
            output = (network(noisy, level) if conditioned else network(noisy)).float().clamp(0, 1)
            by_sigma[sigma].append(psnr_db(output, clean))
            similarity.append(ssim(output, clean).item())
    network.train(was_training)
    means = {sigma: float(np.mean(values)) for sigma, values in by_sigma.items()}
    return ValidationScore(
        psnr_db=float(np.mean(list(means.values()))), ssim=float(np.mean(similarity)), psnr_db_by_sigma=means
    )
