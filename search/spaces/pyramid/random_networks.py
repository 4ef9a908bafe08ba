"""Random networks of the space: for comparing many short trainings, and for checking a latency table."""

from random import Random

from .search_settings import Settings
from .space import Level, NetworkDescription, Steps


def random_description(settings: Settings, draw: Random) -> NetworkDescription:
    """A network with every choice drawn evenly: first the number of levels, then for each its width and blocks.

    A level's width is drawn among those at least as wide as the level above.
    """
    num_levels = draw.randint(*settings.levels)
    steps = Steps(down=draw.choice(settings.downs), up=draw.choice(settings.ups), skips=draw.choice(settings.skips))
    levels: list[Level] = []
    for index in range(num_levels):
        is_deepest = index == num_levels - 1
        narrowest = levels[-1].width if levels else 0
        levels.append(
            Level(
                width=draw.choice([width for width in settings.widths if width >= narrowest]),
                blocks=draw.randint(*(settings.middle if is_deepest else settings.blocks)),
                blocks_after=0 if is_deepest else draw.randint(*settings.blocks),
                kind=draw.choice(settings.kinds),
                convolution=draw.choice(settings.convolutions),
            )
        )
    return settings.description(tuple(levels), resolution=draw.choice(settings.resolutions), steps=steps)
