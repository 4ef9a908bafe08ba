"""Fold batch norms into the convolutions before them, and prove that the network's function stayed the same."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def with_folded_batchnorm(network: nn.Module) -> nn.Module:
    """A copy of an evaluation-mode network in which every Conv2d -> BatchNorm2d pair of a Sequential is one Conv2d.

    Raises ValueError where a batch norm is left that follows no convolution.
    """
    folded = deepcopy(network).eval()
    for parent in list(folded.modules()):
        if isinstance(parent, nn.Sequential):
            _fold_pairs(parent)
    left = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"batch norm {left[0]} follows no convolution and cannot be folded")
    return folded


def _fold_pairs(sequence: nn.Sequential) -> None:
    names = list(sequence._modules)
    for name, following in pairwise(names):
        first, second = sequence._modules[name], sequence._modules[following]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            with torch.no_grad():
                sequence._modules[name] = fuse_conv_bn_eval(first, second)
            sequence._modules[following] = nn.Identity()
