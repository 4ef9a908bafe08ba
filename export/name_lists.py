"""Names separated by commas, as options take them. Standard library only."""

from typing import TypeVar

from ..errors import UserError

_Name = TypeVar("_Name", bound=str)


def chosen_names(option: str, text: str, allowed: tuple[_Name, ...]) -> tuple[_Name, ...]:
    """Read names separated by commas, each once; UserError for a name that is not allowed."""
    known: dict[str, _Name] = {name: name for name in allowed}
    names = [name.strip() for name in text.split(",")]
    if len(set(names) & set(known)) < len(names):
        raise UserError(f"{option}: got {text!r}, expected one or more of {', '.join(allowed)}, each once")
    return tuple(known[name] for name in names)
