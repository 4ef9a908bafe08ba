"""What is fixed before a search of the HiNAS space begins, and the compact network that a search result describes."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ..conditioning import Conditioning
from ..interface import SpaceSettings
from .space import Activation, Cell, Edge, End, NetworkDescription, OffsetLimit, Operation, Stem

WidthSearch = Literal["searched", "fixed", "doubled"]
"""`searched` learns beta; `fixed` keeps every layer on level 0; `doubled` goes up one level with every layer."""


Candidate = Operation | Literal["none"]

V2_CANDIDATES: tuple[Candidate, ...] = ("conv_3x3", "sep_3x3", "sep_5x5", "dil_3x3", "dil_5x5", "skip", "none")
"""Of HiNAS v2 (section 3.1)."""

V1_CANDIDATES: tuple[Candidate, ...] = ("conv_3x3", "sep_3x3", "dil_3x3", "def_3x3", "skip", "none")
"""Of HiNAS v1 (section 2.1)."""


class Settings(SpaceSettings):
    """The supernet's shape and the compact network's (HiNAS v2, sections 3 and 4.1)."""

    layers: Annotated[int, Field(ge=1, le=32)] = 3
    nodes: Annotated[int, Field(ge=1, le=8)] = 4
    width: Annotated[int, Field(ge=1, le=512)] = 16
    """Channels of level 0 while searching."""
    compact_width: Annotated[int, Field(ge=1, le=512)] = 32
    """Channels of level 0 of the network that is retrained."""
    width_factors: Annotated[tuple[Annotated[float, Field(gt=0, le=8)], ...], Field(min_length=1, max_length=8)] = (
        1.0,
        1.5,
        2.0,
    )
    level_strides: tuple[Literal[1, 2, 4, 8], ...] | None = None
    width_search: WidthSearch = "searched"
    candidates: tuple[Candidate, ...] = V2_CANDIDATES
    """The operations an edge chooses from, in the order of alpha's last axis."""
    offset_limit: OffsetLimit = None
    """Of deformable convolutions, in pixels of the cell's maps; None: none."""
    stem: Stem = Stem(resolution="half", channels=32)
    end: End = End(channels=64, early_channels=32)
    normalisation: Literal["batch", "none"] = "none"
    """Of the compact network; the supernet always has parameter-free batch norm."""
    activation: Activation = "relu"
    residual: bool = True
    conditioning: Conditioning | None = Conditioning()
    layerwise: bool = True
    """LWAS: a set of alphas for each layer; otherwise all layers share one."""
    cell_sharing: bool = True
    """Sum the routed inputs before the cell (Eq. 5); otherwise each has its own copy of the cell (Eq. 6)."""

    @property
    def is_conditioned(self) -> bool:
        """Whether the networks are told the noise level."""
        return self.conditioning is not None

    @model_validator(mode="after")
    def _widths_agree(self) -> "Settings":
        if self.width_search == "doubled" and len(self.width_factors) < self.layers:
            raise ValueError(
                f"width_factors: got {len(self.width_factors)}, expected one for each of {self.layers} layers"
            )
        # The description's own checks, before anything is built.
        self.description(tuple(self.plain_cell() for _ in range(self.layers)))
        return self

    @field_validator("candidates")
    @classmethod
    def _candidates_leave_a_choice(cls, value: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        if len(set(value)) < len(value):
            raise ValueError("an operation stands there twice")
        if "none" not in value or "skip" not in value or len(value) < 3:
            raise ValueError("expected skip, none and at least one convolution")
        return value

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The candidates that an edge of a found cell can carry."""
        return tuple(name for name in self.candidates if name != "none")

    @property
    def none(self) -> int:
        """Where `none` stands among the candidates."""
        return self.candidates.index("none")

    def plain_cell(self, level: int = 0) -> Cell:
        """A cell of skips alone."""
        edges: tuple[Edge, Edge] = (("skip", 0), ("skip", 1))
        return Cell(level=level, nodes=(edges,) * self.nodes)

    @property
    def levels(self) -> int:
        """How many widths a layer can have."""
        return 1 if self.width_search == "fixed" else len(self.width_factors)

    def allowed_levels(self, layer: int) -> tuple[int, ...]:
        """The levels layer 1, 2, ... may take, before routing is considered; layer 0 is the start part."""
        if layer == 0:
            return (0,)
        return (layer - 1,) if self.width_search == "doubled" else tuple(range(self.levels))

    def exits(self, layer: int, level: int) -> tuple[int, ...]:
        """The levels of the next layer that a level of `layer` can be routed to; none from a level never reached."""
        if level not in self.reached_levels(layer):
            return ()
        return tuple(exit for exit in self.allowed_levels(layer + 1) if abs(exit - level) <= 1)

    def reached_levels(self, layer: int) -> tuple[int, ...]:
        """The levels of `layer` that a path from the start part can reach: 0 and 1 in layer 1, then all."""
        reached = {0}
        for number in range(layer):
            reached = {exit for level in reached for exit in self.allowed_levels(number + 1) if abs(exit - level) <= 1}
        return tuple(sorted(reached))

    @property
    def num_edges(self) -> int:
        """Edges of a cell: node i has 2 + i."""
        return sum(2 + node for node in range(self.nodes))

    def edge_index(self, node: int, source: int) -> int:
        """Where the edge from input `source` to `node` stands in alpha."""
        return sum(2 + earlier for earlier in range(node)) + source

    def description(self, cells: Sequence[Cell], *, width: int | None = None) -> NetworkDescription:
        """The compact network of these cells, `compact_width` wide unless told otherwise."""
        return NetworkDescription(
            width=self.compact_width if width is None else width,
            width_factors=self.width_factors,
            level_strides=self.level_strides,
            normalisation=self.normalisation,
            activation=self.activation,
            offset_limit=self.offset_limit,
            residual=self.residual,
            stem=self.stem,
            end=self.end,
            conditioning=self.conditioning,
            cells=tuple(cells),
        )
