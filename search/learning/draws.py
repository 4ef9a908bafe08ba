"""Random draws among options that gradients pass through to the logits of all options.

The generator is on the CPU, so that a search draws the same on every device.
"""

import torch
from torch import Tensor


def uniform_like(values: Tensor, generator: torch.Generator) -> Tensor:
    """Inside 0..1, never at its ends, where a logarithm is infinite; double precision, on the generator's device."""
    return torch.rand(values.shape, generator=generator, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)


def gumbel_like(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Noise that, added to the logits of some options, makes the largest of them a draw from their softmax."""
    return -(-uniform_like(logits, generator).log()).log().to(logits)


def straight_through(drawn: Tensor, soft: Tensor) -> Tensor:
    """The value of `drawn`, bit for bit, with the gradients of `soft` (GDAS, arXiv 1910.04465)."""
    return drawn + (soft - soft.detach())
