"""How a supernet's kernels learn: their optimizers and the fall of their learning rate."""

import math

import torch
from torch import nn

from .choices import KernelOptimizer
from .muon import Muon


def kernel_optimizers(
    parameters: list[nn.Parameter], kind: KernelOptimizer, rate: float
) -> list[torch.optim.Optimizer]:
    """Fresh optimizers of a supernet's kernels at a learning rate; SGD is the papers', with momentum and decay."""
    if kind == "adam":
        return [torch.optim.Adam(parameters, lr=rate)]
    if kind == "sgd":
        return [torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=3e-4)]
    mixing = [parameter for parameter in parameters if parameter.ndim >= 4 and parameter.shape[-3] > 1]
    chosen = {id(parameter) for parameter in mixing}
    rest = [parameter for parameter in parameters if id(parameter) not in chosen]
    # Depthwise kernels and biases get half of Muon's rate, as in the training of compact networks.
    return [Muon(mixing, lr=rate), torch.optim.Adam(rest, lr=rate / 2)]


def down_to_a_25th(done: float) -> float:
    """A cosine from 1 to 0.04, by the share of the epochs that is done."""
    return 0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * done))
