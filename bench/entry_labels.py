"""What a person calls the entries of results."""

from collections.abc import Hashable, Iterable, Sequence

from .results import Entry


def labels(entries: Sequence[Entry]) -> list[str]:
    """A name for each entry: the model, and what tells it apart where a model was measured on or in several things."""
    variants = _variants(entries)
    return [
        " ".join([entry.model, *(part for part in _parts(entry) if part and len(variants[_whose(entry)]) > 1)])
        for entry in entries
    ]


def _variants(entries: Iterable[Entry]) -> dict[Hashable, set[tuple[str | None, ...]]]:
    found: dict[Hashable, set[tuple[str | None, ...]]] = {}
    for entry in entries:
        found.setdefault(_whose(entry), set()).add(_parts(entry))
    return found


def _whose(entry: Entry) -> Hashable:
    return entry.model, entry.channels, entry.origin


def _parts(entry: Entry) -> tuple[str | None, ...]:
    return entry.backend, entry.precision
