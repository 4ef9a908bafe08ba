"""An evolution over networks: the best stay and have children, by crossing and by mutation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

Member = TypeVar("Member")


@dataclass(frozen=True, kw_only=True)
class Scored(Generic[Member]):
    """A network with its score; higher is better."""

    member: Member
    score: float
    generation: int
    """It came with, from 0."""


@dataclass(frozen=True, kw_only=True)
class Breeding(Generic[Member]):
    """What an evolution needs of its networks; those that may not take part are None."""

    key: Callable[[Member], str]
    """Equal for equal networks."""
    random: Callable[[Random], Member | None]
    crossed: Callable[[Member, Member, Random], Member | None]
    mutated: Callable[[Member, Random], Member | None]


_MOST_IN_VAIN = 20_000
"""Children drawn at most without getting another one."""


def evolved(
    breeding: Breeding[Member],
    score: Callable[[Member], float],
    *,
    population: int,
    generations: int,
    parents: int,
    draw: Random,
) -> Iterator[Sequence[Scored[Member]]]:
    """All networks scored so far, the best first, after every generation; no network is scored twice.

    The first generation is random. Every later one has `population` - `parents` children of the best `parents`. Ends
    early where no other child is found.
    """
    everyone: list[Scored[Member]] = []
    seen: set[str] = set()
    for generation in range(generations + 1):
        best = [scored.member for scored in everyone[:parents]]
        wanted = population if generation == 0 else population - len(best)
        children = _children(breeding, best, wanted, seen, draw)
        everyone += [Scored(member=child, score=score(child), generation=generation) for child in children]
        everyone.sort(key=lambda scored: -scored.score)
        yield tuple(everyone)
        if not children:
            return


def _children(
    breeding: Breeding[Member], parents: Sequence[Member], count: int, seen: set[str], draw: Random
) -> list[Member]:
    """Networks that were not seen before: random ones without parents, else crossed and mutated in turn."""
    found: list[Member] = []
    in_vain = 0
    while len(found) < count and in_vain < _MOST_IN_VAIN:
        if not parents:
            child = breeding.random(draw)
        elif len(found) % 2 == 0:
            child = breeding.crossed(*draw.sample(parents, 2), draw) if len(parents) > 1 else None
            child = child if child is not None and breeding.key(child) not in seen else None
            child = child or breeding.mutated(draw.choice(parents), draw)
        else:
            child = breeding.mutated(draw.choice(parents), draw)
        in_vain += 1
        if child is not None and breeding.key(child) not in seen:
            seen.add(breeding.key(child))
            found.append(child)
            in_vain = 0
    return found
