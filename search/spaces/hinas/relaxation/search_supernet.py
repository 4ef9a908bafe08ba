"""The HiNAS space as the search sees it: the supernet with its alpha and beta."""

import math
from collections.abc import Mapping
from random import Random

import torch
from torch import Tensor, nn

from ....learning.kernel_optimizers import down_to_a_25th, kernel_optimizers
from ...interface import Block, SpaceDescription, own
from ...schedule import SearchSchedule
from ...searcher import Phase, SamplingSearcher
from ..blocks import blocks
from ..operations import start_as_convolutions
from ..random_networks import random_description, with_connections_changed, with_operations_replaced
from ..receptive_field import geometry
from ..search_settings import Settings
from ..space import NetworkDescription
from .architecture import Architecture, ArchitectureParameters, discretised_cells, one_hot_architecture
from .drawn_architecture import drawn_architecture, with_skips_left_out
from .expected_cost import expected_blocks, expected_halo
from .inheritance import inherited_network
from .supernet import Supernet


class HinasSearcher(SamplingSearcher):
    """HiNAS v2's supernet: alpha and beta learn on A once the kernels, which learn on W, have warmed up."""

    def __init__(self, settings: Settings, channels: int, scale: int = 1) -> None:
        super().__init__()
        self.settings = settings
        self.channels = channels
        self.out_channels = channels * scale**2
        self.supernet = Supernet(settings, channels, scale)
        self.architecture = ArchitectureParameters(settings)
        self.conditioned = settings.conditioning is not None
        self.stride = self.supernet.stride * max(self.supernet.strides)

    def phases(self, schedule: SearchSchedule) -> tuple[Phase, ...]:
        """A step of alpha and beta on A, then a step of the kernels on W (HiNAS v2, section 4.1)."""
        architecture, kernels = self.architecture_parameters(), list(self.supernet.parameters())
        adam = torch.optim.Adam(
            architecture,
            lr=schedule.architecture_learning_rate,
            betas=schedule.architecture_betas,
            weight_decay=schedule.architecture_weight_decay,
        )
        return (
            Phase(
                name="architecture",
                split="architecture",
                learns=frozenset({"architecture"}),
                parameters=architecture,
                optimizers=[adam],
                first_epoch=schedule.warm_up,
            ),
            Phase(
                name="kernel",
                split="kernels",
                learns=frozenset({"kernels"}),
                parameters=kernels,
                optimizers=kernel_optimizers(kernels, schedule.kernel_optimizer, schedule.kernel_rate),
                rate_factor=down_to_a_25th,
            ),
        )

    def architecture_parameters(self) -> list[nn.Parameter]:
        """Alpha and beta; without a choice of widths there is no beta."""
        parameters = [self.architecture.alpha]
        return parameters if self.settings.width_search != "searched" else [*parameters, self.architecture.beta]

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None) -> Tensor:
        """Denoise with softmax(alpha) and softmax(beta); in training with what `set_mixing` makes of them."""
        architecture = self._drawn(len(noisy_BCHW)) if self.training else self.architecture()
        return self.supernet(noisy_BCHW, sigma_B, architecture)

    def _drawn(self, batch: int) -> Architecture:
        mixed = (
            self.architecture()
            if self.mixing.mixture == "softmax"
            else drawn_architecture(self.architecture, self.generator)
        )
        rate, ranks = self.mixing.skip_dropout, self.mixing.ranks
        return with_skips_left_out(mixed, rate, batch=batch, generator=self.generator, ranks=ranks) if rate else mixed

    def forward_single(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, description: SpaceDescription) -> Tensor:
        """Denoise with the one-hot architecture of a description."""
        one_hot = one_hot_architecture(own(description, NetworkDescription).cells, self.settings, noisy_BCHW.device)
        return self.supernet(noisy_BCHW, sigma_B, one_hot)

    def set_temperature(self, temperature: float) -> None:
        """Of both softmaxes, alpha's and beta's."""
        self.architecture.temperature.fill_(temperature)

    def description(self) -> NetworkDescription:
        """Top-2 edges of every node and the Viterbi path of levels."""
        with torch.no_grad():
            now = self.architecture()
        operations = torch.stack(now.operations).cpu().numpy()
        routing = torch.stack(now.exits).cpu().numpy()
        return self.settings.description(discretised_cells(operations, routing, self.settings))

    def random_description(self, draw: Random) -> NetworkDescription:
        """Random cells on a random path of levels."""
        return random_description(self.settings, draw)

    def inherited_network(self, description: SpaceDescription) -> nn.Module:
        """The compact network at the search width with batch norm and the supernet's kernels."""
        return inherited_network(self.supernet, own(description, NetworkDescription), self.channels)

    def blocks_of(self, description: SpaceDescription) -> Mapping[Block, int]:
        """Counts of the compact network."""
        return blocks(own(description, NetworkDescription), self.out_channels)

    def expected_blocks(self) -> Mapping[Block, Tensor]:
        """Expected counts under softmax(alpha) and softmax(beta)."""
        return expected_blocks(self.architecture(), self.settings, self.out_channels)

    def halo_of(self, description: SpaceDescription) -> int:
        """Of the compact network."""
        return geometry(own(description, NetworkDescription)).halo

    def expected_halo(self) -> Tensor:
        """Expected under softmax(alpha) and softmax(beta)."""
        return expected_halo(self.architecture(), self.settings)

    def entropies_bits(self) -> Mapping[str, float]:
        """Mean over edges of alpha's entropy, and over the levels that have a choice of beta's."""
        with torch.no_grad():
            now = self.architecture()
            found = {"alpha": _entropy_bits(torch.stack(now.operations)).mean().item()}
            choices = self._choices_of_exits()
            if bool(choices.any()):
                found["beta"] = _entropy_bits(torch.stack(now.exits))[choices].mean().item()
        return found

    def largest_entropies_bits(self) -> Mapping[str, float]:
        """The logarithms of how many operations and exits there are, as means over the same places."""
        largest = {"alpha": math.log2(len(self.settings.candidates))}
        choices = self._choices_of_exits()
        if bool(choices.any()):
            largest["beta"] = self.architecture.allowed.sum(-1)[choices].float().log2().mean().item()
        return largest

    def _choices_of_exits(self) -> Tensor:
        """(layers, H) which levels have a choice that is learnt."""
        several = self.architecture.allowed.sum(-1) > 1
        return several if self.settings.width_search == "searched" else torch.zeros_like(several)

    def perturbed(self, description: SpaceDescription, draw: Random) -> Mapping[str, SpaceDescription]:
        """The paper's R1 (an operation of each cell replaced) and R2 (a connection of each cell changed)."""
        found = own(description, NetworkDescription)
        replaced = with_operations_replaced(found, self.settings.operations, draw)
        return {"r1": replaced, "r2": with_connections_changed(found, draw)}


def build_supernet(settings: Settings, channels: int, scale: int = 1) -> HinasSearcher:
    """A fresh supernet for a task that enlarges `scale` times.

    The last convolution starts at zero, so that a residual one begins as the identity.
    """
    supernet = HinasSearcher(settings, channels, scale)
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    start_as_convolutions(supernet)
    if settings.residual:
        nn.init.zeros_(supernet.supernet.end.last.weight)
    supernet.seed_draws()
    return supernet


def _entropy_bits(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp_min(1e-30).log2()).sum(-1)
