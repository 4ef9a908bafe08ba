"""A convolution of 3x3 by Winograd's algorithm, with its gradients, and networks that compute with it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .compiled import LANES, POSITIONS, Transforms

FEWEST_CHANNELS = 32
"""With fewer channels the transforms take longer than the products save."""

_KERNEL = torch.tensor(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
     [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]], dtype=torch.float64,
)  # fmt: skip
_KERNEL_2D = torch.kron(_KERNEL, _KERNEL).float()
"""(POSITIONS, 9): G g G^T of a kernel g (Lavin and Gray, arXiv 1509.09308, section 4)."""

_SUM = 7
"""The position whose value counts once in each pixel of a tile: (1, 1), where all of A^T is 1."""


def with_winograd(network: nn.Module, transforms: Transforms) -> nn.Module:
    """The network with WinogradConv2d where that is faster: it shares all parameters, under the same names.

    It changes `network` itself where that is not a convolution.
    """
    if isinstance(network, nn.Conv2d):
        return WinogradConv2d(network, transforms) if _suits(network) else network
    for name, module in network.named_children():
        setattr(network, name, with_winograd(module, transforms))
    return network


def _suits(convolution: nn.Conv2d) -> bool:
    channels = (convolution.in_channels, convolution.out_channels)
    return (
        convolution.kernel_size == (3, 3)
        and (convolution.stride, convolution.padding, convolution.dilation) == ((1, 1), (1, 1), (1, 1))
        and (convolution.groups, convolution.padding_mode) == (1, "zeros")
        and min(channels) >= FEWEST_CHANNELS
        and all(count % LANES == 0 for count in channels)
    )


class WinogradConv2d(nn.Conv2d):
    """A convolution with the parameters of another one: the same function, up to rounding, on float32 on the CPU.

    A kernel that needs no gradient must not change any more.
    """

    def __init__(self, like: nn.Conv2d, transforms: Transforms) -> None:
        super().__init__(
            like.in_channels, like.out_channels, 3, padding=1, bias=like.bias is not None, device=torch.device("meta")
        )
        self.weight, self.bias = like.weight, like.bias
        self.train(like.training)
        self._transforms = transforms
        # Contiguous the way forward multiplies with it.
        self._products = None if like.weight.requires_grad else _transformed(like.weight).mT.contiguous().mT

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, H, W), channels last."""
        products = _Products.apply(self.weight) if self._products is None else self._products
        return _Winograd.apply(input, products, self.bias, self._transforms)


class _Products(torch.autograd.Function):
    """(K, C, 3, 3) to (POSITIONS, K, C): G g G^T of each kernel g."""

    @staticmethod
    def forward(ctx: Any, kernel: Tensor) -> Tensor:
        return _transformed(kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = gradients
        kernels = _KERNEL_2D.mT @ gradient.reshape(POSITIONS, -1)
        return kernels.view(3, 3, *gradient.shape[1:]).permute(2, 3, 0, 1)


class _Winograd(torch.autograd.Function):
    """Images (N, C, H, W), products (POSITIONS, K, C) and a bias (K) or None to (N, K, H, W)."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, products: Tensor, bias: Tensor | None, transforms: Transforms) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        planes = transforms.input(images)
        ctx.save_for_backward(planes, products)
        ctx.transforms, ctx.shape = transforms, images.shape
        # On processors a product with a transposed factor takes longer than this copy and a plain one.
        result = torch.bmm(planes, products.mT.contiguous())
        if bias is not None:
            result[_SUM] += bias
        return transforms.output(result, torch.Size((images.shape[0], products.shape[1], *images.shape[2:])))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        planes, products = ctx.saved_tensors
        gradient = ctx.transforms.output_gradient(gradients[0].contiguous(memory_format=torch.channels_last))
        needs_images, needs_products, needs_bias, _ = ctx.needs_input_grad
        return (
            ctx.transforms.input_gradient(torch.bmm(gradient, products), ctx.shape) if needs_images else None,
            torch.bmm(gradient.mT, planes) if needs_products else None,
            gradient[_SUM].sum(0) if needs_bias else None,
            None,
        )


def _transformed(kernel: Tensor) -> Tensor:
    return (_KERNEL_2D @ kernel.detach().permute(2, 3, 0, 1).reshape(9, -1)).view(POSITIONS, *kernel.shape[:2])
