"""Train the noise network: its loss, its optimizers and the loop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..learning.muon import Muon
from ..training.learning_rate import learning_rate_factor
from .batches import NoiseBatch
from .network import LEVEL_OFFSET, NoiseNetwork

_KIND_WEIGHT = 0.3
"""What telling the kind of noise counts beside its level."""
_LEAST_TOLD = 1.5
"""Grey levels: below this the kind of the noise is not asked for."""
_LEVEL_BETA = 0.2
"""Errors of the logarithm above this count linearly."""
_KERNEL_RATE, _OTHER_RATE = 5e-3, 3e-3
_WEIGHT_DECAY = 1e-4
_WARMUP = 100
"""Iterations over which the learning rate rises from 0."""
_GRADIENT_CLIP = 1.0


@dataclass(frozen=True, kw_only=True)
class NoiseLoss:
    """What the network gets wrong in a batch."""

    level: Tensor
    """Smooth L1 of log(level + `LEVEL_OFFSET`); 0.1 is about a fifth too much or too little."""
    kind: Tensor
    """Binary cross entropy of whiteness where there is enough noise to tell; log 2 knows nothing."""

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.level + _KIND_WEIGHT * self.kind


def noise_loss(network: NoiseNetwork, batch: NoiseBatch) -> NoiseLoss:
    """The loss of one batch, its two parts as scalars."""
    log_levels_B, whiteness_B = network(batch.crops_BCHW)
    is_told_B = (batch.levels_B > _LEAST_TOLD).float()
    kinds_B = F.binary_cross_entropy_with_logits(whiteness_B, batch.is_white_B, reduction="none")
    return NoiseLoss(
        level=F.smooth_l1_loss(log_levels_B, (batch.levels_B + LEVEL_OFFSET).log(), beta=_LEVEL_BETA),
        kind=(kinds_B * is_told_B).sum() / is_told_B.sum().clamp(min=1),
    )


def train_noise_network(
    network: NoiseNetwork,
    batches: Iterator[NoiseBatch],
    *,
    iterations: int,
    report: Callable[[NoiseLoss], object],
) -> None:
    """Train in place along a cosine; `report` gets the loss of every iteration, before its step."""
    optimizers = _optimizers(network)
    for iteration, batch in enumerate(islice(batches, iterations)):
        factor = learning_rate_factor(iteration, warmup=_WARMUP, iterations=iterations, schedule="cosine")
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
        loss = noise_loss(network, batch)
        network.zero_grad()
        loss.total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_CLIP)
        for optimizer in optimizers:
            optimizer.step()
        report(NoiseLoss(level=loss.level.detach(), kind=loss.kind.detach()))


def _optimizers(network: NoiseNetwork) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions' kernels, AdamW for the rest."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    others = [parameter for parameter in network.parameters() if parameter.ndim < 4]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(kernels, lr=_KERNEL_RATE),
        torch.optim.AdamW(others, lr=_OTHER_RATE, weight_decay=_WEIGHT_DECAY),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers
