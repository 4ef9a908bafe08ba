"""From a network's last feature maps to the image: blocks of pixels, and what a residual network begins with.

Shapes: B batch, C image channels, H, W input size; S = stride times scale.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..bicubic import ENLARGEMENT_REACH, enlarging_kernels


class ImageOutput(nn.Module):
    """A residual network predicts the noise, or what bicubic enlargement makes wrong. Holds nothing that learns."""

    def __init__(self, channels: int, *, stride: int, scale: int, residual: bool) -> None:
        super().__init__()
        self.stride, self.scale = stride, scale
        self.residual = residual
        self.base = BicubicEnlargement(channels, scale) if residual and scale > 1 else nn.Identity()

    def forward(self, maps: Tensor, image_BCHW: Tensor) -> Tensor:
        """(B, C * S * S, H / stride, W / stride) and the input (B, C, H, W) -> (B, C, scale * H, scale * W)."""
        if not self.residual:
            return _shuffled(maps, self.stride * self.scale)
        base = self.base(image_BCHW)
        if self.stride == 1:
            # Both are maps of the same blocks: one shuffle does.
            return _shuffled(base - maps, self.scale)
        return _shuffled(base, self.scale) - _shuffled(maps, self.stride * self.scale)


def _shuffled(maps: Tensor, block: int) -> Tensor:
    return F.pixel_shuffle(maps, block) if block > 1 else maps


class BicubicEnlargement(nn.Module):
    """Bicubic enlargement by a whole factor, exact away from the border: a convolution, before a pixel shuffle.

    Only operators that every inference library computes alike; `Resize` has conventions. Beyond the border the image
    goes on as its last pixels, so that any size from 1x1 up works.
    """

    kernels: Tensor

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.channels = channels
        line = torch.from_numpy(enlarging_kernels(scale)).float()
        square = torch.einsum("ay,bx->abyx", line, line).reshape(scale * scale, 1, line.shape[1], line.shape[1])
        # Not in weight files: it follows from the scale.
        self.register_buffer("kernels", square.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C * scale * scale, H, W)."""
        if torch.is_autocast_enabled(image_BCHW.device.type):
            # The picture itself is not to be rounded to bf16's 8 bits.
            with torch.autocast(image_BCHW.device.type, enabled=False):
                return self._enlarged(image_BCHW)
        return self._enlarged(image_BCHW)

    def _enlarged(self, image_BCHW: Tensor) -> Tensor:
        # Slices and concatenations, not ONNX's Pad, of which TensorRT 8.6 knows older versions alone.
        top, bottom = image_BCHW[:, :, :1], image_BCHW[:, :, -1:]
        tall = torch.cat([top] * ENLARGEMENT_REACH + [image_BCHW] + [bottom] * ENLARGEMENT_REACH, dim=2)
        left, right = tall[..., :1], tall[..., -1:]
        around = torch.cat([left] * ENLARGEMENT_REACH + [tall] + [right] * ENLARGEMENT_REACH, dim=3)
        return F.conv2d(around, self.kernels, groups=self.channels)
