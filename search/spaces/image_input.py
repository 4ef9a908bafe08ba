"""From the image to a network's first feature maps: blocks of pixels as channels, the map of the strength.

Shapes: B batch, C image channels, H, W image size; S = stride.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def maps_of_image(noisy_BCHW: Tensor, sigma_B: Tensor | None, *, stride: int, conditioned: bool) -> Tensor:
    """(B, C, H, W) in 0..1 -> (B, C * S * S, H / S, W / S), and one channel more, sigma / 255, if conditioned.

    ValueError where a conditioned network is not told sigma, shape (B,), grey levels 0..255.
    """
    x = F.pixel_unshuffle(noisy_BCHW, stride) if stride > 1 else noisy_BCHW
    if not conditioned:
        return x
    if sigma_B is None:
        raise ValueError("a network conditioned on sigma needs sigma, shape (B,), grey levels 0..255")
    level = (sigma_B / 255).reshape(-1, 1, 1, 1).to(x.dtype)
    return torch.cat([x, level.expand(-1, 1, x.shape[2], x.shape[3])], dim=1)
