"""A folder in an object store or on another machine, reached with fsspec by an address such as s3://bucket/folder."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import UserError
from ...installation import install_advice
from ..files.folder_listing import FolderListing, listed
from .folders import Folder, LocalFolder

_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "memory"})
"""Where a file that is being written is not seen before it is whole; elsewhere it gets a temporary name first."""


def folder_at(text: str) -> Folder:
    """The folder that a person names: a path, or an address. Raises UserError where its package is missing."""
    protocol, _, rest = text.partition("://")
    if not rest:
        return LocalFolder(Path(text).absolute())
    if protocol in ("file", "local"):
        return LocalFolder(Path(rest).absolute())
    folder = StoredFolder(text.rstrip("/"))
    folder.check()
    return folder


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """Files are copied to the machine to be read, and back when they are written."""

    address: str
    """Without a slash at the end."""

    @property
    def text(self) -> str:
        return self.address

    def check(self) -> None:
        """Raise UserError where the address cannot be reached from this machine."""
        self._opened()

    def listing(self, outputs: Folder) -> FolderListing:
        own = outputs.text.removeprefix(f"{self.address}/")
        is_inside = own != outputs.text
        names = sorted(self.names())
        files = [
            Path(name)
            for name in names
            # Names of other programs' notes, of what was killed, and of what this run itself writes.
            if not PurePosixPath(name).name.startswith(".") and not (is_inside and name.startswith(f"{own}/"))
        ]
        return listed(files, {}, nothing=f"{self.address}: no pictures or films in this folder")

    def names(self) -> frozenset[str]:
        files, root = self._opened()
        with _named(self.address, "be listed"):
            try:
                found = files.find(root)
            except FileNotFoundError:
                return frozenset()
        below = f"{root}/"
        names = (str(file).removeprefix(below) for file in found if str(file).startswith(below))
        # A name that climbs out of its folder would be written beside the output.
        return frozenset(name for name in names if not name.endswith("/") and ".." not in PurePosixPath(name).parts)

    def local_file(self, name: str, scratch: Path) -> Path:
        return scratch / PurePosixPath(name).name

    def fetch(self, name: str, file: Path) -> None:
        files, root = self._opened()
        with _named(f"{self.address}/{name}", "be read"):
            file.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(f"{root}/{name}", str(file))

    def prepare(self, name: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)

    def keep(self, name: str, file: Path) -> None:
        files, root = self._opened()
        target = f"{root}/{name}"
        with _named(f"{self.address}/{name}", "be written"):
            if self._protocol in _OBJECT_STORES:
                files.put_file(str(file), target)
                return
            parent = target.rpartition("/")[0]
            files.makedirs(parent, exist_ok=True)
            temporary = f"{parent}/.hinas-{secrets.token_hex(8)}{file.suffix}"
            try:
                files.put_file(str(file), temporary)
                files.mv(temporary, target)
            except BaseException:
                with suppress(Exception):
                    files.rm(temporary)
                raise

    @property
    def _protocol(self) -> str:
        return self.address.partition("://")[0]

    def _opened(self) -> tuple[Any, str]:
        """The file system, and the folder's name in it without a slash at the end."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise UserError(
                f"{self.address}: needs the package fsspec; install: {install_advice('cpu,ray')}"
            ) from error
        try:
            files, root = url_to_fs(self.address)
        except ImportError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{self.address}: a package is missing here ({reason}); workers need it too") from error
        except Exception as error:
            raise UserError(f"{self.address}: cannot be opened ({_reason(error)})") from error
        return files, str(root).rstrip("/")


@contextmanager
def _named(place: str, doing: str) -> Iterator[None]:
    """Whatever a store's library raises is that file's mistake; each library has errors of its own."""
    try:
        yield
    except Exception as error:
        raise UserError(f"{place}: could not {doing} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
