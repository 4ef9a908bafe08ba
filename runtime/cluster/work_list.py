"""What is to be done in a folder, before any worker is asked: names, and those that are skipped or refused."""

from dataclasses import dataclass
from pathlib import Path

from ..denoise_request import Request
from .folders import Folder
from .row import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkList:
    """The pictures and films of a folder, sorted by what is to be done."""

    to_do: tuple[str, ...]
    """Names below the folder."""
    ended: tuple[Row, ...]
    """Those whose output exists, and folders that cannot be read."""
    notes: tuple[str, ...]
    """For a person."""

    @property
    def num_pictures(self) -> int:
        return len(self.to_do) + len(self.ended)


def listed_work(source: Folder, target: Folder, request: Request) -> WorkList:
    """Compare the two folders. Raises UserError where there is nothing to read, or the target is a file."""
    listing = source.listing(target)
    found = [file.as_posix() for file in (*listing.pictures, *listing.films)]
    existing = frozenset() if request.overwrite else target.names()
    ended: list[Row] = []
    for name in found:
        if name in existing:
            input, output = f"{source.text}/{name}", f"{target.text}/{name}"
            if request.skip_existing:
                ended.append(Row(input=input, output=output, status="skipped"))
            else:
                error = f"{output}: exists already; add --overwrite to replace it, or --skip-existing to leave it"
                ended.append(Row(input=input, output=output, status="failed", error=error))
    for folder, reason in listing.unreadable.items():
        ended.append(Row(input=str(folder), output="", status="failed", error=reason))
    return WorkList(
        to_do=tuple(name for name in found if name not in existing),
        ended=tuple(ended),
        notes=tuple(listing.notes(Path())),
    )
