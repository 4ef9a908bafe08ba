"""The pictures that a command line names: one, several, or a pattern such as photos/*.jpg."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from ...errors import UserError
from ..denoise_request import path_of
from ..films.known_films import FILM_SUFFIXES
from ..pictures.known_formats import SUFFIXES
from .folder_listing import is_below_inner


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedPictures:
    """What is to be denoised."""

    source: Path
    """A file or a folder; where there are `files`, the folder that holds them all."""
    files: tuple[Path, ...] | None
    """Files below `source`, sorted; None: `source` itself is meant."""


def named_pictures(inputs: Sequence[str], output: str) -> NamedPictures:
    """What the names `inputs`, at least one, stand for. A file alone is a single one unless `output` ends in a slash.

    Of several, what lies below `output` is left out where that is inside the folder that holds all: an earlier run's.

    Patterns are resolved here where no shell has done so. Raises UserError for a name that leads to nothing, for a
    folder among several names, and for an `output` that is a file where it must be a folder.
    """
    if len(inputs) == 1:
        alone = path_of(inputs[0], "INPUT")
        is_pattern = has_magic(inputs[0]) and not alone.exists()
        into_a_folder = output.endswith(("/", os.sep)) and alone.is_file()
        if not is_pattern and not into_a_folder:
            return NamedPictures(source=alone, files=None)
    # Who forgets the folder after *.png names a picture there.
    if not Path(output).is_dir() and (
        Path(output).exists() or Path(output).suffix.lower() in (*SUFFIXES, *FILM_SUFFIXES)
    ):
        raise UserError(f"{output}: is a file by its name, but several are to be written; give a folder to write to")
    files = _alike([file for name in inputs for file in _files_of(name)])
    folder = Path(os.path.commonpath([file.parent for file in files]))
    chosen = {file for file in files if not is_below_inner(Path(output), file, folder)}
    if not chosen:
        raise UserError(f"{output}: the files named all lie in it; give another folder to write to")
    return NamedPictures(source=folder, files=tuple(sorted(chosen)))


def _files_of(name: str) -> list[Path]:
    path = path_of(name, "INPUT")
    if path.is_dir():
        raise UserError(f"{name}: is a folder; give a folder alone, or the files in it, such as '{path / '*.jpg'}'")
    if path.exists() or path.is_symlink():
        return [path]
    if not has_magic(name):
        raise UserError(f"{name}: no such file or folder")
    found = [file for file in map(Path, glob(name, recursive=True)) if file.is_file()]  # noqa: PTH207
    if not found:
        raise UserError(f"{name}: no file has such a name")
    return found


def _alike(files: Sequence[Path]) -> list[Path]:
    """All relative or all absolute, and without steps upwards where they differ, so that they can be compared."""
    if len({file.is_absolute() for file in files}) == 1 and not any(".." in file.parts for file in files):
        return list(files)
    return [Path(os.path.abspath(file)) for file in files]  # noqa: PTH100 (links must stay what they are)
