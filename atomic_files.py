"""Write a file or a folder whole or not at all: a temporary name in the same folder, then a rename."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError


def _mode_of_a_new_file() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Give a temporary path to write to, renamed to `target` when the block ends without an error.

    The temporary name keeps `target`'s suffix, so libraries that choose a format by suffix work.
    After an error (or Ctrl-C) the temporary file is removed and an old `target` is untouched.
    Raises UserError where the folder is missing, not writable, or the disk is full.
    """
    folder = target.parent
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; create it first or choose another output path")
    if target.is_dir():
        raise UserError(f"{target}: is a folder; give the name of a file to write")
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".hinas-", suffix=target.suffix)
    except OSError as error:
        raise UserError(f"{folder}: cannot write here ({error.strerror})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; the result gets the permissions any new file would have.
        temporary.chmod(target.stat().st_mode if target.exists() else _mode_of_a_new_file())
        temporary.replace(target)
    except OSError as error:
        # Only errors of the disk itself are the user's to mend; a library's own come through as they are.
        if error.errno is None:
            raise
        raise UserError(f"{target}: could not be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(target: Path) -> Iterator[Path]:
    """Give a new, empty folder to fill, renamed to `target` when the block ends without an error.

    After an error (or Ctrl-C) it is removed with all it holds. Raises UserError where there is something of that name
    already, the folder around it is missing or not writable, or the disk is full.
    """
    temporary = target.parent / f".hinas-{secrets.token_hex(8)}"
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            raise UserError(f"{target}: exists already; it is never written over")
        # Nothing is lost should it appear only now: a folder with something in it cannot be renamed over.
        temporary.rename(target)
    except OSError as error:
        if error.errno is None:
            raise
        raise UserError(f"{target}: could not be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
