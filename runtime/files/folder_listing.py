"""What a folder holds, sub-folders included: pictures and films by their names, other files, unreadable folders."""

import os
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ..films.known_films import FILM_SUFFIXES
from ..pictures.known_formats import OTHER_SUFFIXES, RAW_SUFFIXES, SUFFIXES


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderListing:
    """The files below a folder; hidden ones are left out."""

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


def pictures_below(source: Path, target: Path) -> FolderListing:
    """List the folder `source`, without what lies below the folder `target`, which may be inside it.

    Raises UserError where `target` is a file, and where there is nothing to read.
    """
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: is a file, but {source} is a folder; give a folder to write to")
    outputs = target.resolve()
    unreadable: dict[Path, str] = {}

    def note_unreadable(error: OSError) -> None:
        folder = Path(error.filename)
        unreadable[folder] = f"{folder}: the folder cannot be read ({error.strerror})"

    def is_own_output(file: Path) -> bool:
        """A target inside the source must not be read as input on a second run."""
        return outputs != source.resolve() and outputs in file.resolve().parents

    # Hidden files are other programs' notes on pictures, or what a killed run left.
    files = sorted(
        Path(folder, name)
        for folder, _, names in os.walk(source, onerror=note_unreadable)
        for name in names
        if not name.startswith(".")
    )
    files = [file for file in files if _may_be_a_file(file) and not is_own_output(file)]
    if source in unreadable:
        raise UserError(unreadable[source])
    pictures = [file for file in files if file.suffix.lower() in (*SUFFIXES, *OTHER_SUFFIXES)]
    films = [file for file in files if file.suffix.lower() in FILM_SUFFIXES]
    raw = [file for file in files if file.suffix.lower() in RAW_SUFFIXES]
    if not pictures and not films and not unreadable:
        known = ", ".join((*SUFFIXES, *FILM_SUFFIXES))
        what = "only raw files, develop them to TIFF or PNG first" if raw else f"looked for {known}"
        raise UserError(f"{source}: no pictures or films in this folder ({what})")
    return FolderListing(
        pictures=tuple(pictures),
        films=tuple(films),
        raw=tuple(raw),
        not_pictures=tuple(sorted(set(files) - {*pictures, *films, *raw})),
        unreadable=unreadable,
    )


def _may_be_a_file(path: Path) -> bool:
    """Whether it is a file, or cannot even be looked at: reading it will say why."""
    try:
        return path.is_file()
    except OSError:
        return True
