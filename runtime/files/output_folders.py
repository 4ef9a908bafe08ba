"""The folders that outputs lie in: made below one folder and nowhere else, and freed of what killed runs left."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...atomic_files import remove_unfinished
from ...errors import UserError
from .reporting import Reporter


def make_folder_of(target: Path, folder: Path) -> None:
    """Make the folder of an output below `folder`. Raises UserError where that cannot be, or a link leads out."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{target.parent}: cannot create the folder ({error.strerror})") from error
    for place in (target.parent, target):
        if not place.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{place}: a link that leads out of {folder}; nothing is written there")


@contextmanager
def empty_ones_removed(folders: Iterable[Path], *, below: Path) -> Iterator[None]:
    """Remove at the end those of `folders` that were made in between and are empty, and the ones they lie in likewise.

    `below`: the folder that all lie in; it is one of them.
    """
    all_folders = {place for folder in folders for place in (folder, *folder.parents) if place.is_relative_to(below)}
    new = [folder for folder in all_folders if not folder.exists()]
    try:
        yield
    finally:
        for folder in sorted(new, key=lambda place: len(place.parts), reverse=True):
            with suppress(OSError):
                folder.rmdir()  # refused where something is in it


def tidy(folders: Iterable[Path], reporter: Reporter) -> None:
    """Remove what killed runs left in `folders`."""
    for folder in sorted(folders):
        if (num := remove_unfinished(folder)) > 0:
            reporter.note(f"{folder}: {num} unfinished file{'s' if num > 1 else ''} of a killed run removed")
