"""A network made of parts of two: what an evolution makes children of."""

from random import Random

from .search_settings import Settings
from .space import Level, NetworkDescription


def crossed(
    one: NetworkDescription, other: NetworkDescription, settings: Settings, draw: Random, *, share: float
) -> NetworkDescription:
    """Number of levels, resolution, joints and every level from `other` with a probability of `share`, else from `one`.

    Where a level becomes the deepest or stops being it, its blocks move into the range that is allowed there. A level
    that would be narrower than the one above it is as wide as that.
    """

    def first() -> tuple[NetworkDescription, NetworkDescription]:
        return (other, one) if draw.random() < share else (one, other)

    num_levels = len(first()[0].levels)
    resolution = first()[0].stem.resolution
    steps = next((described.steps for described in first() if described.steps is not None), None)
    levels: list[Level] = []
    for index in range(num_levels):
        source = next(described for described in first() if index < len(described.levels))
        narrowest = levels[-1].width if levels else 0
        levels.append(_fitted(source, index, settings, is_deepest=index == num_levels - 1, narrowest=narrowest))
    return settings.description(tuple(levels), resolution=resolution, steps=steps)


def _fitted(source: NetworkDescription, index: int, settings: Settings, *, is_deepest: bool, narrowest: int) -> Level:
    level, was_deepest = source.levels[index], index == len(source.levels) - 1
    before, after = level.blocks, level.blocks_after
    if is_deepest:
        before, after = _within(before + after, settings.middle), 0
    elif was_deepest:
        before = after = _within(before // 2, settings.blocks)
    return level.model_copy(
        update={"width": max(level.width, narrowest), "blocks": before, "blocks_after": after, "width_after": None}
    )


def _within(count: int, limits: tuple[int, int]) -> int:
    return min(max(count, limits[0]), limits[1])
