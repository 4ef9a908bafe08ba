"""The networks that halving compares: random members of the space inside one band of predicted latency."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from ...errors import UserError
from ..architecture_search.latency_penalty import tiled_ms
from ..architecture_search.latency_table import LatencyTable, table_for
from ..architecture_search.search_request import SearchRequest
from ..architecture_search.search_space import SearchSpace
from ..genotype import Genotype
from ..spaces.registry import space_named

_MOST_IN_VAIN = 20_000
"""Networks drawn at most without finding another one for the band: some seconds."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One network that takes part."""

    number: int
    """From 1, in the order of drawing."""
    genotype: Genotype
    predicted_ms: float | None
    """By the latency table; None without one."""
    inherited: Path | None = None
    """Weights that its training begins with; None: fresh ones."""


@dataclass(frozen=True, kw_only=True)
class LatencyBand:
    """The networks that may take part: those that the table predicts to take between two times."""

    table: LatencyTable
    low_ms: float
    high_ms: float
    tile: int | None
    """Side of the square tiles the networks will run in, pixels; None: whole images."""

    def holds(self, ms: float) -> bool:
        """Whether a network that takes so long may take part."""
        return self.low_ms <= ms <= self.high_ms

    def predicted_ms(self, genotype: Genotype) -> float:
        """By the table, with the overlap of tiles; UserError where it lacks a price."""
        pricing = space_named(genotype.space).pricing
        assert pricing is not None, f"the space {genotype.space} has no prices"
        whole = self.table.predicted_ms(pricing.blocks(genotype.network, genotype.task))
        return tiled_ms(whole, genotype.geometry.halo, self.tile)

    def __str__(self) -> str:
        return f"between {self.low_ms:g} and {self.high_ms:g} ms"


def latency_band(request: SearchRequest) -> LatencyBand | None:
    """The band that a request asks for, None without one; UserError where the table is not the space's."""
    latency = request.latency
    if latency is None or latency.band_ms is None:
        return None
    low, high = latency.band_ms
    table = table_for(request.space.space, latency.table)
    return LatencyBand(table=table, low_ms=low, high_ms=high, tile=latency.tile)


def drawn_candidates(space: SearchSpace, count: int, *, band: LatencyBand | None, seed: int) -> tuple[Candidate, ...]:
    """`count` different random networks, drawn until as many lie in the band; the same seed gives the same.

    UserError where the space has too few of them, or the table lacks a price.
    """
    found: list[Candidate] = []
    seen: set[str] = set()
    draw, searched, in_vain = Random(seed), space_named(space.space), 0
    while in_vain < _MOST_IN_VAIN:
        genotype = Genotype(space=space.space, task=space.task, network=searched.random(space.settings, draw))
        in_vain += 1
        if genotype.identity in seen:
            continue
        seen.add(genotype.identity)
        predicted = None if band is None else band.predicted_ms(genotype)
        if band is None or predicted is None or band.holds(predicted):
            found.append(Candidate(number=len(found) + 1, genotype=genotype, predicted_ms=predicted))
            in_vain = 0
        if len(found) == count:
            return tuple(found)
    where = "" if band is None else f" {band}"
    raise UserError(
        f"--set halving.candidates={count}: only {len(found)} different networks{where} were found; "
        "ask for fewer, or widen the band or the space"
    )
