"""What ties the entries of one method together, and what a person calls it."""

from collections.abc import Hashable, Iterable, Sequence

from .results import Entry


def join_key(entry: Entry) -> Hashable:
    """Equal for a latency and a quality of the same thing: model, kind of image, backend, precision and origin."""
    return entry.model, entry.channels, entry.backend, entry.precision, entry.origin


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
