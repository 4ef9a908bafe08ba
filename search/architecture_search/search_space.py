"""A search space with everything that is fixed before a search: what hinas-search prints and reads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import SerializeAsAny, ValidationError, field_validator, model_validator

from ...errors import UserError
from ..learning.choices import Method
from ..spaces.halving_schedule import HalvingSchedule
from ..spaces.interface import Frozen, Kind, SpaceSettings, TaskDescription
from ..spaces.registry import check_enlarging, space_named, space_names, space_settings
from ..spaces.schedule import SearchSchedule
from ..spaces.space import PresetValues, Space
from ..spaces.supernet_schedule import SupernetSchedule
from ..tasks.registry import is_blind

FORMAT = "hinas-space"
DEFAULT_PRESET = "fast"
_GROUPS = ("halving", "supernet")
"""Schedules of their own methods: `--set halving.rounds=3`."""


class SearchSpace(Frozen):
    """A space by name, the task, the space's own settings and the schedules of the search."""

    format: Literal["hinas-space"] = FORMAT
    version: Literal[2] = 2
    space: str
    task: TaskDescription
    settings: SerializeAsAny[SpaceSettings]
    schedule: SearchSchedule = SearchSchedule()
    """Of the methods that train a supernet."""
    halving: HalvingSchedule = HalvingSchedule()
    """Of the method halving, and of the last part of the method supernet."""
    supernet: SupernetSchedule = SupernetSchedule()
    """Of the method supernet."""

    @field_validator("settings", mode="plain")
    @classmethod
    def _settings_are_the_spaces_own(cls, value: Any) -> SpaceSettings:
        if not isinstance(value, SpaceSettings):
            raise ValueError("expected settings made by the search space")
        return value

    @model_validator(mode="after")
    def _the_space_enlarges_where_the_task_does(self) -> "SearchSpace":
        check_enlarging(self.space, self.task)
        return self

    @model_validator(mode="after")
    def _the_space_can_mix_so(self) -> "SearchSpace":
        space = space_named(self.space)
        if self.schedule.mixture not in space.mixtures:
            allowed = " or ".join(space.mixtures)
            raise ValueError(f"mixture: got {self.schedule.mixture}, the space {self.space} has {allowed}")
        if self.schedule.skip_dropout and not space.chooses_skips:
            raise ValueError(
                f"skip_dropout: got {self.schedule.skip_dropout}, expected 0: the space {self.space} chooses no skips"
            )
        return self

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"


def preset_space(space: str, task: TaskDescription, preset: str, changes: Mapping[str, Any]) -> SearchSpace:
    """A space as one of its presets has it, with changes by name (`layers`, `stem.channels`, `kernel_optimizer`).

    UserError for a space, a preset or a name that does not exist, and for values that do not go together.
    """
    found = space_named_by_person(space)
    if preset not in found.presets:
        raise UserError(f"--preset: got {preset!r}, the space {space} has {', '.join(found.presets)}")
    check_enlarging(space, task)
    return changed_space(_of_preset(space, task, found.presets[preset].values_for(task.name)), changes)


def space_named_by_person(name: str) -> Space:
    """The space of a name given on the command line; UserError where there is none."""
    if name not in space_names():
        raise UserError(
            f"--space: got {name!r}, expected {', '.join(space_names())}, or a file that --print-space wrote"
        )
    return space_named(name)


def _of_preset(space: str, task: TaskDescription, values: PresetValues) -> SearchSpace:
    """Presets speak of what a network is given: where clean pictures are larger, so are their patches.

    Presets that tell networks a strength tell none where the task has none.
    """
    larger = task.network_input().picture_scale
    blind = {"conditioning": None} if is_blind(task.name) else {}
    schedule = SearchSchedule.model_validate(dict(values.schedule))
    halving = HalvingSchedule.model_validate(dict(values.halving))
    supernet = SupernetSchedule.model_validate(dict(values.supernet))
    return SearchSpace(
        space=space,
        task=task,
        settings=space_settings(space, {**values.settings, **blind}),
        schedule=schedule.model_copy(update={"crop": schedule.crop * larger}),
        halving=halving.model_copy(
            update={"crop": halving.crop * larger, "validation_side": halving.validation_side * larger}
        ),
        supernet=supernet.model_copy(update={"crop": supernet.crop * larger}),
    )


