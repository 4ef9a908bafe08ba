"""Clean images held in memory as one flat tensor, and random augmented patches gathered from it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError


class PatchSource:
    """Random patches, flipped and turned, gathered on the device that holds the images.

    All pixels lie in one flat uint8 tensor, so that a batch is one gather: on a GPU nothing waits for the host.
    """

    def __init__(self, images: Sequence[np.ndarray], *, device: torch.device) -> None:
        heights = torch.tensor([image.shape[0] for image in images])
        widths = torch.tensor([image.shape[1] for image in images])
        sizes = heights * widths
        # Kept as a number of the host, so that no draw waits for the device.
        self.smallest_side = int(torch.minimum(heights, widths).min())
        self.channels = images[0].shape[2]
        self.heights = heights.to(device)
        self.widths = widths.to(device)
        self.offsets = (torch.cumsum(sizes, 0) - sizes).to(device)
        flat = np.concatenate([image.reshape(-1, self.channels) for image in images])
        self.pixels = torch.from_numpy(flat).to(device)

    def draw(self, batch: int, crop: int, generator: torch.Generator) -> Tensor:
        """A batch of clean patches, (batch, C, crop, crop) float32 in 0..1, channels-last in memory.

        UserError where an image is smaller than a patch, which would reach into the image after it.
        """
        if crop > self.smallest_side:
            raise UserError(
                f"crop: got {crop}, but an image has a side of {self.smallest_side} pixels; give a smaller crop or "
                "larger images"
            )
        device = self.pixels.device
        uniform = torch.rand(4, batch, generator=generator, device=device)
        which = _index_below(uniform[0], torch.tensor(len(self.offsets), device=device))
        top = _index_below(uniform[1], self.heights[which] - crop + 1)
        left = _index_below(uniform[2], self.widths[which] - crop + 1)
        turn = _index_below(uniform[3], torch.tensor(8, device=device)).reshape(-1, 1, 1)
        steps = torch.arange(crop, device=device)
        row, column = steps.reshape(1, -1, 1), steps.reshape(1, 1, -1)
        row, column = torch.where(turn % 2 == 1, column, row), torch.where(turn % 2 == 1, row, column)
        row = torch.where(turn // 2 % 2 == 1, crop - 1 - row, row)
        column = torch.where(turn // 4 % 2 == 1, crop - 1 - column, column)
        where = (
            self.offsets[which].reshape(-1, 1, 1)
            + (top.reshape(-1, 1, 1) + row) * self.widths[which].reshape(-1, 1, 1)
            + left.reshape(-1, 1, 1)
            + column
        )
        return self.pixels[where].permute(0, 3, 1, 2).float() / 255


def _index_below(uniform: Tensor, limit: Tensor) -> Tensor:
    """Whole numbers in 0..limit-1 from uniform numbers in 0..1."""
    return torch.minimum((uniform * limit).long(), limit - 1)
