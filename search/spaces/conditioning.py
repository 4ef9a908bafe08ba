"""A network told the strength of the noise: the part of a description that spaces share. No torch."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .interface import Frozen

_Level = Annotated[float, Field(ge=0, le=255)]


class Conditioning(Frozen):
    """`sigma` adds a constant map of sigma / 255 as an input channel, for levels in `range` (grey levels 0..255)."""

    input: Literal["sigma"] = "sigma"
    range: tuple[_Level, _Level] = (0.0, 75.0)

    @model_validator(mode="after")
    def _range_ascends(self) -> "Conditioning":
        if self.range[0] >= self.range[1]:
            raise ValueError(f"range must ascend, got {self.range[0]:g} to {self.range[1]:g}")
        return self
