"""What a person asks of hinas-search, as one validated value. No torch."""

import math
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ..learning.choices import LogFormat, Method
from ..learning.computing import Computing
from ..spaces.registry import space_named, space_names
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
    band_ms: tuple[float, float] | None = None
    """Only networks that are predicted to take between these times are compared: halving and supernet."""

    def __post_init__(self) -> None:
        """UserError where an option has no effect."""
        if self.target_ms is not None and not self.weight:
            raise UserError(
                "--latency-target-ms needs a weight that pulls towards it; give --latency-weight, such as 0.1"
            )
        if self.band_ms is not None and self.weight:
            raise UserError("--latency-weight is for gradient, --latency-band for halving and supernet; leave one out")


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
    log: LogFormat | None = None
    """Where the curves go besides the CSV files."""

    @property
    def max_seconds(self) -> float:
        """Of this run; infinite where it has no limit."""
        return math.inf if self.max_minutes is None else 60 * self.max_minutes

    def __post_init__(self) -> None:
        """UserError where the space does not have the method, or the method not the option."""
        methods = space_named(self.space.space).methods
        if self.method not in methods:
            others = [name for name in space_names() if self.method in space_named(name).methods]
            raise UserError(
                f"--method {self.method}: not for the space {self.space.space}, only for {', '.join(others)}; "
                f"this one has {', '.join(methods)}"
            )
        compares = self.method in ("halving", "supernet")
        if not compares and self.latency is not None and self.latency.band_ms is not None:
            raise UserError(f"--latency-band: the method {self.method} has none; give --latency-weight instead")
        if compares and self.latency is not None and self.latency.band_ms is None:
            raise UserError(
                f"--latency-table: the method {self.method} needs a band, too; give --latency-band, such as 60:66"
            )
        if compares and self.perturbed:
            raise UserError(f"--perturbed: the method {self.method} makes no changes of what it finds; leave it out")


def latency_request(
    table: Path | None, *, weight: float, target_ms: float | None, tile: int | None, band: str | None
) -> LatencyRequest | None:
    """What is asked for, `band` as `60:66` ms, None without a table; UserError where the other options need one."""
    if table is not None:
        band_ms = None if band is None else _band_from_text(band)
        return LatencyRequest(table=table, weight=weight, target_ms=target_ms, tile=tile, band_ms=band_ms)
    if target_ms is not None or weight or tile is not None or band is not None:
        raise UserError(
            "--latency-weight, --latency-target-ms, --latency-band and --tile need prices; give --latency-table TABLE"
        )
    return None


def _band_from_text(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        band = (float(low), float(high))
    except ValueError as error:
        raise UserError(f"--latency-band: got {text!r}, expected two times in ms such as 60:66") from error
    if not 0 <= band[0] < band[1] < float("inf"):
        raise UserError(f"--latency-band: got {text!r}, expected the shorter time first")
    return band
