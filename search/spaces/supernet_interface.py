"""What a search space's supernet offers the search: kernels, an architecture to learn, and networks read off it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random

from torch import Tensor, nn

from .interface import Block, SpaceDescription


class SearchSupernet(nn.Module, ABC):
    """All networks of a space in one, the kernels shared; `stride` and `conditioned` as a compact network has them."""

    stride: int
    """H and W of an image are multiples of this."""
    conditioned: bool
    """Whether it takes sigma."""

    @abstractmethod
    def kernel_parameters(self) -> list[nn.Parameter]:
        """What learns on the split W."""

    @abstractmethod
    def architecture_parameters(self) -> list[nn.Parameter]:
        """What learns on the split A."""

    @abstractmethod
    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None) -> Tensor:
        """Denoise with every operation weighted by the architecture: (B, C, H, W) in 0..1, sigma in grey levels."""

    @abstractmethod
    def forward_single(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, description: SpaceDescription) -> Tensor:
        """Denoise with the kernels of one network of the space alone."""

    @abstractmethod
    def set_temperature(self, temperature: float) -> None:
        """Divide the architecture's logits by this from now on: below 1 its probabilities come closer to a decision."""

    @abstractmethod
    def description(self) -> SpaceDescription:
        """The compact network the architecture stands for now."""

    @abstractmethod
    def random_description(self, draw: Random) -> SpaceDescription:
        """A network of the space, every choice drawn evenly."""

    @abstractmethod
    def inherited_network(self, description: SpaceDescription) -> nn.Module:
        """The described network at the supernet's width with the supernet's kernels: what `forward_single` computes."""

    @abstractmethod
    def blocks_of(self, description: SpaceDescription) -> Mapping[Block, int]:
        """How often the compact network of a description holds each block."""

    @abstractmethod
    def expected_blocks(self) -> Mapping[Block, Tensor]:
        """How many of each block the compact network is expected to hold, differentiable by the architecture."""

    @abstractmethod
    def halo_of(self, description: SpaceDescription) -> int:
        """The exact halo of the compact network of a description, image pixels to one side."""

    @abstractmethod
    def expected_halo(self) -> Tensor:
        """The halo the compact network is expected to have, differentiable by the architecture."""

    @abstractmethod
    def entropies_bits(self) -> Mapping[str, float]:
        """Mean entropy of each kind of choice, in bits: 0 when everything is decided."""

    @abstractmethod
    def perturbed(self, description: SpaceDescription, draw: Random) -> Mapping[str, SpaceDescription]:
        """Small changes of a found network, by name: the ablations that show whether the find matters."""
