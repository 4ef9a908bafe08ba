"""What a HiNAS network is made of: the network description of a genotype, validated, without tensors.

Choices beyond the paper: the normalisation, the activation, which inputs are squeezed, the stem's resolution, levels
at a lower resolution and conditioning on sigma.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ..conditioning import Conditioning
from ..interface import Frozen, SpaceDescription

Operation = Literal["conv_3x3", "sep_3x3", "sep_5x5", "dil_3x3", "dil_5x5", "def_3x3", "skip"]
"""An operation a discretised edge may carry; `none` is an absent edge.

Those of HiNAS v2 (section 3.1), and `def_3x3` of v1 (section 2.1): a modulated deformable convolution.
"""

Activation = Literal["leaky_relu", "relu"]

Squeeze = Literal["always", "where_needed"]

OffsetLimit = Annotated[int, Field(ge=1, le=16)] | None

Edge = tuple[Operation, Annotated[int, Field(ge=0)]]
"""(operation, input): input 0 is the previous layer's output, 1 the one before it, 2 + i is node i."""


class Stem(Frozen):
    """The start part: `resolution` of the cells and `channels` of the first convolution.

    `half` is a PixelUnshuffle(2) before the network, `quarter` a PixelUnshuffle(4).
    """

    resolution: Literal["full", "half", "quarter"] = "full"
    channels: Annotated[int, Field(ge=1, le=1024)] = 64


class End(Frozen):
    """The end part: `channels` behind the last cell and `early_channels` taken from the start part."""

    channels: Annotated[int, Field(ge=1, le=1024)] = 128
    early_channels: Annotated[int, Field(ge=1, le=1024)] = 48


class Cell(Frozen):
    """One layer: `level` picks its width; each node sums two edges; the output concatenates the nodes."""

    level: Annotated[int, Field(ge=0)]
    nodes: Annotated[tuple[tuple[Edge, Edge], ...], Field(min_length=1, max_length=16)]

    @model_validator(mode="after")
    def _edges_come_from_earlier(self) -> "Cell":
        for index, (first, second) in enumerate(self.nodes):
            for operation, source in (first, second):
                if source >= 2 + index:
                    raise ValueError(
                        f"node {index}: {operation} reads input {source}, expected 0 to {1 + index} "
                        "(0 and 1 the two layers before, 2 + i an earlier node i)"
                    )
            if first[1] == second[1]:
                raise ValueError(f"node {index}: both edges read input {first[1]}, expected two different inputs")
        return self


class NetworkDescription(SpaceDescription):
    """The compact network of HiNAS v2.

    `width` W of level 0; level h has `round(width_factors[h] * W)` channels. `level_strides`: the cells of level h work
    on maps smaller by this factor than level 0's, along each side; the paper's are all 1. `normalisation`: `batch` as
    in the paper, `none` puts biases in its place. `activation`: `leaky_relu` (slope 0.2) as in HiNAS v2, `relu` as in
    v1. `squeeze`: `always` sends every input of a cell through a 1x1 convolution as in the paper, `where_needed` only
    an input whose channels or resolution are not the cell's. `offset_limit`: how many pixels of the cell's maps a
    deformable convolution looks aside at most; None: as far as it has learnt to, as published, and tiles are then no
    longer exact. `residual`: the network predicts the noise.
    """

    width: Annotated[int, Field(ge=1, le=512)]
    width_factors: Annotated[tuple[Annotated[float, Field(gt=0, le=8)], ...], Field(min_length=1, max_length=8)] = (
        1.0,
        1.5,
        2.0,
    )
    level_strides: Annotated[tuple[Literal[1, 2, 4, 8], ...], Field(min_length=1, max_length=8)] | None = None
    normalisation: Literal["batch", "none"] = "batch"
    activation: Activation = "leaky_relu"
    squeeze: Squeeze = "always"
    offset_limit: OffsetLimit = None
    residual: bool = True
    stem: Stem = Stem()
    end: End = End()
    conditioning: Conditioning | None = None
    cells: Annotated[tuple[Cell, ...], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _cells_agree(self) -> "NetworkDescription":
        if self.level_strides is not None:
            if len(self.level_strides) != len(self.width_factors):
                raise ValueError(
                    f"level_strides: got {len(self.level_strides)} values, expected {len(self.width_factors)}, "
                    "one for each of width_factors"
                )
            if self.level_strides[0] != 1:
                raise ValueError(f"level_strides[0]: got {self.level_strides[0]}, expected 1 (level 0 is the stem's)")
        for index, cell in enumerate(self.cells):
            if cell.level >= len(self.width_factors):
                raise ValueError(f"cells[{index}].level: got {cell.level}, expected 0 to {len(self.width_factors) - 1}")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_new_and_default(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Genotypes from before there was a choice keep their identity.
        content = serialise(self)
        if self.squeeze == "always":
            del content["squeeze"]
        if self.offset_limit is None:
            content.pop("offset_limit", None)
        return content

    def is_squeezed(self, source_level: int, source_nodes: int, level: int) -> bool:
        """Whether a cell of `level` squeezes a layer that is the concatenation of so many nodes of `source_level`."""
        same_channels = source_nodes * self.level_width(source_level) == self.level_width(level)
        same_stride = self.level_stride(source_level) == self.level_stride(level)
        return self.squeeze == "always" or not (same_channels and same_stride)

    def level_width(self, level: int) -> int:
        """Channels of each node of a cell on this level."""
        return max(1, round(self.width_factors[level] * self.width))

    def level_stride(self, level: int) -> int:
        """Pixels of the stem's maps per pixel of this level's, along one side."""
        return self.level_strides[level] if self.level_strides else 1

    @property
    def conditioning_range(self) -> tuple[float, float] | None:
        """The noise levels the network is conditioned on, or None."""
        return self.conditioning.range if self.conditioning else None

    @property
    def stride(self) -> int:
        """Image pixels per pixel of the cells' feature maps."""
        return {"full": 1, "half": 2, "quarter": 4}[self.stem.resolution]
