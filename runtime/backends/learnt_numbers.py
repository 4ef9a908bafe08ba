"""Numbers that a run measures about a model on this machine, kept for later runs in the user's cache folder."""

import hashlib
import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ... import __version__
from ...atomic_files import written_whole
from ...errors import UserError
from ..engines.sealed_bytes import DamagedError, sealed, unsealed

Numbers = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """What numbers belong to, beside the machine and the version of hinas."""

    what: str
    """The name of the measurement."""
    model_sha256: str
    """Of the model file."""
    backend: str
    """Library, version, precision and threads: its `description`."""


def kept_numbers(key: Key) -> Numbers | None:
    """What an earlier run learnt; None where there is nothing, or nothing whole."""
    path = _path(key)
    if path is None:
        return None
    try:
        about, _ = unsealed(path.read_bytes())
    except (OSError, DamagedError):
        return None
    return about["numbers"] if about.get("key") == _identity(key) else None


def keep_numbers(key: Key, numbers: Numbers) -> None:
    """Keep what this run learnt for later ones, where that is possible."""
    path = _path(key)
    if path is None:
        return
    with suppress(UserError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            temporary.write_bytes(sealed({"key": _identity(key), "numbers": numbers}, b""))


def sha256_of(model: Path) -> str:
    """Of a model file. Raises UserError where it cannot be read."""
    try:
        with model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{model}: cannot read the model file ({error.strerror})") from error


def _path(key: Key) -> Path | None:
    """None: this user has no cache folder."""
    from platformdirs import user_cache_path

    folder = user_cache_path("hinas", appauthor=False) / "learnt"
    digest = hashlib.sha256(json.dumps(_identity(key), sort_keys=True).encode()).hexdigest()[:32]
    # Without a home the folder is a name beginning with ~, which would land in the working folder.
    return folder / f"{digest}.numbers" if folder.is_absolute() else None


def _identity(key: Key) -> dict[str, Any]:
    return {"hinas": __version__, **asdict(key), **_machine()}


def processor_name() -> str:
    """Such as AMD EPYC; the kind of machine where the system has no better name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"


@cache
def _machine() -> dict[str, Any]:
    """Home folders are shared between machines, and containers get other cores of one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"machine": platform.node(), "processor": processor_name(), "cores": cores}
