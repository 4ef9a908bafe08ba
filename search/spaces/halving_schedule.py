"""The schedule of successive halving: how many networks, how long, how many stay. No torch."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from ..learning.choices import PixelLoss
from .interface import Frozen

Positive = Annotated[int, Field(ge=1)]


class HalvingSchedule(Frozen):
    """How the networks are trained and compared (successive halving, arXiv 1502.07943, with whole trainings).

    In every round all networks that are left have been trained for equally many iterations, the last fifth of them with
    a falling learning rate. A survivor goes on from where its rate began to fall.
    """

    candidates: Annotated[int, Field(ge=2)] = 27
    """Random networks of the first round."""
    rounds: Annotated[int, Field(ge=1, le=8)] = 4
    first_iterations: Annotated[int, Field(ge=10)] = 200
    """Of each network in the first round."""
    growth: Annotated[float, Field(gt=1, le=27)] = 3.0
    """Each round trains this many times as long as the one before."""
    kept: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    """Share of the networks that stay in the next round; 1 keeps all, which shows how true the early scores are."""
    batch: Positive = 4
    crop: Annotated[int, Field(ge=16)] = 96
    """Side of a square patch of clean pixels."""
    pixel_loss: PixelLoss = "l1"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    """Of Muon; half of it is Adam's."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.3
    """Of Muon: every step shrinks the kernels by the learning rate times this."""
    validation_side: Annotated[int, Field(ge=16)] = 192
    """Networks are scored on a square of this side in the middle of every image of the split V."""

    @model_validator(mode="after")
    def _a_step_leaves_weights(self) -> "HalvingSchedule":
        if self.learning_rate * self.weight_decay >= 1:
            raise ValueError(
                f"weight_decay: got {self.weight_decay:g}, which at a learning rate of {self.learning_rate:g} leaves "
                "nothing of the weights"
            )
        return self

    @model_validator(mode="after")
    def _every_round_is_longer(self) -> "HalvingSchedule":
        if any(shorter >= longer for shorter, longer in pairwise(self.iterations)):
            raise ValueError(f"growth: got {self.growth:g}, which leaves two rounds of equal length")
        return self

    @property
    def iterations(self) -> tuple[int, ...]:
        """Of a network by the end of each round, counted from its first."""
        return tuple(round(self.first_iterations * self.growth**index) for index in range(self.rounds))

    @property
    def survivors(self) -> tuple[int, ...]:
        """Networks that take part in each round; never none."""
        counts = [self.candidates]
        while len(counts) < self.rounds:
            counts.append(max(1, round(counts[-1] * self.kept)))
        return tuple(counts)
