"""What is fixed before a search of the superkernel space begins, and which slices are left to it."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ..conditioning import Conditioning
from ..interface import SpaceSettings
from .space import BaseNet, Kernel, NetworkDescription, Slice

Choice = Literal["joint", "factorized", "filterwise", "filterwise_attention"]
"""How a superkernel's slice is distributed (sections 4.1 to 4.4).

`joint`: a probability for each pair of kernel size and number of filters. `factorized`: one for each size, one for each
number. `filterwise`: one for each size, and one of its own for each filter to stay. `filterwise_attention`: the same
with the filters' logits mixed by the similarity of their key vectors.
"""

Mask = Literal["full", "separate"]
"""`full`: one convolution with the superkernel times the averaged mask, an approximation behind an activation.
`separate`: the sum of the slices' activations, with a convolution for every kernel size (sections 4.5.2, 4.5.3)."""


class Settings(BaseNet, SpaceSettings):
    """The base net and the choices of its superkernels."""

    kernels: Annotated[tuple[Kernel, ...], Field(min_length=1)] = (3, 5)
    growths: Annotated[tuple[Annotated[float, Field(gt=0, le=4)], ...], Field(min_length=1)] = (0.25, 0.5, 1.0)
    """Filters of a superkernel as shares of its level's width; a filterwise choice has the largest and all below."""
    choice: Choice = "joint"
    mask: Mask = "full"
    conditioning: Conditioning | None = Conditioning()
    key_length: Annotated[int, Field(ge=1, le=64)] = 8
    """Of a filter's key vector, for `filterwise_attention`."""

    @field_validator("kernels", "growths")
    @classmethod
    def _ascending(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if tuple(sorted(set(values))) != values:
            raise ValueError("expected ascending values, none of them twice")
        return values

    @property
    def is_conditioned(self) -> bool:
        """Whether the networks are told the noise level."""
        return self.conditioning is not None

    def filter_counts(self, level: int) -> tuple[int, ...]:
        """How many filters a superkernel of a level may have, ascending."""
        width = self.level_width(level)
        counts = sorted({max(1, round(growth * width)) for growth in self.growths})
        return tuple(range(1, counts[-1] + 1)) if self.choice.startswith("filterwise") else tuple(counts)

    def description(self, slices: Sequence[Slice]) -> NetworkDescription:
        """The network of these slices."""
        shared = {name: getattr(self, name) for name in BaseNet.model_fields}
        return NetworkDescription(**shared, slices=tuple(slices))

    def random_description(self, draw: Random) -> NetworkDescription:
        """A network of the space, every choice drawn evenly."""
        return self.description(
            [
                Slice(kernel=draw.choice(self.kernels), filters=draw.choice(self.filter_counts(level)))
                for level in self.slice_levels
            ]
        )

    def largest(self) -> NetworkDescription:
        """The whole superkernels."""
        return self.uniform(self.kernels[-1], largest=True)

    def uniform(self, kernel: Kernel, *, largest: bool) -> NetworkDescription:
        """All superkernels of one kernel size, with the most filters or the fewest."""
        place = -1 if largest else 0
        return self.description(
            [Slice(kernel=kernel, filters=self.filter_counts(level)[place]) for level in self.slice_levels]
        )