def scheduled_space(space: SearchSpace, changes: Mapping[str, Any], method: Method) -> SearchSpace:
    """The space with values of the schedule that belongs to a method changed; UserError where one is wrong."""
    if method in _GROUPS and "epochs" in changes:
        iterations = {"halving": "halving.first_iterations", "supernet": "supernet.iterations"}[method]
        raise UserError(f"--epochs: the method {method} has none; give --set {iterations}=N")
    group = f"{method}." if method in _GROUPS else ""
    return changed_space(space, {group + name: value for name, value in changes.items()})


def changed_space(space: SearchSpace, changes: Mapping[str, Any]) -> SearchSpace:
    """The space with values changed by name; UserError where a name or a value is wrong."""
    settings, schedule = space.settings.model_dump(mode="json"), space.schedule.model_dump(mode="json")
    groups = {name: getattr(space, name).model_dump(mode="json") for name in _GROUPS}
    for name, value in changes.items():
        head = name.split(".")[0]
        if head in settings:
            _put(settings, name, value)
        elif head in schedule:
            _put(schedule, name, value)
        elif name in groups and not isinstance(value, dict):
            parts = ", ".join(groups[name])
            raise UserError(f"--set {name}: got {value}, but it is a group; give --set {name}.NAME=VALUE with {parts}")
        elif head in groups:
            _put(groups, name, value)
        else:
            known = [*settings, *schedule, *(f"{group}.{part}" for group in groups for part in groups[group])]
            raise UserError(f"--set {name}: no such setting; there are {', '.join(known)}")
    try:
        return SearchSpace(
            space=space.space,
            task=space.task,
            settings=space_settings(space.space, settings),
            schedule=SearchSchedule.model_validate(schedule),
            halving=_group(HalvingSchedule, "halving", groups),
            supernet=_group(SupernetSchedule, "supernet", groups),
        )
    except ValidationError as error:
        raise UserError(f"--set {mistake_in(error)}") from error


def _group(kind: type[Kind], name: str, groups: Mapping[str, Any]) -> Kind:
    try:
        return kind.model_validate(groups[name])
    except ValidationError as error:
        raise UserError(f"--set {name}.{mistake_in(error)}") from error


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    """Change one value, inside a group where the name has a dot."""
    head, dot, rest = name.partition(".")
    if not dot:
        values[head] = value
        return
    group = values.get(head)
    if group is None:
        group = {}
    if not isinstance(group, dict):
        raise UserError(f"--set {name}: {head} is a single value; leave out .{rest}")
    values[head] = {**group, rest: value}


def changes_from_texts(texts: Sequence[str]) -> dict[str, Any]:
    """`layers=2`, `width_factors=1,2,4`, `stem.resolution=half`, `conditioning=null` -> names and values.

    A value is read as JSON where it is JSON, as a list where it has commas, else as a word.
    """
    changes: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise UserError(f"--set: got {text!r}, expected NAME=VALUE, such as layers=2")
        changes[name.strip()] = _value(value.strip())
    return changes


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [_value(part.strip()) for part in text.split(",")] if "," in text else text


def read_search_space(path: Path) -> SearchSpace:
    """Read a space file; UserError where it is missing or invalid."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); hinas-search --print-space writes one") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); hinas-search --print-space writes one") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UserError(f"{path}: not a search space; hinas-search --print-space writes one")
    try:
        document["settings"] = space_settings(document.get("space"), document.get("settings"))
        return SearchSpace.model_validate(document)
    except ValidationError as error:
        raise UserError(f"{path}: {mistake_in(error)}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def mistake_in(error: ValidationError) -> str:
    """The first mistake of a validation: where, what, and what stood there."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}, got {first['input']!r}" if where else message
