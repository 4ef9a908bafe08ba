"""The latency table: what each block of a search space costs on one target, measured by hinas-bench."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ...atomic_files import written_whole
from ...errors import UserError
from ..spaces.interface import Block, Frozen
from ..spaces.registry import space_named

FORMAT = "hinas-latency-table"


class Price(Frozen):
    """One block and what it costs."""

    name: str
    in_channels: Annotated[int, Field(ge=1)]
    out_channels: Annotated[int, Field(ge=1)]
    stride: Annotated[int, Field(ge=1)]
    ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Milliseconds on one image of the table's size."""

    @property
    def block(self) -> Block:
        """What is priced."""
        return Block(name=self.name, in_channels=self.in_channels, out_channels=self.out_channels, stride=self.stride)


class LatencyTable(Frozen):
    """Measured prices of blocks on one target, for one image size, batch 1."""

    format: Literal["hinas-latency-table"] = FORMAT
    version: Literal[1] = 1
    space: str
    backend: str
    """As the runtime names it, such as cpu."""
    library: str
    """What really ran: library, version, provider."""
    machine: str
    threads: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    """Of the image, pixels."""
    height: Annotated[int, Field(ge=1)]
    created: str
    command: str
    prices: tuple[Price, ...]

    @cached_property
    def _ms(self) -> dict[Block, float]:
        return {price.block: price.ms for price in self.prices}

    def price_ms(self, block: Block) -> float:
        """Milliseconds of one block; UserError where the table does not hold it."""
        try:
            return self._ms[block]
        except KeyError:
            raise UserError(
                f"the latency table has no price for {block.name} from {block.in_channels} to {block.out_channels} "
                f"channels at stride {block.stride}; measure one with hinas-bench --operations for these widths"
            ) from None

    def predicted_ms(self, counts: Mapping[Block, int]) -> float:
        """Milliseconds of a network that holds these blocks, one image of the table's size."""
        return sum(count * self.price_ms(block) for block, count in counts.items())

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"


def write_latency_table(table: LatencyTable, path: Path) -> None:
    """Write a latency table whole, or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(table.to_json(), encoding="utf-8")


def read_latency_table(path: Path) -> LatencyTable:
    """Read a latency table; UserError where it is missing or is none."""
    try:
        return LatencyTable.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); write one with hinas-bench --operations") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: no latency table of this version ({where}: {first['msg']})") from error


def table_for(space: str, path: Path) -> LatencyTable:
    """The prices of a space's networks; UserError where the file holds none, or the space has none."""
    if space_named(space).pricing is None:
        raise UserError(f"--latency-table: the space {space} is not priced by blocks; leave it out")
    table = read_latency_table(path)
    if table.space != space:
        raise UserError(f"{path}: prices of space {table.space}, expected {space}")
    return table
