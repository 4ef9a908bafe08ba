"""The sampling of a modulated deformable 3x3 convolution (arXiv 1811.11168), which HiNAS v1 has among its operations.

It consists of a bilinear sampling that all engines have, so training and export compute the same.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_TAPS = 9


class Deformation(nn.Module):
    """What the nine taps of a 3x3 kernel see, each moved aside and weighted as two convolutions of the input say.

    A 1x1 convolution of the result is the deformable convolution. With `limit` a tap moves by at most so many pixels
    along each side.
    """

    tap_rows: Tensor
    tap_columns: Tensor

    def __init__(self, channels: int, limit: int | None) -> None:
        super().__init__()
        self.limit = limit
        self.offsets = nn.Conv2d(channels, 2 * _TAPS, 3, padding=1)
        self.weights = nn.Conv2d(channels, _TAPS, 3, padding=1)
        taps = torch.arange(_TAPS)
        self.register_buffer("tap_rows", (taps // 3 - 1).float().reshape(-1, 1, 1), persistent=False)
        self.register_buffer("tap_columns", (taps % 3 - 1).float().reshape(-1, 1, 1), persistent=False)

    def forward(self, x_BFHW: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, 9 * F, H, W), the taps of a channel side by side; outside the map is zero."""
        height, width = x_BFHW.shape[2:]
        offsets = self.offsets(x_BFHW)
        if self.limit is not None:
            offsets = self.limit * torch.tanh(offsets)
        down_BTHW, right_BTHW = offsets.chunk(2, dim=1)
        rows = torch.arange(height, device=x_BFHW.device, dtype=x_BFHW.dtype).reshape(-1, 1)
        columns = torch.arange(width, device=x_BFHW.device, dtype=x_BFHW.dtype)
        # Positions from -1 to 1 between the outer edges of the outer pixels, as grid_sample has them.
        y = (2 * (rows + self.tap_rows + down_BTHW) + 1) / height - 1
        x = (2 * (columns + self.tap_columns + right_BTHW) + 1) / width - 1
        grid = torch.stack([x, y], dim=-1).flatten(1, 2)
        seen = F.grid_sample(x_BFHW, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        weighted = seen.unflatten(2, (_TAPS, height)) * torch.sigmoid(self.weights(x_BFHW))[:, None]
        return weighted.flatten(1, 2)


@torch.no_grad()
def start_as_convolutions(network: nn.Module) -> None:
    """Let no tap of any deformable convolution be moved at first, and all weigh the same."""
    for module in network.modules():
        if isinstance(module, Deformation):
            for convolution in (module.offsets, module.weights):
                convolution.weight.zero_()
                assert convolution.bias is not None
                convolution.bias.zero_()
