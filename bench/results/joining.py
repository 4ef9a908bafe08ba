"""Results of several sessions joined into one: only what may stand side by side, each figure once.

A session measures its models in the same rounds on one machine, by one protocol. What is joined must look as if it had
been measured so, as far as files can tell. Where it does not, an error names both files: a picture of such results
would compare what cannot be compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import UserError
from ..devices.environment import Machine
from .compare import ComparedEntry, subject_of
from .comparison_text import subject_text
from .entries import Entry, Results
from .result_texts import threads_text

_OF_THE_MOMENT = frozenset({"date_utc", "load_average", "affinity", "logical_cores"})
"""What two sessions on one machine may differ in."""
_ADDED_LATER = ("image_size", "images_digest")
"""Fields that results of earlier versions lack; with them they go on to join."""
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedResults:
    """Results and where they came from."""

    name: str
    """Of the file, for messages."""
    results: Results


def joined_results(parts: Sequence[NamedResults]) -> Results:
    """One `Results` of all entries, in the order of the parts; an entry that several parts have alike is there once.

    Its machine is that of the earliest session, with the largest load of all; `sessions` keeps each of them. UserError
    names two parts that were measured on different machines, under different conditions (protocol and images of one
    task and noise level; sizes and threads of latencies), or that have different figures of the same thing.
    """
    assert parts, "nothing to join"
    _require_one_machine(parts)
    _require_same_conditions(parts)
    _require_same_images(parts)
    sessions: list[Machine] = []
    for part in parts:
        sessions += [session for session in sessions_of(part.results) if session not in sessions]
    in_order = sorted(sessions, key=lambda session: session.date_utc)
    loads = [session.load_average for session in in_order if session.load_average is not None]
    return Results(
        machine=in_order[0].model_copy(update={"load_average": max(loads, default=None)}),
        sessions=tuple(in_order),
        entries=tuple(_entries(parts)),
    )


def sessions_of(results: Results) -> tuple[Machine, ...]:
    """The machine at the beginning of each session that the results are of, at least one."""
    return results.sessions or (results.machine,)


def session_dates(results: Results) -> str:
    """2026-11-29, or that of the first and the last of several sessions with their number."""
    dates = [session.date_utc for session in sessions_of(results)]
    first, last = f"{min(dates):%Y-%m-%d}", f"{max(dates):%Y-%m-%d}"
    days = first if first == last else f"{first} to {last}"
    return days if len(dates) == 1 else f"{days} ({len(dates)} sessions)"


def latencies_of(results: Results) -> list[Entry]:
    """The entries with a measured latency."""
    return [entry for entry in results.entries if entry.origin == "measured" and entry.latency_ms is not None]


def _require_one_machine(parts: Sequence[NamedResults]) -> None:
    first = parts[0]
    before = first.results.machine.model_dump(exclude=set(_OF_THE_MOMENT))
    for part in parts[1:]:
        after = part.results.machine.model_dump(exclude=set(_OF_THE_MOMENT))
        different = [
            f"{name.replace('_', ' ')} {_shown(after[name])}, not {_shown(before[name])}"
            for name in before
            if before[name] != after[name]
        ]
        if different:
            raise UserError(
                f"{part.name}: measured on another machine or with other libraries than {first.name} "
                f"({_several(different, '; ')}), so times cannot be compared; measure both on one machine"
            )


def _require_same_conditions(parts: Sequence[NamedResults]) -> None:
    known: dict[str, tuple[str, set[str]]] = {}
    for part in parts:
        for what, found in _conditions(part.results.entries).items():
            name, before = known.setdefault(what, (part.name, found))
            if found != before:
                raise UserError(
                    f"{part.name}: {what} {_in_words(found)}, in {name} {_in_words(before)}, so they cannot be "
                    "compared; measure them alike"
                )


def _require_same_images(parts: Sequence[NamedResults]) -> None:
    """After their names: sets may be called alike. Results of earlier versions do not tell, and go with any."""
    known: dict[str, tuple[str, set[str]]] = {}
    for part in parts:
        found: dict[str, set[str]] = {}
        for entry in part.results.entries:
            if entry.images_digest is not None:
                found.setdefault(_quality_of(entry), set()).add(entry.images_digest)
        for what, digests in found.items():
            name, before = known.setdefault(what, (part.name, digests))
            if digests != before:
                raise UserError(
                    f"{part.name}: {what} is measured on other images than in {name}, though the sets are called "
                    "alike, so they cannot be compared; measure them on the same images"
                )


def _quality_of(entry: Entry) -> str:
    return f"quality of {entry.task}{'' if entry.sigma is None else f' at sigma {entry.sigma:g}'}"


def _conditions(entries: Iterable[Entry]) -> Mapping[str, set[str]]:
    """What measured figures must have in common with those of other parts, by what they are figures of."""
    conditions: dict[str, set[str]] = {}
    for entry in entries:
        if entry.origin != "measured":
            continue
        # Sets of pairs are whole by themselves, each with a protocol and images of its own.
        if entry.protocol not in (None, "pairs"):
            how = f"by the protocol {entry.protocol} on {entry.dataset}"
            conditions.setdefault(f"{_quality_of(entry)} is measured", set()).add(how)
        if entry.latency_ms is not None:
            # What enlarges is timed on small pictures, which become as large as the others' are.
            of = f" of {entry.task}" if is_enlarging(entry) else ""
            conditions.setdefault(f"latency{of} is measured", set()).add(f"at {entry.size} pixels")
            threads = threads_text(entry.threads) or "unknown threads"
            conditions.setdefault("latency is timed", set()).add(f"with {threads}")
    return conditions


def is_enlarging(entry: Entry) -> bool:
    """Whether the figure is one of super-resolution."""
    return entry.task.startswith("super-resolution")


def _entries(parts: Sequence[NamedResults]) -> list[Entry]:
    entries: list[Entry] = []
    known: dict[ComparedEntry, tuple[str, list[Entry]]] = {}
    for part in parts:
        own: dict[ComparedEntry, list[Entry]] = {}
        for entry in part.results.entries:
            own.setdefault(subject_of(entry, part.results.machine), []).append(entry)
        for subject, found in own.items():
            if subject.origin == "published":
                # Of one method papers may print several figures.
                entries += [entry for entry in found if entry not in entries]
            elif subject not in known:
                known[subject] = part.name, found
                entries += found
            elif not _are_alike(known[subject][1], found):
                raise UserError(_conflict(part.name, found, subject, *known[subject]))
    return entries


def _are_alike(before: Sequence[Entry], found: Sequence[Entry]) -> bool:
    return len(before) == len(found) and all(
        one == other or _known_to_both(one, other) == _known_to_both(other, one)
        for one, other in zip(before, found, strict=True)
    )


def _known_to_both(entry: Entry, other: Entry) -> Entry:
    """Without what the other's version of hinas did not write yet."""
    return entry.model_copy(update={name: None for name in _ADDED_LATER if getattr(other, name) is None})


def _conflict(name: str, found: Sequence[Entry], subject: ComparedEntry, first: str, before: Sequence[Entry]) -> str:
    different = [
        part
        for part in Entry.model_fields
        if [getattr(entry, part) for entry in found] != [getattr(entry, part) for entry in before]
    ]
    return (
        f"{name}: {subject.model} ({subject_text(subject)}) is in {first} too, with another "
        f"{_several(different, ', ')}; measure it in one of the two alone"
    )


def _several(texts: Sequence[str], separator: str) -> str:
    more = len(texts) - _MOST_NAMED
    return separator.join([*texts[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])])


def _in_words(found: Iterable[str]) -> str:
    return " and ".join(sorted(found))


def _shown(value: object) -> str:
    return "unknown" if value is None else str(value)
