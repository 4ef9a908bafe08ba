"""Training losses: a pixel term and the papers' lambda * log10(1 / SSIM)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import UserError
from .choices import PixelLoss

SSIM_WINDOW = 11
"""Pixels of the side of the smallest images that have a structural similarity."""
_C1 = 0.01**2
_C2 = 0.03**2
_UNSEEN_ERROR = (0.5 / 255) ** 2
"""Added to a patch's squared error in front of its logarithm: what rounding to grey levels hides need not fall on."""
_LEAST_LEVEL = 1.0
"""Grey levels, added to a patch's level before its error is divided by it: below, rounding hides what is left."""
_USUAL_LEVEL = 25.0
"""Grey levels: here the divided error is the error itself, so that gradients keep their size."""


def _window(size: int, standard_deviation: float, like: Tensor) -> Tensor:
    offsets = torch.arange(size, device=like.device, dtype=like.dtype) - (size - 1) / 2
    weights = torch.exp(-(offsets**2) / (2 * standard_deviation**2))
    return weights / weights.sum()


def ssim(x_BCHW: Tensor, y_BCHW: Tensor) -> Tensor:
    """Mean structural similarity of images in 0..1 (HiNAS v2, section 3.4): 11x11 Gaussian window, deviation 1.5.

    Only windows that lie wholly inside the image count. H and W are at least 11.
    """
    channels = x_BCHW.shape[1]
    line = _window(SSIM_WINDOW, 1.5, x_BCHW)
    down = line.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1)
    across = line.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1)

    def smooth(z: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(z, down, groups=channels), across, groups=channels)

    mean_x, mean_y = smooth(x_BCHW), smooth(y_BCHW)
    variance_x = smooth(x_BCHW * x_BCHW) - mean_x**2
    variance_y = smooth(y_BCHW * y_BCHW) - mean_y**2
    covariance = smooth(x_BCHW * y_BCHW) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return (luminance * structure).mean()


def check_pixel_loss(kind: PixelLoss, level_range: tuple[float, float] | None) -> None:
    """UserError where a pixel loss needs levels and the task, whose range this is, tells none."""
    if kind == "mse-by-level" and level_range is None:
        raise UserError("the loss mse-by-level: this task tells no level of noise; take psnr, l1 or mse")


def _pixel_loss(output: Tensor, clean: Tensor, kind: PixelLoss, level_B: Tensor | None) -> Tensor:
    if kind == "l1":
        return F.l1_loss(output, clean)
    if kind == "mse":
        return F.mse_loss(output, clean)
    squared_B = (output - clean).square().mean(dim=(1, 2, 3))
    if kind == "psnr":
        return torch.log10(squared_B + _UNSEEN_ERROR).mean()
    assert level_B is not None, "check_pixel_loss was not asked"
    weight_B = (_USUAL_LEVEL + _LEAST_LEVEL) / (level_B + _LEAST_LEVEL)
    return (squared_B * weight_B).mean()


def denoising_loss(
    output: Tensor,
    clean: Tensor,
    *,
    pixel: PixelLoss,
    ssim_weight: float,
    level_B: Tensor | None = None,
    mean_of_batch: Callable[[Tensor], Tensor] = lambda value: value,
) -> Tensor:
    """pixel loss + ssim_weight * log10(1 / SSIM) (HiNAS v2, Eq. 8), both float32 (B, C, H, W).

    `level_B`: of the noise in grey levels, for the pixel loss that is divided by it.
    `mean_of_batch` takes the SSIM of these rows to that of the whole batch, where they are a share of it: the logarithm
    of a mean is no mean of logarithms.
    """
    loss = _pixel_loss(output, clean, pixel, level_B)
    if ssim_weight > 0:
        # SSIM is at most 1 and can be negative on an untrained network; the logarithm needs it positive.
        loss = loss - ssim_weight * torch.log10(mean_of_batch(ssim(output, clean)).clamp(min=1e-4))
    return loss
