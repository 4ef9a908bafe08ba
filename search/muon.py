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


def orthogonalised(matrix: Tensor, *, steps: int = 5) -> Tensor:
    """A 2-D tensor with its singular values driven to about 1 (0.7..1.2), by Newton-Schulz iterations."""
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(Optimizer):
    """Muon with Nesterov momentum for 4-D convolution weights, each seen as an (out, in * k * k) matrix."""

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

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
                update = parameter.grad.lerp(average, group["momentum"]).flatten(1)
                scale = 0.2 * max(update.shape) ** 0.5
                parameter.add_(orthogonalised(update).view_as(parameter), alpha=-group["lr"] * scale)
