"""What a folder holds, sub-folders included: pictures and films by their names, other files, unreadable folders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ..films.known_films import FILM_SUFFIXES
from ..pictures.known_formats import OTHER_SUFFIXES, RAW_SUFFIXES, SUFFIXES

_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderListing:
    """The files below a folder; hidden ones are left out, and hidden folders."""

    pictures: tuple[Path, ...]
    """Sorted; among them such as cannot be read, and formats that hinas does not write."""
    films: tuple[Path, ...]
    """Sorted."""
    raw: tuple[Path, ...]
    """Sorted: what cameras write before development."""
    not_pictures: tuple[Path, ...]
    """Sorted."""
    unreadable: dict[Path, str]
    """Folders that could not be listed, and why, as a sentence for a person."""

    def notes(self, below: Path) -> Iterator[str]:
        """What a person is told of files that are passed over, by their paths below a folder."""
        if self.raw:
            named = _named(self.raw, below)
            yield f"skipped, raw files: {named}; give one alone to develop it, such as {self.raw[0].name} out.tif"
        if self.not_pictures:
            yield f"skipped, not pictures by their names: {_named(self.not_pictures, below)}"


def pictures_below(source: Path, target: Path) -> FolderListing:
    """List the folder `source`, without what lies below the folder `target`, which may be inside it.

    Raises UserError where `target` is a file, and where there is nothing to read.
    """
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: is a file, but {source} is a folder; give a folder to write to")
    unreadable: dict[Path, str] = {}

    def note_unreadable(error: OSError) -> None:
        folder = Path(error.filename)
        unreadable[folder] = f"{folder}: the folder cannot be read ({error.strerror})"

    files: list[Path] = []
    for folder, folders, names in os.walk(source, onerror=note_unreadable):
        # Hidden files and folders are other programs' notes on pictures, or what a killed run left.
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    files = [file for file in sorted(files) if _may_be_a_file(file) and not is_below_inner(target, file, source)]
    if source in unreadable:
        raise UserError(unreadable[source])
    return listed(files, unreadable, nothing=f"{source}: no pictures or films in this folder")


def is_below_inner(target: Path, file: Path, source: Path) -> bool:
    """Whether `file` lies below the folder `target`, and that inside `source`: it must not be read on a second run."""
    outputs = target.resolve()
    return source.resolve() in outputs.parents and outputs in file.resolve().parents


def listed(files: Sequence[Path], unreadable: dict[Path, str], *, nothing: str) -> FolderListing:
    """Sort files by what they are by their names. `nothing`: what an error says where there is nothing to read.

    Raises UserError where there is nothing to read.
    """
    pictures = [file for file in files if file.suffix.lower() in (*SUFFIXES, *OTHER_SUFFIXES)]
    films = [file for file in files if file.suffix.lower() in FILM_SUFFIXES]
    raw = [file for file in files if file.suffix.lower() in RAW_SUFFIXES]
    if not pictures and not films and not unreadable:
        known = ", ".join((*SUFFIXES, *FILM_SUFFIXES))
        what = "only raw files, which are developed one at a time" if raw else f"looked for {known}"
        raise UserError(f"{nothing} ({what})")
    return FolderListing(
        pictures=tuple(pictures),
        films=tuple(films),
        raw=tuple(raw),
        not_pictures=tuple(sorted(set(files) - {*pictures, *films, *raw})),
        unreadable=unreadable,
    )


def _named(files: Sequence[Path], below: Path) -> str:
    """The first of `files`, and how many more there are."""
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return ", ".join(str(file.relative_to(below)) for file in files[:_MOST_NAMED]) + more


def _may_be_a_file(path: Path) -> bool:
    """Whether it is a file, or cannot even be looked at: reading it will say why."""
    try:
        return path.is_file()
    except OSError:
        return True
