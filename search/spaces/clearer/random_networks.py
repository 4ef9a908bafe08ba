"""Random networks of the space: for random search, checking a latency table, and an ablation like HiNAS's R1."""

from random import Random

from .search_settings import MODULES, Settings
from .space import Module, NetworkDescription


def random_description(settings: Settings, draw: Random) -> NetworkDescription:
    """A network with each module drawn evenly."""
    return settings.description(
        [[draw.choice(MODULES) for _ in range(settings.modules)] for _ in range(settings.num_stages)]
    )


def with_modules_replaced(description: NetworkDescription, draw: Random) -> NetworkDescription:
    """In each stage one module becomes the other kind."""
    stages: list[tuple[Module, ...]] = []
    for kinds in description.stages:
        place = draw.randrange(len(kinds))
        changed = list(kinds)
        changed[place] = "fusion" if kinds[place] == "parallel" else "parallel"
        stages.append(tuple(changed))
    return description.model_copy(update={"stages": tuple(stages)})
