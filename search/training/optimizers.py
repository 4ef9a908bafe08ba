"""Which optimizer takes which weights of a network, and whether a saved optimizer is of the same weights."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..learning.muon import Muon
from ..learning.soap import Soap
from .training_settings import TrainingSettings


@runtime_checkable
class NamesItsOutput(Protocol):
    """A network whose convolution that makes the image is not the last one among its modules."""

    @property
    def output_convolution(self) -> nn.Conv2d:
        """The one whose output is the image, in blocks of pixels."""
        ...


def optimizers_of(network: nn.Module, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
    """Fresh optimizers that take each weight once; `initial_lr` of their groups is the highest rate."""
    rate, decay = settings.learning_rate, settings.weight_decay
    optimizers: list[torch.optim.Optimizer]
    if settings.optimizer == "sgd":
        optimizers = [torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=decay)]
    elif settings.optimizer == "adam":
        optimizers = [torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=decay)]
    else:
        kernels, rest = kernels_and_rest(network)
        # Half of the kernels' rate: the step size Adam itself was best with in the same schedule as Muon.
        optimizers = [torch.optim.Adam(rest, lr=rate / 2, betas=(0.9, 0.99))]
        if kernels:
            # A network of two convolutions has none between them.
            of_kernels = Soap if settings.optimizer == "soap" else Muon
            optimizers.insert(0, of_kernels(kernels, lr=rate, weight_decay=decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


def kernels_and_rest(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Hidden dense kernels for Muon or SOAP; the first and last convolution, depthwise kernels and vectors for Adam."""
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    last = network.output_convolution if isinstance(network, NamesItsOutput) else convolutions[-1]
    kernels: list[Tensor] = [module.weight for module in convolutions[1:] if module is not last and module.groups == 1]
    chosen = {id(weight) for weight in kernels}
    return kernels, [parameter for parameter in network.parameters() if id(parameter) not in chosen]


def is_of_the_same_weights(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> bool:
    """Whether all that a saved optimizer keeps of its weights, in their order, has the shapes of this one's."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kept = [(index, value) for index, values in saved["state"].items() for value in values.values()]
    # Counts of steps have no axes.
    tensors = [(index, value) for index, value in kept if isinstance(value, Tensor) and value.ndim > 0]
    return all(index < len(weights) and value.shape == weights[index].shape for index, value in tensors)
