"""The CLEARER space as the search sees it: every place a mix of both kinds of modules, and the logits of the mixes."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random

import torch
from torch import Tensor, nn

from ...learning.batch_norm import BatchNormOfBatch
from ...learning.draws import gumbel_like, straight_through
from ...learning.kernel_optimizers import down_to_a_25th, kernel_optimizers
from ..interface import Block, SpaceDescription, own
from ..schedule import SearchSchedule
from ..searcher import Phase, SamplingSearcher
from .blocks import blocks
from .expected_cost import expected_blocks, expected_halo
from .modules import Branches, module_of
from .network import ClearerNetwork, Frame, Stages, initialise
from .random_networks import random_description, with_modules_replaced
from .receptive_field import geometry
from .search_settings import MODULES, Settings
from .space import Module, NetworkDescription

_LAST_SCALE = 0.1
"""Behind the supernet's last convolution, which has no norm and swings at the paper's learning rate of 0.025."""


class ClearerSearcher(SamplingSearcher):
    """The supernet: the logits of the modules learn on A once the kernels, which learn on W, have warmed up."""

    temperature: Tensor

    def __init__(self, settings: Settings, channels: int) -> None:
        super().__init__()
        self.settings = settings
        self.channels = channels
        shape = settings.of_one_kind("parallel")
        self.conditioned = settings.conditioning is not None
        self.stride = shape.strides[-1]
        self.frame = Frame(shape, channels, BatchNormOfBatch, last_scale=_LAST_SCALE)
        self.stages = nn.ModuleList(
            nn.ModuleList(Place(shape.widths[: 2 + stage]) for _ in range(settings.modules))
            for stage in range(settings.num_stages)
        )
        self.logits = nn.Parameter(1e-3 * torch.randn(settings.num_stages, settings.modules, len(MODULES)))
        self.register_buffer("temperature", torch.ones(()))
        initialise(self)
        if settings.residual:
            nn.init.zeros_(self.frame.last.weight)
        self.seed_draws()

    def phases(self, schedule: SearchSchedule) -> tuple[Phase, ...]:
        """A step of the logits on A, then a step of the kernels on W."""
        kernels = [parameter for parameter in self.parameters() if parameter is not self.logits]
        adam = torch.optim.Adam(
            [self.logits],
            lr=schedule.architecture_learning_rate,
            betas=schedule.architecture_betas,
            weight_decay=schedule.architecture_weight_decay,
        )
        return (
            Phase(
                name="architecture",
                split="architecture",
                learns=frozenset({"architecture"}),
                parameters=[self.logits],
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

    def probabilities(self) -> Tensor:
        """(stages, modules, 2): how much of a place is a parallel module, and how much a fusion module."""
        return (self.logits.float() / self.temperature).softmax(-1)

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None) -> Tensor:
        """Denoise with every place the mix that its logits say, or in training the module that was drawn."""
        draws = self.training and self.mixing.mixture == "sampled"
        mixed = self._drawn_modules() if draws else self._mixed_modules()
        return self.frame(noisy_BCHW, sigma_B, mixed)

    def _mixed_modules(self) -> Stages:
        return [
            [partial(place, weights=weights) for place, weights in zip(places, of_stage, strict=True)]
            for places, of_stage in zip(self._places(), self.probabilities(), strict=True)
        ]

    def _drawn_modules(self) -> Stages:
        """One module at every place, a draw by its probability; its weight is 1 and carries gradients to the logits."""
        noisy = self.logits.float() + gumbel_like(self.logits, self.generator)
        soft, drawn = (noisy / self.temperature).softmax(-1), noisy.argmax(-1)
        weights = straight_through(torch.ones_like(noisy), soft)
        return [
            [partial(place.weighted, index, weight[index]) for place, weight, index in zip(*of_stage, strict=True)]
            for of_stage in zip(self._places(), weights, drawn.tolist(), strict=True)
        ]

    def forward_single(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, description: SpaceDescription) -> Tensor:
        """Denoise with one module at every place."""
        return self.frame(noisy_BCHW, sigma_B, self._chosen(own(description, NetworkDescription)))

    def added_loss(self, phase: Phase) -> Tensor | None:
        """Entropy, which pushes to a decision, and expected complexity, where the architecture learns."""
        if "architecture" not in phase.learns:
            return None
        probabilities = self.probabilities()
        complexity = (probabilities * probabilities.new_tensor(self.settings.complexities)).sum(-1).mean()
        entropy = _binary_entropies(probabilities).mean()
        return self.settings.entropy_weight * entropy + self.settings.complexity_weight * complexity

    def set_temperature(self, temperature: float) -> None:
        """Of the softmax over the modules of a place."""
        self.temperature.fill_(temperature)

    def description(self) -> NetworkDescription:
        """The more probable module of every place."""
        chosen = self.logits.detach().argmax(-1).tolist()
        return self.settings.description([[MODULES[index] for index in stage] for stage in chosen])

    def random_description(self, draw: Random) -> NetworkDescription:
        """Each module drawn evenly."""
        return random_description(self.settings, draw)

    def inherited_network(self, description: SpaceDescription) -> nn.Module:
        """The network with batch norm and the supernet's kernels; its norms have not seen running means yet."""
        described = own(description, NetworkDescription).model_copy(update={"normalisation": "batch"})
        network = ClearerNetwork(described, self.channels, nn.BatchNorm2d)
        _copy(network.frame, self.frame)
        with torch.no_grad():
            network.frame.last.weight.mul_(_LAST_SCALE)
        for targets, sources in zip(network.stages.children(), self._chosen(described), strict=True):
            for target, source in zip(targets.children(), sources, strict=True):
                _copy(target, source)
        return network

    def blocks_of(self, description: SpaceDescription) -> Mapping[Block, int]:
        """Counts of the compact network."""
        return blocks(own(description, NetworkDescription), self.channels)

    def expected_blocks(self) -> Mapping[Block, Tensor]:
        """Expected counts under the modules' probabilities."""
        return expected_blocks(self.probabilities(), self.settings, self.channels)

    def halo_of(self, description: SpaceDescription) -> int:
        """Of the compact network."""
        return geometry(own(description, NetworkDescription)).halo

    def expected_halo(self) -> Tensor:
        """Expected under the modules' probabilities."""
        return expected_halo(self.probabilities(), self.settings)

    def entropies_bits(self) -> Mapping[str, float]:
        """Mean over the places."""
        with torch.no_grad():
            return {"modules": (_binary_entropies(self.probabilities()).mean() / math.log10(2)).item()}

    def largest_entropies_bits(self) -> Mapping[str, float]:
        """One bit: two candidates."""
        return {"modules": 1.0}

    def perturbed(self, description: SpaceDescription, draw: Random) -> Mapping[str, SpaceDescription]:
        """In every stage one module replaced, as HiNAS's R1."""
        return {"r1": with_modules_replaced(own(description, NetworkDescription), draw)}

    def _places(self) -> "list[list[Place]]":
        return [[place for place in stage.children() if isinstance(place, Place)] for stage in self.stages]

    def _chosen(self, description: NetworkDescription) -> list[list[nn.Module]]:
        return [
            [place.candidate(kind) for place, kind in zip(places, kinds, strict=True)]
            for places, kinds in zip(self._places(), description.stages, strict=True)
        ]


