"""The folder of built engines, one file for each key. Processes that want the same engine build it once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import UserError
from .engine_file import DamagedEngineError, Engine, EngineKey, read_engine, write_engine


def default_cache_folder() -> Path:
    """The user's own cache folder, as the system names it."""
    from platformdirs import user_cache_path

    return user_cache_path("hinas", appauthor=False) / "engines"


def cached_engine(
    folder: Path, key: EngineKey, build: Callable[[], Engine], *, note: Callable[[str], None] = lambda _: None
) -> Path:
    """The file of the engine with this key, built and written first where it is missing, damaged or of another key.

    `note` is told what a person waits for. Raises UserError where the folder cannot be used, and what `build` raises.
    """
    path = folder / f"{key.digest}.engine"
    with _locked(path.with_suffix(".lock"), note):
        if not _holds(path, key, note):
            write_engine(build(), path)
    return path


def _holds(path: Path, key: EngineKey, note: Callable[[str], None]) -> bool:
    if not path.exists():
        return False
    try:
        return read_engine(path).key == key
    except DamagedEngineError:
        note(f"{path}: damaged; the engine is built anew")
        return False


@contextmanager
def _locked(path: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock that the system takes back when the process ends, however it ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            note("another process builds this engine; waiting for it")
            lock.acquire()
    except OSError as error:
        raise UserError(f"{path.parent}: cannot keep engines here ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()
