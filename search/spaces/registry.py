"""The search spaces by name: the one place that knows them all.

A new space is one new package beside `hinas` and one line in `_SPACES`. Nothing here imports torch
until a network is built.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from .interface import Geometry, SpaceDescription

if TYPE_CHECKING:
    from torch import nn

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
