"""What is fixed before a search of the CLEARER space begins, and the network that a search result describes."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ..conditioning import Conditioning
from ..interface import SpaceSettings
from ..schedule import NotNegative
from .space import Module, NetworkDescription, Normalisation, Stem

MODULES: tuple[Module, Module] = ("parallel", "fusion")
"""The candidates of every place, in the order of the architecture's last axis."""


class Settings(SpaceSettings):
    """The supernet's shape, which is the compact network's too, and what the architecture's loss consists of."""

    width: Annotated[int, Field(ge=1, le=256)] = 16
    """Channels of branch 0; each further branch has twice those of the one before."""
    branches: Annotated[int, Field(ge=2, le=6)] = 3
    """Of the last stage. Stage 1 is the stem, stage 2 has two branches, stage 3 three, and so on."""
    modules: Annotated[int, Field(ge=1, le=16)] = 4
    """Places of every stage behind the stem: each becomes a parallel or a fusion module."""
    stem: Stem = Stem(resolution="half", blocks=1, channels=16, expansion=2)
    normalisation: Normalisation = "none"
    """Of the compact network; the supernet always has batch norm."""
    residual: bool = True
    conditioning: Conditioning | None = Conditioning()
    entropy_weight: NotNegative = 0.01
    """Of the mean binary entropy of the modules' probabilities, which pushes them to 0 or 1."""
    complexity_weight: NotNegative = 0.001
    """Of the mean expected complexity; 0 where a latency table prices the modules.

    The paper's 0.1 pulls more on every place than the pixels' loss does: all become fusion modules, at 0.01, too.
    """
    complexities: tuple[NotNegative, NotNegative] = (0.7, 0.3)
    """Of a parallel and of a fusion module: their shares of the parameters in the published network."""

    @property
    def is_conditioned(self) -> bool:
        """Whether the networks are told the noise level."""
        return self.conditioning is not None

    @property
    def num_stages(self) -> int:
        """Of those behind the stem."""
        return self.branches - 1

    def description(self, stages: Sequence[Sequence[Module]]) -> NetworkDescription:
        """The network of these modules, stage by stage."""
        return NetworkDescription(
            width=self.width,
            stem=self.stem,
            stages=tuple(tuple(stage) for stage in stages),
            normalisation=self.normalisation,
            residual=self.residual,
            conditioning=self.conditioning,
        )

    def of_one_kind(self, module: Module) -> NetworkDescription:
        """The network of one kind of module alone."""
        stage: tuple[Module, ...] = (module,) * self.modules
        return self.description((stage,) * self.num_stages)
