"""What a person asked hinas-denoise for."""

from dataclasses import dataclass
from pathlib import Path

from .backends.interface import Arithmetic


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One file to a file, or a folder to a folder."""

    source: Path
    """A picture file or a folder."""
    target: Path
    """A file for a file, a folder for a folder."""
    model: str = "auto"
    """auto: the bundled gray or color, as the picture is; else a bundled name or a path."""
    sigma: float | None = None
    """Grey levels 0..255; None: estimated on each picture where the model needs it."""
    backend: str = "auto"
    """As `open_backend` takes it."""
    precision: Arithmetic | None = None
    """Of floating-point layers; None: what the model file is for."""
    tile: int | None = None
    """Pixels; None: by the memory."""
    memory_bytes: int | None = None
    """Bound for the whole process; None: half of the free memory."""
    threads: int | None = None
    """None: the library's choice."""
    strength: float = 1.0
    """0..1: how much of the network's answer is mixed into the picture."""
    ensemble: bool = False
    """Average over eight rotations and reflections."""
    overwrite: bool = False
    """Whether files that exist may be replaced."""
    skip_existing: bool = False
    """Whether files that exist are left as they are, to go on with a run that was stopped."""
