"""Samples of choices that gradients pass through: Gumbel-softmax and relaxed Bernoulli (the paper's reference 17).

Noise added to the logits makes a sample; none makes the expectation. As the temperature falls both come to a decision.
"""

import torch
from torch import Tensor

from ...learning.draws import uniform_like


def logistic_like(logits: Tensor, generator: torch.Generator) -> Tensor:
    """For choices between yes and no, one for each logit."""
    uniform = uniform_like(logits, generator)
    return (uniform.log() - (-uniform).log1p()).to(logits)


def softmax(logits: Tensor, added: Tensor | None, temperature: Tensor) -> Tensor:
    """Weights of all options together, which sum to 1, of the shape of the logits."""
    sampled = logits if added is None else logits + added
    return (sampled.flatten() / temperature).softmax(0).reshape(logits.shape)


def sigmoid(logits: Tensor, added: Tensor | None, temperature: Tensor) -> Tensor:
    """Weights of yes, one for each logit."""
    return ((logits if added is None else logits + added) / temperature).sigmoid()
