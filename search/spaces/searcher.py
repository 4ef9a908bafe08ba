"""What a space offers the search: kernels and an architecture that learn in phases, networks read off them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..learning.choices import Mixture
from ..learning.distributed import Ranks
from .interface import Block, SpaceDescription
from .schedule import SearchSchedule

Split = Literal["kernels", "architecture"]
"""The training images a phase learns on: the papers' W and A."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One part of every search step: some parameters take a step on one split of the images."""

    name: str
    """As history.csv calls its loss."""
    split: Split
    learns: frozenset[Split]
    """What the parameters are of: a phase that learns the architecture pays for latency."""
    parameters: list[nn.Parameter]
    optimizers: list[Optimizer]
    first_epoch: int = 0
    """Counted from 0; before it the phase rests."""
    rate_factor: Callable[[float], float] = lambda done: 1.0
    """What the learning rates are multiplied with, by the share of the epochs that is done."""


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """What an architecture's candidates become in training; scores, in evaluation mode, are those of the softmax."""

    mixture: Mixture = "softmax"
    skip_dropout: float = 0.0
    """How often a skip is left out, 0..1 without 1."""
    ranks: Ranks = field(default_factory=Ranks)
    """The processes that learn together: what is drawn for each picture is this one's share of the global batch's."""


class Searcher(nn.Module, ABC):
    """All networks of a space in one, the kernels shared; `stride` and `conditioned` as a compact network has them."""

    stride: int
    """H and W of an image are multiples of this."""
    conditioned: bool
    """Whether it takes sigma."""

    @abstractmethod
    def phases(self, schedule: SearchSchedule) -> tuple[Phase, ...]:
        """The phases of a step in their order, with fresh optimizers; call it once, after moving to the device."""

    @abstractmethod
    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None) -> Tensor:
        """Denoise with every operation weighted by the architecture: (B, C, H, W) in 0..1, sigma in grey levels."""

    @abstractmethod
    def forward_single(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, description: SpaceDescription) -> Tensor:
        """Denoise with the kernels of one network of the space alone."""

    @abstractmethod
    def description(self) -> SpaceDescription:
        """The compact network the architecture stands for now."""

    def judged(self) -> SpaceDescription | None:
        """The network whose score on V stands for the search now; None: all candidates, weighted."""
        return None

    @abstractmethod
    def entropies_bits(self) -> Mapping[str, float]:
        """Mean entropy of each kind of choice, in bits: 0 when everything is decided."""

    @abstractmethod
    def largest_entropies_bits(self) -> Mapping[str, float]:
        """The same where nothing is decided: all choices evenly probable."""

    @abstractmethod
    def random_description(self, draw: Random) -> SpaceDescription:
        """A network of the space, every choice drawn evenly."""

    @abstractmethod
    def inherited_network(self, description: SpaceDescription) -> nn.Module:
        """The described network at the supernet's width with the supernet's kernels: what `forward_single` computes."""

    def set_temperature(self, temperature: float) -> None:
        """Divide the architecture's logits by this from now on: below 1 its probabilities come closer to a decision."""

    def set_mixing(self, mixing: Mixing) -> None:
        """Mix so from now on; `Space.mixtures` and `Space.chooses_skips` say what can be asked for."""

    def added_loss(self, phase: Phase) -> Tensor | None:
        """What the space adds to a phase's loss, such as an entropy that pushes to a decision; None: nothing."""
        return None

    def randomness(self) -> Any:
        """The state of the space's own random generator, for a checkpoint; None where it draws nothing."""
        return None

    def restore_randomness(self, state: Any) -> None:
        """Go on drawing from what `randomness` gave."""

    def perturbed(self, description: SpaceDescription, draw: Random) -> Mapping[str, SpaceDescription]:
        """Small changes of a found network, by name: the ablations that show whether the find matters."""
        return {}

    # Prices; a space without pricing leaves these alone.

    def blocks_of(self, description: SpaceDescription) -> Mapping[Block, int]:
        """How often the compact network of a description holds each block."""
        raise TypeError(f"{type(self).__name__} has no pricing")

    def expected_blocks(self) -> Mapping[Block, Tensor]:
        """How many of each block the compact network is expected to hold, differentiable by the architecture."""
        raise TypeError(f"{type(self).__name__} has no pricing")

    def halo_of(self, description: SpaceDescription) -> int:
        """The exact halo of the compact network of a description, image pixels to one side."""
        raise TypeError(f"{type(self).__name__} has no pricing")

    def expected_halo(self) -> Tensor:
        """The halo the compact network is expected to have, differentiable by the architecture."""
        raise TypeError(f"{type(self).__name__} has no pricing")


class SamplingSearcher(Searcher):
    """A searcher that draws from a generator of its own, whose state goes into a checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.mixing = Mixing()
        # On the CPU, so that a search draws the same on every device.
        self.generator = torch.Generator()

    def seed_draws(self) -> None:
        """Seed the generator from torch's own: call it when all kernels have their values, which then stay the same."""
        self.generator.manual_seed(int(torch.randint(2**62, ())))

    def set_mixing(self, mixing: Mixing) -> None:
        """Of all choices in training."""
        self.mixing = mixing

    def judged(self) -> SpaceDescription | None:
        """The network read off now where kernels learn as parts of single networks, else all candidates, weighted."""
        return self.description() if self.mixing.mixture == "sampled" else None

    def randomness(self) -> Any:
        """Of the generator."""
        return self.generator.get_state()

    def restore_randomness(self, state: Any) -> None:
        """A state that `randomness` gave, wherever a checkpoint has put it; None: nothing was drawn."""
        if state is not None:
            self.generator.set_state(state.cpu())
