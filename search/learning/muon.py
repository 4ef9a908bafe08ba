"""Muon: momentum steps made orthogonal, for the convolution kernels of a network without norms.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the step scaled as in
Liu et al., "Muon is scalable for LLM training" (2025, section 2.2). `torch.optim.Muon` takes matrices only.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

# Coefficients of the quintic iteration that drives every singular value towards 1 (Jordan et al. 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrices: Tensor, *, steps: int = 5) -> Tensor:
    """(..., R, C): each matrix with its singular values driven to about 1 (0.7..1.2), by Newton-Schulz iterations."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = _product_of_factors(x @ x.mT, steps) @ x
    return x.mT if tall else x


def _product_of_factors(gram: Tensor, steps: int) -> Tensor:
    """What the iterations of x multiply it with from the left, found from x x^T alone.

    Each multiplies by a polynomial of the Gram matrix of its own x, and all of them commute. A kernel's matrix is about
    nine times as wide as it is high, so that small products take the place of wide ones.
    """
    a, b, c = _QUINTIC
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    product = identity
    for step in range(steps):
        factor = a * identity + b * gram + c * gram @ gram
        product = factor @ product if step else factor
        if step < steps - 1:
            gram = factor @ gram @ factor
    return product


class Muon(Optimizer):
    """Muon with Nesterov momentum for convolution weights (..., out, in, k, k), seen as matrices (out, in * k * k).

    Every step shrinks the weights by `lr * weight_decay` (Liu et al. 2025, equation 3). Steps of noise are as large as
    others, so that without it weights grow like a random walk.
    """

    def __init__(
        self, parameters: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                average = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(average, group["momentum"]).flatten(-3)
                scale = 0.2 * max(update.shape[-2:]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonalised(update).view_as(parameter), alpha=-group["lr"] * scale)
