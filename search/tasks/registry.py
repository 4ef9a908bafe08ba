"""The tasks by name: the one place that knows them all. A task's own module, which may import torch, is loaded on use.

A new task is one new file beside `denoise.py` and one line in `_TASKS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

from ...errors import UserError
from ...network_input import PACKED_BAYER
from .interface import Task, TaskOptions

Channels = Literal[1, 3, 4]
"""Of images: 1 grey, 3 colour, 4 packed Bayer."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a task without loading its class."""

    class_name: str
    is_blind: bool = False
    """Whether its degradation has no strength that a network could be told."""
    is_of_packed_bayer: bool = False
    """Whether its networks are given raw data; else grey or colour images."""


_TASKS: Mapping[str, _Entry] = {
    "camera": _Entry("Camera"),
    "denoise": _Entry("Denoise"),
    "derain": _Entry("Derain", is_blind=True),
    "raw": _Entry("Raw", is_blind=True, is_of_packed_bayer=True),
    "super-resolution": _Entry("SuperResolution", is_blind=True),
}
"""By the task's name, which is its module's but for hyphens."""


def task_names() -> tuple[str, ...]:
    """The names a genotype's `task.name` may have."""
    return tuple(sorted(_TASKS))


def is_blind(name: str) -> bool:
    """Whether networks for a task are told no strength."""
    return _TASKS[name].is_blind


def channels_of(name: str, channels: int | None) -> Channels:
    """Of the images of a task: `channels`, None for the usual ones; UserError where it has no images of so many."""
    if _TASKS[name].is_of_packed_bayer:
        if channels in (None, PACKED_BAYER):
            return PACKED_BAYER
        allowed = f"{PACKED_BAYER} (packed Bayer)"
    else:
        if channels is None:
            return 3
        if channels == 1 or channels == 3:
            return channels
        allowed = "1 (grey) or 3 (colour)"
    raise UserError(f"channels: got {channels}, the task {name} takes {allowed}")


def configured_task(name: Any, options: TaskOptions) -> Task:
    """The task of a name with the options given; UserError where there is none, or where an option is not for it."""
    return _task_class(name).from_options(options)


def task_for_search(name: Any, options: TaskOptions) -> Task:
    """As `configured_task`, with what the task's searches draw where nothing else is asked for."""
    kind = _task_class(name)
    levels = kind.search_levels if options.levels is None else options.levels
    return kind.from_options(replace(options_for_search(name, options), levels=levels))


def options_for_search(name: Any, options: TaskOptions) -> TaskOptions:
    """The options with the share of quantised patches that the task's searches have where none is asked for."""
    share = _task_class(name).search_quantised_share
    return options if options.quantised_share is not None else replace(options, quantised_share=share)


def usual_ssim_weight(name: str) -> float:
    """lambda of lambda * log10(1 / SSIM) in a training for the task where none is asked for."""
    return _task_class(name).usual_ssim_weight


def _task_class(name: Any) -> type[Task]:
    if not isinstance(name, str) or name not in _TASKS:
        raise UserError(f"task: got {name!r}, expected one of {', '.join(task_names())}")
    kind = getattr(import_module(f".{name.replace('-', '_')}", package=__package__), _TASKS[name].class_name)
    assert issubclass(kind, Task)
    return kind
