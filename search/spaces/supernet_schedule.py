"""The schedule of a search through a single-path supernet. No torch."""

from typing import Annotated

from pydantic import Field, model_validator

from ..learning.choices import PixelLoss
from .interface import Frozen

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class SupernetSchedule(Frozen):
    """How the shared kernels are trained, how the evolution goes, and how many of its networks are trained on.

    Every step trains the largest network, the smallest and `random_paths` random ones (the sandwich rule of
    arXiv 1903.05134); all but the largest learn from the clean image and from the largest one's output in equal parts.
    The finalists' training is that of halving.
    """

    iterations: Positive = 3000
    batch: Positive = 4
    crop: Annotated[int, Field(ge=16)] = 96
    """Side of a square patch of clean pixels."""
    random_paths: NotNegative = 2
    pixel_loss: PixelLoss = "l1"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    """Of Muon; half of it is Adam's. Constant until the last fifth, then along a line to 0."""
    population: Annotated[int, Field(ge=2)] = 24
    """Networks of every generation."""
    generations: NotNegative = 8
    parents: Annotated[int, Field(ge=2)] = 6
    """The best of each generation, which stay and have children."""
    mutated_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of its parts that a mutation draws anew; half of the children are mutations, half are crossed."""
    validation_images: Positive = 8
    """Of V, evenly chosen: what the evolution scores a network on."""
    finalists: Positive = 4
    """The best networks of the evolution that go on from the shared kernels."""

    @model_validator(mode="after")
    def _there_is_room_for_children(self) -> "SupernetSchedule":
        if self.parents >= self.population:
            raise ValueError(f"parents: got {self.parents}, which leaves no child in a population of {self.population}")
        if self.finalists > self.population:
            raise ValueError(f"finalists: got {self.finalists}, more than the population of {self.population}")
        return self
