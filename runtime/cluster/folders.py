"""A folder that workers read from or write to, wherever it is: what a run asks of it, and folders on the machine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ...errors import UserError
from ..files.folder_listing import FolderListing, pictures_below
from ..files.output_folders import make_folder_of


class Folder(Protocol):
    """Files are named by their path below the folder, with slashes. Values of it can be sent to other processes."""

    @property
    def text(self) -> str:
        """The folder's own name, for a person; what is typed to reach it."""
        ...

    def listing(self, outputs: "Folder") -> FolderListing:
        """The files in it, by paths below it, without what lies in `outputs`. Raises UserError where there are none."""
        ...

    def names(self) -> frozenset[str]:
        """Of all files in it; empty where there is no such folder."""
        ...

    def local_file(self, name: str, scratch: Path) -> Path:
        """Where this machine reads or writes the file: the file itself, or a copy in the folder `scratch`."""
        ...

    def fetch(self, name: str, file: Path) -> None:
        """Make `file`, from `local_file`, readable. Raises UserError."""
        ...

    def prepare(self, name: str, file: Path) -> None:
        """Make the folder that `file`, from `local_file`, is written to. Raises UserError."""
        ...

    def keep(self, name: str, file: Path) -> None:
        """Put what was written to `file`, from `local_file`, in its place, whole or not at all. Raises UserError."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder that every machine reaches under the same path."""

    path: Path
    """Absolute."""

    @property
    def text(self) -> str:
        return str(self.path)

    def listing(self, outputs: Folder) -> FolderListing:
        if not self.path.exists():
            raise UserError(f"{self.path}: no such file or folder")
        if not self.path.is_dir():
            raise UserError(f"{self.path}: --ray is for folders; leave it out for a single file")
        found = pictures_below(self.path, outputs.path if isinstance(outputs, LocalFolder) else self.path)
        return FolderListing(
            pictures=self._below(found.pictures),
            films=self._below(found.films),
            raw=self._below(found.raw),
            not_pictures=self._below(found.not_pictures),
            unreadable=found.unreadable,
        )

    def names(self) -> frozenset[str]:
        return frozenset(
            PurePosixPath(Path(folder, file).relative_to(self.path)).as_posix()
            for folder, _, files in os.walk(self.path)
            for file in files
        )

    def local_file(self, name: str, scratch: Path) -> Path:
        return self.path / name

    def fetch(self, name: str, file: Path) -> None:
        """It is there already; reading it says what is wrong with it."""

    def prepare(self, name: str, file: Path) -> None:
        make_folder_of(file, self.path)

    def keep(self, name: str, file: Path) -> None:
        """It was written under a temporary name and renamed, where it belongs."""

    def _below(self, files: Sequence[Path]) -> tuple[Path, ...]:
        return tuple(file.relative_to(self.path) for file in files)