class Place(nn.Module):
    """Both candidates of one place, each given the place's input."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(module_of(kind, widths, BatchNormOfBatch) for kind in MODULES)

    def forward(self, branches: Branches, weights: Tensor) -> Branches:
        """Branch by branch the sum of what both compute, by their weights (2,)."""
        outputs = [candidate(branches) for candidate in self.candidates]
        return [weights[0] * one + weights[1] * other for one, other in zip(*outputs, strict=True)]

    def weighted(self, index: int, weight: Tensor, branches: Branches) -> Branches:
        """What one candidate alone computes, by its weight."""
        return [weight * output for output in self.candidates[index](branches)]

    def candidate(self, kind: Module) -> nn.Module:
        """The module of a kind."""
        return self.candidates[MODULES.index(kind)]


def _binary_entropies(probabilities: Tensor) -> Tensor:
    """Of each probability being 1 or not, with the decimal logarithm that the authors' program has."""
    both = torch.stack([probabilities, 1 - probabilities])
    return -(both * both.clamp_min(1e-30).log10()).sum(0)


def _copy(target: nn.Module, source: nn.Module) -> None:
    """The source's parameters; only running means, which it does not have, stay as they are."""
    names = [name for name, _ in source.named_parameters()]
    assert names == [name for name, _ in target.named_parameters()]
    target.load_state_dict(source.state_dict(), strict=False)
