"""The file that a result is written to: where one exists, only --overwrite replaces it."""

from contextlib import AbstractContextManager
from pathlib import Path

from ...atomic_files import written_new, written_whole
from ...errors import UserError


def check_target(target: Path, *, overwrite: bool) -> None:
    """UserError where nothing can be written under this name: to be called before any work."""
    # A link that leads nowhere exists too.
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise UserError(f"{target}: exists already; add --overwrite to replace it, or choose another name")
    if not target.parent.is_dir():
        raise UserError(f"{target.parent}: no such folder; create it first or choose another output path")


def written_target(target: Path, *, overwrite: bool) -> AbstractContextManager[Path]:
    """A temporary path to write to, which gets the name `target` when all is well.

    Without `overwrite` a file that has come under that name during the work stays, and UserError is raised.
    """
    return written_whole(target) if overwrite else written_new(target)
