"""Write a file or a folder whole or not at all: a temporary name in the same folder, then a rename.

What a killed process leaves is known by its name, and by the lock that ended with the process.
"""

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError

_PREFIX = ".hinas-"
_NUM_RANDOM_BYTES = 8
_TEMPORARY = re.compile(rf"{re.escape(_PREFIX)}[0-9a-f]{{{2 * _NUM_RANDOM_BYTES}}}(\..*)?", re.DOTALL)
_YOUNGEST_SECONDS = 2.0


def _mode_of_a_new_file(folder: Path) -> int:
    """The mode that a new file gets in `folder`: a file is made to see it.

    The umask itself can be read by changing it alone, which other threads that make files at that moment would see.
    """
    probe = folder / _temporary_name()
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            return stat.S_IMODE(os.fstat(handle).st_mode)
        finally:
            os.close(handle)
    finally:
        probe.unlink(missing_ok=True)


def _temporary_name(suffix: str = "") -> str:
    return f"{_PREFIX}{secrets.token_hex(_NUM_RANDOM_BYTES)}{suffix}"


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Give a temporary path to write to, renamed to `target` when the block ends without an error.

    The temporary name keeps `target`'s suffix, so libraries that choose a format by suffix work. A `target` that is a
    symbolic link stays one: what it leads to is written. After an error (or Ctrl-C) the temporary file is removed and
    an old `target` is untouched. Raises UserError where the folder is missing, not writable, or the disk is full.
    """
    with _written(target, named=lambda temporary, place: temporary.replace(place)) as temporary:
        yield temporary


@contextmanager
def written_new(target: Path) -> Iterator[Path]:
    """As `written_whole`, but never over another file: UserError where there is one by the time the block ends."""
    with _written(target, named=_named_where_nothing_is) as temporary:
        yield temporary


def _named_where_nothing_is(temporary: Path, place: Path) -> None:
    try:
        # Unlike a rename it fails where there is something, in one step.
        os.link(temporary, place)
        return
    except OSError as error:
        # A file system without hard links: nothing else refuses in one step on every system.
        is_taken = isinstance(error, FileExistsError) or place.exists()
    if is_taken:
        raise UserError(f"{place}: has come up meanwhile and was left as it is; choose another name")
    temporary.rename(place)


@contextmanager
def _written(target: Path, *, named: Callable[[Path, Path], object]) -> Iterator[Path]:
    place = target.resolve() if target.is_symlink() else target
    folder = place.parent
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; create it first or choose another output path")
    if place.is_dir():
        raise UserError(f"{target}: is a folder; give the name of a file to write")
    # Named before it is made: a signal in between would leave it.
    temporary = folder / _temporary_name(place.suffix)
    try:
        with _marked_as_in_use(temporary):
            yield temporary
            temporary.chmod(place.stat().st_mode if place.exists() else _mode_of_a_new_file(folder))
            named(temporary, place)
    except OSError as error:
        # Only errors of the disk itself are the user's to mend; a library's own come through as they are.
        if error.errno is None:
            raise
        raise UserError(f"{target}: could not be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _marked_as_in_use(temporary: Path) -> Iterator[None]:
    """Make the file, private to the user, and hold a lock on it that ends with the process."""
    try:
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError(f"{temporary.parent}: cannot write here ({error.strerror})") from error
    if not _is_locked(handle):
        # Systems without such locks do not rename a file that is open.
        os.close(handle)
        yield
        return
    try:
        yield
    finally:
        os.close(handle)


def _is_locked(handle: int) -> bool:
    """Whether the lock on an open file could be taken; False where it is taken, or where there are no locks."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


@contextmanager
def locked_file(path: Path) -> Iterator[bool]:
    """Make the file `path` where there is none, and hold a lock on it that ends with the process.

    Gives False where another process holds it; True also where the system has no such locks. Raises UserError where
    the file cannot be made.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UserError(f"{path.parent}: cannot write here ({error.strerror})") from error
    try:
        yield not _is_held_by_another(handle)
    finally:
        os.close(handle)


def _is_held_by_another(handle: int) -> bool:
    """Take the lock on an open file, where there are locks; True: another process holds it."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        pass
    return False


def remove_unfinished(folder: Path) -> int:
    """Remove the temporary files that killed processes left in `folder`, and say how many.

    Files that a living process writes stay, on every machine that shares the folder and its locks.
    """
    num_removed = 0
    for file in folder.glob(f"{_PREFIX}*"):
        # A person's own file may begin like that.
        if not _TEMPORARY.fullmatch(file.name):
            continue
        with suppress(OSError):
            # A file this young may be about to be locked.
            if not file.is_file() or time.time() - file.stat().st_mtime < _YOUNGEST_SECONDS:
                continue
            handle = os.open(file, os.O_RDWR)
            try:
                if _is_locked(handle):
                    file.unlink()
                    num_removed += 1
            finally:
                os.close(handle)
    return num_removed


@contextmanager
def folder_written_whole(target: Path) -> Iterator[Path]:
    """Give a new, empty folder to fill, renamed to `target` when the block ends without an error.

    After an error (or Ctrl-C) it is removed with all it holds. Raises UserError where there is something of that name
    already, the folder around it is missing or not writable, or the disk is full.
    """
    temporary = target.parent / _temporary_name()
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
