"""The networks that halving compares: random members of the space inside one band of predicted latency."""

from dataclasses import dataclass
from random import Random

from ...errors import UserError
from ..architecture_search.latency_penalty import tiled_ms
from ..architecture_search.latency_table import LatencyTable
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


@dataclass(frozen=True, kw_only=True)
class LatencyBand:
    """The networks that may take part: those that the table predicts to take between two times."""

    table: LatencyTable
    low_ms: float
    high_ms: float
    tile: int | None
    """Side of the square tiles the networks will run in, pixels; None: whole images."""


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
        predicted = None if band is None else _predicted_ms(genotype, band)
        if band is None or predicted is None or band.low_ms <= predicted <= band.high_ms:
            found.append(Candidate(number=len(found) + 1, genotype=genotype, predicted_ms=predicted))
            in_vain = 0
        if len(found) == count:
            return tuple(found)
    where = "" if band is None else f" between {band.low_ms:g} and {band.high_ms:g} ms"
    raise UserError(
        f"--set halving.candidates={count}: only {len(found)} different networks{where} were found; "
        "ask for fewer, or widen the band or the space"
    )


def _predicted_ms(genotype: Genotype, band: LatencyBand) -> float:
    pricing = space_named(genotype.space).pricing
    assert pricing is not None, f"the space {genotype.space} has no prices"
    whole = band.table.predicted_ms(pricing.blocks(genotype.network, genotype.task))
    return tiled_ms(whole, genotype.geometry.halo, band.tile)
