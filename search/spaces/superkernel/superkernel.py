"""A superkernel: one maximal kernel, of which a choice takes a part.

Shapes: B batch, I channels in, F filters, H, W size of the maps, K kernel sizes, Y, X the sides of the largest kernel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .search_settings import Mask


class Superkernel(nn.Module):
    """A convolution with its activation, weighted over its slices.

    The buffer `share_KF` says how much of each filter comes from each kernel size: for one slice 1 for its size and its
    filters, else 0; for a relaxed sample what lies between. It is given with every call, by `functional_call`.
    """

    share_KF: Tensor
    squares_KYX: Tensor
    """All-ones kernels of every size in the middle of the largest."""

    def __init__(
        self, in_channels: int, filters: int, kernels: Sequence[int], activation: nn.Module, mask: Mask
    ) -> None:
        super().__init__()
        largest = kernels[-1]
        self.convolution = nn.Conv2d(in_channels, filters, largest, padding=largest // 2)
        self.activation = activation
        self.kernels = tuple(kernels)
        self.mask: Mask = mask
        margins = [(largest - kernel) // 2 for kernel in kernels]
        squares = [F.pad(torch.ones(k, k), (m,) * 4) for k, m in zip(kernels, margins, strict=True)]
        self.register_buffer("squares_KYX", torch.stack(squares), persistent=False)
        whole = torch.zeros(len(kernels), filters)
        whole[-1] = 1
        self.register_buffer("share_KF", whole, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, W) -> (B, F, H, W)."""
        return self._full(x) if self.mask == "full" else self._separate(x)

    def _full(self, x: Tensor) -> Tensor:
        """One convolution with the superkernel times the averaged mask (eq. 4); exact but for the activation."""
        mask_FYX = (self.share_KF[:, :, None, None] * self.squares_KYX[:, None]).sum(0)
        # The mask of the biases is that of the kernel, averaged over all but the filters (section 4.5.4).
        weight, bias = self.convolution.weight * mask_FYX[:, None], self._bias * mask_FYX.mean((1, 2))
        return self.activation(F.conv2d(x, weight, bias, padding=self.kernels[-1] // 2))

    def _separate(self, x: Tensor) -> Tensor:
        """The sum of the slices' weighted activations (left side of eq. 5).

        Slices of one kernel size give the same values for the filters that they share, so that a size needs one
        convolution. ReLU and PReLU let a weight pass: it makes no difference whether it comes before or behind them.
        """
        total: Tensor | None = None
        for share_F, kernel in zip(self.share_KF, self.kernels, strict=True):
            weight, bias = sliced(self.convolution.weight, kernel), self._bias * self.bias_share(kernel)
            part = share_F[:, None, None] * self.activation(F.conv2d(x, weight, bias, padding=kernel // 2))
            total = part if total is None else total + part
        assert total is not None
        return total

    @property
    def _bias(self) -> Tensor:
        bias = self.convolution.bias
        assert bias is not None
        return bias

    def bias_share(self, kernel: int) -> float:
        """What a slice of this kernel size has of the biases."""
        return (kernel / self.kernels[-1]) ** 2


def sliced(kernel_FIYX: Tensor, size: int) -> Tensor:
    """The centred part of a kernel."""
    margin = (kernel_FIYX.shape[-1] - size) // 2
    return kernel_FIYX[:, :, margin : margin + size, margin : margin + size]
