"""What a space offers a search that trains all its networks in one, a single one at a time."""

from abc import ABC, abstractmethod
from random import Random

from torch import Tensor, nn

from .interface import SpaceDescription


class SinglePathSupernet(nn.Module, ABC):
    """One set of kernels for all networks of a space; `stride` and `conditioned` as a compact network has them."""

    stride: int
    """H and W of an image are multiples of this."""
    conditioned: bool
    """Whether it takes sigma."""

    @abstractmethod
    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, description: SpaceDescription) -> Tensor:
        """Denoise with the kernels of one network alone: (B, C, H, W) in 0..1, sigma in grey levels."""

    @abstractmethod
    def largest(self, draw: Random) -> SpaceDescription:
        """A network that no other of its kind exceeds; what is no matter of size is drawn."""

    @abstractmethod
    def smallest(self, draw: Random) -> SpaceDescription:
        """A network that exceeds no other of its kind; what is no matter of size is drawn."""

    @abstractmethod
    def random_description(self, draw: Random) -> SpaceDescription:
        """A network of the space, every choice drawn evenly."""

    @abstractmethod
    def crossed(
        self, one: SpaceDescription, other: SpaceDescription, draw: Random, *, share: float
    ) -> SpaceDescription:
        """A network of the space that has about this share of its parts from `other`, the rest from `one`."""

    @abstractmethod
    def inherited_network(self, description: SpaceDescription) -> nn.Module:
        """The compact network with a copy of its kernels: what `forward` computes."""

    @abstractmethod
    def hidden_kernels(self) -> list[nn.Parameter]:
        """The dense kernels between the first and the last convolution, which Muon takes."""
