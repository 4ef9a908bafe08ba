"""The task as a search draws it, and whether the networks can be told the strengths that it draws."""

from dataclasses import replace
from random import Random

from ...errors import UserError
from ..learning.choices import Method
from ..spaces.conditioning import Conditioning
from ..spaces.registry import space_named
from ..tasks.interface import Task, TaskOptions
from ..tasks.registry import configured_task, options_for_search, task_for_search
from .search_space import SearchSpace


def drawn_task(space: SearchSpace, options: TaskOptions, method: Method) -> Task:
    """What a search draws; UserError for an option that the task does not have."""
    if method in ("gradient", "random"):
        return task_for_search(space.task.name, options)
    return configured_task(space.task.name, options_for_training(space, options))


def options_for_training(space: SearchSpace, options: TaskOptions) -> TaskOptions:
    """The options of a search that trains compact networks, with what it draws where no levels are asked for.

    Networks that are to be told another range than the usual one are trained on theirs, others on the task's own.
    """
    found = options_for_search(space.task.name, replace(options, scale=space.task.scale))
    told = _told_range(space)
    has_its_own = told is not None and told != Conditioning().range
    return replace(found, level_range=told) if has_its_own and found.levels is None else found


def check_conditioning(space: SearchSpace, task: Task) -> None:
    """Raise UserError where networks are to be told a strength that the task does not have, or that they do not take.

    Blind networks may see several levels, as the papers' do.
    """
    told = _told_range(space)
    if told is None:
        return
    if task.level_range is None:
        raise UserError(
            f"conditioning: the task {task.name} has no strength that a network could be told; "
            "give --set conditioning=null"
        )
    low, high = task.level_range
    if not (told[0] <= low and high <= told[1]):
        raise UserError(
            f"--sigma: levels from {low:g} to {high:g} are drawn, but networks are conditioned on {told[0]:g} to "
            f"{told[1]:g}; give other levels, or --set conditioning.range={min(low, told[0]):g},{max(high, told[1]):g}"
        )


def _told_range(space: SearchSpace) -> tuple[float, float] | None:
    # It is fixed before a search, so any network of the space has it.
    return space_named(space.space).random(space.settings, Random(0)).conditioning_range
