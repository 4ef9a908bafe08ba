"""The search spaces by name: the one place that knows them all. Nothing here imports torch.

A new space is one new folder beside `hinas` and one line in `_SPACES`, or a package of its own that names the space as
an entry point (`examples/own_space`).
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ...errors import UserError
from .clearer.clearer_space import ClearerSpace
from .hinas.hinas_space import HinasSpace
from .interface import SpaceDescription, SpaceSettings, TaskDescription
from .pyramid.pyramid_space import PyramidSpace
from .space import Space
from .superkernel.superkernel_space import SuperkernelSpace

_SPACES: Mapping[str, Space] = {
    space.name: space for space in (ClearerSpace(), HinasSpace(), PyramidSpace(), SuperkernelSpace())
}


_ENTRY_POINTS = "hinas.spaces"
"""The group that other packages list their spaces in."""


def space_names() -> tuple[str, ...]:
    """The names a genotype's `space` may have."""
    return tuple(sorted({*_SPACES, *(point.name for point in entry_points(group=_ENTRY_POINTS))}))


def space_named(name: Any) -> Space:
    """The space of a name; UserError, worded for a JSON document, where there is none.

    hinas's own spaces come first. A package that names a space it does not have is a UserError, too.
    """
    if isinstance(name, str):
        if name in _SPACES:
            return _SPACES[name]
        for point in entry_points(group=_ENTRY_POINTS, name=name):
            return _space_of(point)
    raise UserError(f"$.space: got {name!r}, expected one of {', '.join(space_names())}")


def _space_of(point: EntryPoint) -> Space:
    """The space that another package has."""
    try:
        found = point.load()()
    except Exception as error:  # The package's own code runs here.
        raise UserError(f"the space {point.name}: {point.value} cannot be loaded ({error})") from error
    if not isinstance(found, Space) or found.name != point.name:
        raise UserError(f"the space {point.name}: {point.value} is not a Space with this name")
    return found


def check_enlarging(space: str, task: TaskDescription) -> None:
    """UserError where a task's output is larger than its input and the space has no networks for that."""
    if task.scale > 1 and not space_named(space).enlarges:
        able = ", ".join(name for name in space_names() if space_named(name).enlarges)
        raise UserError(f"the space {space} has no networks that enlarge; use {able}")


def network_description(space: Any, description: Any) -> SpaceDescription:
    """Validate a space's own network description; pydantic.ValidationError or UserError where it is wrong."""
    return space_named(space).description_type.model_validate(description)


def space_settings(space: Any, settings: Any) -> SpaceSettings:
    """Validate what is fixed before a search; pydantic.ValidationError or UserError where it is wrong."""
    return space_named(space).settings_type.model_validate(settings)
