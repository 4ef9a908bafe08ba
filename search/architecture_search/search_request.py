"""What a person asks of hinas-search, as one validated value. No torch."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ..learning.choices import Method
from ..learning.computing import Computing
from ..tasks.interface import TaskOptions
from .search_space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class LatencyRequest:
    """What latency is to cost; `table` is a file of `hinas-bench --operations`."""

    table: Path
    weight: float = 0.0
    """Loss per e-fold of expected latency."""
    target_ms: float | None = None
    """Only latency above this costs."""
    tile: int | None = None
    """Side of the square tiles the network will run in, pixels."""

    def __post_init__(self) -> None:
        """UserError where an option has no effect."""
        if self.target_ms is not None and not self.weight:
            raise UserError(
                "--latency-target-ms needs a weight that pulls towards it; give --latency-weight, such as 0.1"
            )


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """Everything hinas-search needs; paths as given."""

    space: SearchSpace
    task: TaskOptions
    images: Path
    out: Path
    method: Method
    latency: LatencyRequest | None
    computing: Computing
    seed: int
    perturbed: bool
    """Write small changes of the find too."""
    resume: bool
    max_minutes: float | None
    quiet: bool
    command: str
    """The command line, for the genotype's provenance."""


def latency_request(
    table: Path | None, *, weight: float, target_ms: float | None, tile: int | None
) -> LatencyRequest | None:
    """What is asked for, None without a table; UserError where the other options need one."""
    if table is not None:
        return LatencyRequest(table=table, weight=weight, target_ms=target_ms, tile=tile)
    if target_ms is not None or weight or tile is not None:
        raise UserError("--latency-weight, --latency-target-ms and --tile need prices; give --latency-table TABLE")
    return None
