"""Pairs of pictures on disk: noisy files and their clean partners, told by folder or by name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ...runtime.pictures.known_formats import SUFFIXES
from ...search.images.image_folder import evenly_chosen, files_of
from ..quality.clean_images import eight_bit_size

_PARTNERS: Mapping[str, tuple[str, ...]] = {"real": ("mean",), "noisy": ("clean", "gt")}
"""By the word in a noisy file's name, in capitals or not: the words that its clean partner may have there."""
_NOISY_WORDS = {word: noisy for noisy, clean in _PARTNERS.items() for word in (noisy, *clean)}
"""By each word: that of the pair's noisy file."""
_WORD = re.compile(rf"(?<![^_.\-])({'|'.join(_NOISY_WORDS)})(?![^_.\-])", re.IGNORECASE)
_FORMS = (
    "FOLDER/noisy/NAME with FOLDER/clean/NAME, or NAME_real with NAME_mean, or NAME_noisy with NAME_clean or NAME_gt"
)
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFiles:
    """Two pictures of one scene."""

    name: str
    """For people: the noisy file's name in its folder; unique in its set."""
    noisy: Path
    clean: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class PairSet:
    """Pairs and where they come from."""

    name: str
    """For people: the folder, and how many of its pairs are used."""
    pairs: tuple[PairFiles, ...]
    """At least one, sorted; both headers can be read and tell the same size, 8 bits per channel."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Member:
    """A picture and its place in a pair."""

    key: str
    """The same for both pictures of a pair."""
    is_noisy: bool
    file: Path
    partner: str
    """How the other picture would be called, for a message."""


def find_pairs(folder: Path, *, limit: int | None = None) -> PairSet:
    """The pairs of a folder: `noisy/` beside `clean/` in it, else told by the names of the files below it.

    `limit`: at most this many, evenly spread over the sorted names; None: all. Raises UserError where there is no pair,
    a partner is missing, or the two pictures of a pair cannot be compared.
    """
    if not folder.is_dir():
        raise UserError(f"--pairs {folder}: no such folder; expected {_FORMS}")
    files = [file for file in files_of(str(folder)) if not file.name.startswith(".")]
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    if (folder / "noisy").is_dir() and (folder / "clean").is_dir():
        members = [*_members_in(folder, "noisy", pictures), *_members_in(folder, "clean", pictures)]
    else:
        members = [member for file in pictures if (member := _member_by_name(folder, file)) is not None]
    if not members:
        raise UserError(f"--pairs {folder}: no pairs of pictures; {_hint(folder)}")
    pairs = _paired(folder, members)
    chosen = evenly_chosen([pair.noisy for pair in pairs], limit)
    kept = tuple(pair for pair in pairs if pair.noisy in set(chosen))
    for pair in kept:
        _check_sizes(pair)
    count = f"{len(kept)} of {len(pairs)} pairs" if len(kept) < len(pairs) else f"{len(pairs)} pairs"
    used = {member.file for member in members}
    return PairSet(
        name=f"{folder.resolve().name} ({'1 pair' if len(pairs) == 1 else count})",
        pairs=kept,
        warnings=tuple(_unused(folder, [file for file in files if file not in used])),
    )


def _members_in(folder: Path, role: str, pictures: Iterable[Path]) -> list[_Member]:
    other = "clean" if role == "noisy" else "noisy"
    inside = [file for file in pictures if file.is_relative_to(folder / role)]
    names = [file.relative_to(folder / role).with_suffix("") for file in inside]
    return [
        _Member(key=str(name), is_noisy=role == "noisy", file=file, partner=f"{folder / other / name}.*")
        for file, name in zip(inside, names, strict=True)
    ]


def _member_by_name(folder: Path, file: Path) -> _Member | None:
    """Told by the last word in its name that says what it is; None: it has none."""
    found = list(_WORD.finditer(file.stem))
    if not found:
        return None
    before, word, after = file.stem[: found[-1].start()], found[-1][0], file.stem[found[-1].end() :]
    noisy = _NOISY_WORDS[word.lower()]
    is_noisy = word.lower() == noisy
    partner = _PARTNERS[noisy][0] if is_noisy else noisy
    partner = partner.upper() if word.isupper() else partner
    place = file.parent.relative_to(folder)
    return _Member(
        key=f"{place}/{before}/{noisy}/{after}",
        is_noisy=is_noisy,
        file=file,
        partner=f"{file.parent / f'{before}{partner}{after}'}.*",
    )


def _paired(folder: Path, members: Iterable[_Member]) -> list[PairFiles]:
    """All in pairs, sorted by the noisy file; UserError names what has no partner or several."""
    sides: dict[bool, dict[str, _Member]] = {True: {}, False: {}}
    for member in members:
        other = sides[member.is_noisy].setdefault(member.key, member)
        if other is not member:
            raise UserError(f"{member.file} and {other.file}: two pictures for one place in a pair; leave one out")
    noisy, clean = sides[True], sides[False]
    alone = [member for side in sides.values() for key, member in side.items() if (key in noisy) != (key in clean)]
    if alone:
        more = f" ({len(alone) - 1} more pictures have none either)" if len(alone) > 1 else ""
        which = "clean" if alone[0].is_noisy else "noisy"
        raise UserError(f"{alone[0].file}: has no {which} partner, expected {alone[0].partner}{more}")
    pairs = [
        PairFiles(name=str(member.file.relative_to(folder)), noisy=member.file, clean=clean[key].file)
        for key, member in noisy.items()
    ]
    return sorted(pairs, key=lambda pair: pair.noisy)


def _check_sizes(pair: PairFiles) -> None:
    noisy, clean = eight_bit_size(pair.noisy), eight_bit_size(pair.clean)
    if noisy != clean:
        sizes = [f"{width}x{height}" for width, height in (noisy, clean)]
        raise UserError(
            f"{pair.noisy}: {sizes[0]} pixels, but its clean partner {pair.clean.name} has {sizes[1]}; a pair has "
            "one size"
        )


def _hint(folder: Path) -> str:
    """What to give instead: a folder in this one, where that holds pairs."""
    below = [child for child in sorted(folder.iterdir()) if (child / "noisy").is_dir() and (child / "clean").is_dir()]
    return f"give {' or '.join(map(str, below[:_MOST_NAMED]))}" if below else f"expected {_FORMS}"


def _unused(folder: Path, files: list[Path]) -> list[str]:
    if not files:
        return []
    named = ", ".join(str(file.relative_to(folder)) for file in files[:_MOST_NAMED])
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return [f"{folder}: in no pair by their names, left out: {named}{more}"]
