"""The search spaces by name: the one place that knows them all.

A new space is one new package beside `hinas` and one line in `_SPACES`. Nothing here imports torch
until a network is built.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from .diagram import NetworkDiagram
from .interface import Block, Geometry, SpaceDescription, SpaceSettings

if TYPE_CHECKING:
    from torch import nn

    from .supernet_interface import SearchSupernet

_SPACES: Mapping[str, str] = {"hinas": "hinas"}


def space_names() -> tuple[str, ...]:
    """The names a genotype's `space` may have."""
    return tuple(sorted(_SPACES))


def _space_module(space: Any, name: str) -> Any:
    if not isinstance(space, str) or space not in _SPACES:
        raise UserError(f"$.space: got {space!r}, expected one of {', '.join(space_names())}")
    return import_module(f".{_SPACES[space]}.{name}", package=__package__)


def network_description(space: Any, description: Any) -> SpaceDescription:
    """Validate a space's own network description; pydantic.ValidationError or UserError where it is wrong."""
    return _space_module(space, "space").NetworkDescription.model_validate(description)


def geometry(space: str, description: SpaceDescription) -> Geometry:
    """The exact halo and alignment of a described network: computed, not probed."""
    return _space_module(space, "receptive_field").geometry(description)


def build_network(space: str, description: SpaceDescription, channels: int) -> "nn.Module":
    """Build the compact network of a description (imports torch)."""
    return _space_module(space, "network").build(description, channels)


def space_settings(space: Any, settings: Any) -> SpaceSettings:
    """Validate what is fixed before a search; pydantic.ValidationError or UserError where it is wrong."""
    return _space_module(space, "search_settings").Settings.model_validate(settings)


def build_supernet(space: str, settings: SpaceSettings, channels: int) -> "SearchSupernet":
    """Build the supernet of a space, freshly initialised (imports torch)."""
    return _space_module(space, "search_supernet").build_supernet(settings, channels)


def blocks(space: str, description: SpaceDescription, channels: int) -> Mapping[Block, int]:
    """How often a described network holds each of its blocks: what a latency table prices it by."""
    return _space_module(space, "blocks").blocks(description, channels)


def latency_probes(space: str, settings: SpaceSettings) -> Sequence[SpaceDescription]:
    """Networks whose latencies together fix the price of every block a search with these settings can choose."""
    return _space_module(space, "blocks").latency_probes(settings)


def random_description(space: str, settings: SpaceSettings, draw: Random) -> SpaceDescription:
    """A network of the space, every choice drawn evenly."""
    return _space_module(space, "random_networks").random_description(settings, draw)


def diagram(space: str, description: SpaceDescription) -> NetworkDiagram:
    """What there is to draw of a described network."""
    return _space_module(space, "drawing").diagram(description)
