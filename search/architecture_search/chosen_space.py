"""The space that the options of hinas-search ask for: a preset of a space by its name, or a file with all settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ..spaces.interface import TaskDescription
from ..tasks.registry import channels_of, task_names
from .search_space import (
    DEFAULT_PRESET,
    SearchSpace,
    changed_space,
    changes_from_texts,
    preset_space,
    read_search_space,
)

_DEFAULT_TASK = "denoise"


@dataclass(frozen=True, kw_only=True)
class SpaceOptions:
    """What a person says of the space; None where an option was left out."""

    space: str
    """A name, or a file that --print-space wrote."""
    preset: str | None
    """None: the default one."""
    task: str | None
    """None: denoising, or what the file says."""
    channels: int | None
    """None: the task's usual ones, or what the file says."""
    scale: int | None
    """None: 1, or what the file says."""
    changes: Sequence[str]
    """Texts such as `layers=2`."""


def chosen_space(options: SpaceOptions) -> SearchSpace:
    """The space asked for, with its changes; UserError where options contradict each other or the space."""
    if options.task is not None and options.task not in task_names():
        raise UserError(f"--task: got {options.task!r}, expected {', '.join(task_names())}")
    changes = changes_from_texts(options.changes)
    if Path(options.space).suffix == ".json":
        return changed_space(_space_of_file(options), changes)
    task = _DEFAULT_TASK if options.task is None else options.task
    described = TaskDescription(
        name=task,
        channels=channels_of(task, options.channels),
        scale=1 if options.scale is None else options.scale,
    )
    return preset_space(options.space, described, DEFAULT_PRESET if options.preset is None else options.preset, changes)


def _space_of_file(options: SpaceOptions) -> SearchSpace:
    """A file has its task, too: an option that says another one would be overlooked."""
    if options.preset is not None:
        raise UserError("--preset: a space file has all its settings; leave out one of the two")
    found = read_search_space(Path(options.space))
    given = {"task": options.task, "channels": options.channels, "scale": options.scale}
    stands_there = {"task": found.task.name, "channels": found.task.channels, "scale": found.task.scale}
    for name, value in given.items():
        if value is not None and value != stands_there[name]:
            raise UserError(
                f"--{name}: got {value}, but {options.space} is a space with {name} {stands_there[name]}; leave one of "
                "the two out"
            )
    return found
