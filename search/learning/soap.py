"""SOAP: Adam in the eigenbases of a kernel's gradients, for the convolution kernels of a network without norms.

Source: Vyas et al., "SOAP: improving and stabilizing Shampoo using Adam" (2024, arXiv 2409.11321, algorithm 3), here
with a basis for each of a kernel's three axes: outputs, inputs and places. The steps have the size of Muon's
(`muon.py`), so that rates and decays that suit the one suit the other.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_TINY = 1e-12
"""Kernels whose output is multiplied with 0 have no gradient at first."""
_STEP_SIZE = 0.2
"""Root mean square of an update at a rate of 1: that of Muon (Liu et al. 2025, section 2.2)."""


class Soap(Optimizer):
    """SOAP with Nesterov momentum for convolution weights (out, in, k, k).

    `decay` is of the running means of the squares and of the products of gradients. The bases follow the products by
    one step of orthogonal iteration every `basis_every` steps. Every step shrinks the weights by `lr * weight_decay`.
    The first gradient only chooses the bases, and moves nothing.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        lr: float,
        momentum: float = 0.95,
        decay: float = 0.95,
        weight_decay: float = 0.0,
        basis_every: int = 10,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "decay": decay, "weight_decay": weight_decay}
        super().__init__(parameters, {**defaults, "basis_every": basis_every})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(_update(self.state[parameter], parameter.grad, group), alpha=-group["lr"])


def _update(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
    """What the weights are moved against at a rate of 1; the state is brought up to date.

    Momentum and squares are in the bases and have the kernel's shape. Products and bases are of its axes.
    """
    axes = _as_axes(gradient)
    if not state:
        state["products"] = _products(axes)
        # The strongest directions first, as the iteration of the bases keeps them.
        state["bases"] = tuple(torch.linalg.eigh(product)[1].flip(1) for product in state["products"])
        state.update(steps=0, momentum=torch.zeros_like(gradient), squares=torch.zeros_like(gradient))
        return torch.zeros_like(gradient)
    state["steps"] += 1
    kept = group["decay"]
    state["products"] = tuple(
        mean.lerp(product, 1 - kept) for mean, product in zip(state["products"], _products(axes), strict=True)
    )
    seen = _in_bases(axes, state["bases"])
    momentum = _as_axes(state["momentum"]).lerp(seen, 1 - group["momentum"])
    squares = _as_axes(state["squares"]).lerp(seen.square(), 1 - kept)
    ahead = seen.lerp(momentum, group["momentum"])
    # No correction of the means' beginning: it is one factor, and the size of the update is set below.
    update = _in_bases(ahead / (squares.sqrt() + _TINY), tuple(basis.mT for basis in state["bases"]))
    if state["steps"] % group["basis_every"] == 0:
        state["bases"], momentum, squares = _followed(state["bases"], state["products"], momentum, squares)
    state["momentum"], state["squares"] = _as_kernel(momentum, gradient), _as_kernel(squares, gradient)
    return _as_kernel(update * (_STEP_SIZE / (update.square().mean().sqrt() + _TINY)), gradient)


def _products(axes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each axis: the inner products of the gradient's slices along it."""
    outputs, inputs = axes.flatten(1), axes.flatten(0, 1)
    return outputs @ outputs.mT, (axes @ axes.mT).sum(0), inputs.mT @ inputs


def _in_bases(axes: Tensor, bases: tuple[Tensor, ...]) -> Tensor:
    """The same tensor, seen along the columns of the bases of its three axes."""
    outputs, places, inputs = bases
    seen = (axes.flatten(0, 1) @ inputs).view_as(axes)
    seen = (outputs.mT @ seen.flatten(1)).view_as(axes)
    return places.mT @ seen


def _followed(
    bases: tuple[Tensor, ...], products: tuple[Tensor, ...], momentum: Tensor, squares: Tensor
) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """The bases, moved towards the eigenvectors of the products, and momentum and squares as they are seen in them."""
    moved = []
    for axis, (basis, product) in enumerate(zip(bases, products, strict=True)):
        image = product @ basis
        order = (basis * image).sum(0).argsort(descending=True)
        moved.append(torch.linalg.qr(image[:, order])[0])
        squares = squares.index_select(axis, order)
    changes = tuple(old.mT @ new for old, new in zip(bases, moved, strict=True))
    return tuple(moved), _in_bases(momentum, changes), squares


def _as_axes(kernel: Tensor) -> Tensor:
    """(out, in, k, k) as (out, k * k, in), which is how channels_last has it in memory."""
    return kernel.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def _as_kernel(axes: Tensor, like: Tensor) -> Tensor:
    out, inputs, rows, columns = like.shape
    return axes.view(out, rows, columns, inputs).permute(0, 3, 1, 2)
