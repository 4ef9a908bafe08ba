"""What TensorRT measured in earlier builds, kept beside the engines: one file for each TensorRT and kind of GPU."""

import hashlib
from pathlib import Path

from ...atomic_files import written_whole
from ...runtime.engines.gpu import Gpu
from ...runtime.engines.sealed_bytes import DamagedError, sealed, unsealed


def timing_cache_file(folder: Path, tensorrt_version: str, gpu: Gpu) -> Path:
    """Where the measurements of this TensorRT on this kind of GPU lie."""
    identity = hashlib.sha256(f"{tensorrt_version} {gpu!r}".encode()).hexdigest()[:32]
    return folder / f"{identity}.timing"


def read_timing_cache(path: Path) -> bytes:
    """The measurements, or nothing where there are none or the file is damaged: they only save time."""
    try:
        return unsealed(path.read_bytes())[1]
    except (OSError, DamagedError):
        return b""


def write_timing_cache(content: bytes, path: Path) -> None:
    """Replace the measurements; of two builds that end together the later one's stay."""
    with written_whole(path) as temporary:
        temporary.write_bytes(sealed({}, content))
