"""The tasks by name: the one place that knows them all. A task's own module, which may import torch, is loaded on use.

A new task is one new file beside `denoise.py` and one line in `_TASKS`.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from ...errors import UserError
from .interface import Task, TaskOptions

_TASKS: Mapping[str, str] = {"camera": "Camera", "denoise": "Denoise", "derain": "Derain"}
"""A task's name, which is its module's, and the name of its class."""


def task_names() -> tuple[str, ...]:
    """The names a genotype's `task.name` may have."""
    return tuple(sorted(_TASKS))


def configured_task(name: Any, options: TaskOptions) -> Task:
    """The task of a name with the options given; UserError where there is none, or where an option is not for it."""
    return _task_class(name).from_options(options)


def task_for_search(name: Any, options: TaskOptions) -> Task:
    """As `configured_task`, with the levels that the task's searches draw where none are given."""
    kind = _task_class(name)
    return kind.from_options(options if options.levels is not None else replace(options, levels=kind.search_levels))


def _task_class(name: Any) -> type[Task]:
    if not isinstance(name, str) or name not in _TASKS:
        raise UserError(f"task: got {name!r}, expected one of {', '.join(task_names())}")
    kind = getattr(import_module(f".{name}", package=__package__), _TASKS[name])
    assert issubclass(kind, Task)
    return kind
