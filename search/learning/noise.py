"""Gaussian noise as training and evaluation see it: un-quantised as in the papers, and as files hold it."""

import torch
from torch import Tensor


def quantised(noisy: Tensor) -> Tensor:
    """What an 8-bit file keeps of a noisy image in 0..1: clipped, rounded to 1/255."""
    return (noisy.clamp(0, 1) * 255).round() / 255


def draw_sigma(batch: int, sigma_range: tuple[float, float], generator: torch.Generator) -> Tensor:
    """(batch,) noise levels in grey levels 0..255, uniform over the range."""
    low, high = sigma_range
    return low + (high - low) * torch.rand(batch, generator=generator, device=generator.device)


def add_noise(clean_BCHW: Tensor, sigma_B: Tensor, *, quantised_share: float, generator: torch.Generator) -> Tensor:
    """Clean images in 0..1 with white Gaussian noise of sigma_B grey levels.

    Each image of the batch is, with probability `quantised_share`, clipped and rounded as an 8-bit file would be:
    a network trained on un-quantised noise alone loses up to 2 dB on files.
    """
    noise = torch.randn(clean_BCHW.shape, generator=generator, device=clean_BCHW.device)
    noisy = clean_BCHW + noise * (sigma_B / 255).reshape(-1, 1, 1, 1)
    as_file = torch.rand(len(sigma_B), generator=generator, device=clean_BCHW.device) < quantised_share
    return torch.where(as_file.reshape(-1, 1, 1, 1), quantised(noisy), noisy)
