"""The hidden folder beside a film to be written where its parts lie, one for each way to make that film.

The name ends in a digest of all that the pictures depend on: parts of another source or of other options are not
taken, and not lost either.
"""

import glob
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ....atomic_files import locked_file, remove_unfinished
from ....errors import UserError
from .part_file import Part, file_name

_HEAD_BYTES = 2**20
_DIGITS = 12
"""Of the digest, in the name."""
_MOST_BYTES_OF_THE_NAME = 230
_LETTERS_OF_A_LONG_NAME = 50
"""Of the film's name: systems allow 255 bytes in all."""
_LOCK = "lock"


def content_of(source: Path) -> Mapping[str, str | int]:
    """What tells one content of a film file from another, wherever it lies. Raises OSError."""
    about = source.stat()
    with source.open("rb") as stream:
        head = hashlib.sha256(stream.read(_HEAD_BYTES)).hexdigest()
    return {"bytes": about.st_size, "changed": about.st_mtime_ns, "head": head}


class PartsFolder:
    """Where the parts of a film lie."""

    def __init__(self, target: Path, identity: Mapping[str, object]) -> None:
        """`identity`: all that the compressed pictures depend on, as values that differ in their text."""
        place = target.resolve() if target.is_symlink() else target
        text = json.dumps({key: str(value) for key, value in identity.items()}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._parent = place.parent
        is_long = len(place.name.encode(errors="surrogateescape")) > _MOST_BYTES_OF_THE_NAME
        self._stem = f".{place.name[:_LETTERS_OF_A_LONG_NAME] if is_long else place.name}."
        self.path = self._parent / f"{self._stem}{digest[:_DIGITS]}.parts"
        self.parts: list[Part] = []
        """One after the other, from frame 0 on; known while it is held."""
        self.has_damage = False
        """Whether the parts end at one that is not what was written."""

    @property
    def num_frames(self) -> int:
        """Of all parts."""
        return self.parts[-1].end if self.parts else 0

    def file_of(self, first: int) -> Path:
        """The file of the part whose first frame has the number `first`."""
        return self.path / file_name(first)

    @property
    def others(self) -> list[Path]:
        """Folders with parts of the same film made in another way: of another source, or with other options."""
        found = self._parent.glob(f"{glob.escape(self._stem)}{'[0-9a-f]' * _DIGITS}.parts")
        return sorted(folder for folder in found if folder != self.path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder where there is none, keep other runs out of it, and look at its parts.

        At the end it is removed where it holds no part. Raises UserError where it cannot be made, or another
        run is at work in it.
        """
        is_ours = False
        try:
            try:
                self.path.mkdir(exist_ok=True)
            except OSError as error:
                raise UserError(f"{self._parent}: cannot write here ({error.strerror})") from error
            with locked_file(self.path / _LOCK) as is_ours:
                if not is_ours:
                    raise UserError("another run is making this film; wait for its end, or give another output")
                remove_unfinished(self.path)
                self._look()
                yield
        finally:
            if is_ours and not any(self.path.glob("[0-9]*.part")):
                self.remove()

    def _look(self) -> None:
        while (file := self.file_of(self.num_frames)).is_file():
            try:
                part = Part.read(file)
            except OSError:
                part = None
            if part is None:
                self.has_damage = True
                return
            self.parts.append(part)

    def remove(self) -> None:
        """Remove it with all it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
