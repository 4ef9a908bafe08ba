"""What hinas-denoise is asked to do, and the values of its options from the texts that a person types."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .amount import MOST_TIMES_LEVEL, WHOLE_CHANGE, Amount
from .backends.backend import AskedPrecision

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_AUTO_TIMES = "auto*"


def path_of(text: str, what: str) -> Path:
    """A path. `what`: the argument or option that the error names."""
    if not text:
        raise UserError(f"{what} is an empty name; give a file or a folder, or . for the current folder")
    return Path(text)


def sigma_of(text: str) -> float | None:
    """A noise level in grey levels, or None for auto and auto*FACTOR."""
    if text == "auto" or text.startswith(_AUTO_TIMES):
        return None
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"--sigma {text}: allowed: auto, or a number in grey levels 0..255, or auto*FACTOR such as auto*1.5"
        ) from None


def sigma_factor_of(text: str) -> float:
    """What a measured noise level is multiplied by: FACTOR of auto*FACTOR, else 1."""
    if not text.startswith(_AUTO_TIMES):
        return 1.0
    try:
        factor = float(text.removeprefix(_AUTO_TIMES))
    except ValueError:
        factor = math.nan
    if not 0 < factor <= MOST_TIMES_LEVEL:
        raise UserError(
            f"--sigma {text}: allowed after auto*: a number above 0 and up to {MOST_TIMES_LEVEL:g}, such as auto*1.5"
        )
    return factor


def precision_of(text: str) -> AskedPrecision | None:
    """What floating-point layers are computed in, or int8; None for auto."""
    match text:
        case "auto":
            return None
        case "fp32" | "bf16" | "int8":
            return text
        case _:
            raise UserError(f"--precision {text}: allowed: auto, fp32, bf16, int8")


def tile_of(text: str) -> int | None:
    """Pixels, or None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--tile {text}: allowed: auto, or a whole number of pixels of at least 1")
    return int(text)


def bytes_of(text: str, *, option: str = "--memory") -> int:
    """A size such as 2GiB, 512MiB, 1.5G or 800000000, in bytes. `option`: what the error names."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if match is None or match[2] not in _UNITS or float(match[1]) <= 0:
        raise UserError(f"{option} {text}: allowed: a size such as 2GiB or 512MiB")
    return int(float(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One file to a file, or several or a folder to a folder."""

    source: Path
    """A picture file or a folder."""
    target: Path
    """A file for a file, a folder for a folder."""
    files: tuple[Path, ...] | None = None
    """Those below the folder `source` that are meant; None: all, or the file that `source` is."""
    model: str = "auto"
    """auto, fast or best: the bundled model for the picture and its noise; else a bundled name or a path."""
    sigma: float | None = None
    """Grey levels 0..255; None: estimated on each picture where the model needs it."""
    sigma_factor: float = 1.0
    """What an estimated level is multiplied by; 1 where `sigma` is given."""
    backend: str = "auto"
    """As `open_backend` takes it."""
    precision: AskedPrecision | None = None
    """Of floating-point layers, or int8: the model's int8 file; None: what the model file is for."""
    tile: int | None = None
    """Pixels; None: by the memory."""
    memory_bytes: int | None = None
    """Bound for the whole process; None: half of the free memory."""
    threads: int | None = None
    """None: the library's choice."""
    amount: Amount = WHOLE_CHANGE
    """How much of the network's change the pictures get."""
    ensemble: bool = False
    """Average over eight rotations and reflections."""
    overwrite: bool = False
    """Whether files that exist may be replaced."""
    skip_existing: bool = False
    """Whether files that exist are left as they are, to go on with a run that was stopped."""
    codec: str | None = None
    """How films are compressed, as `chosen_encoder` takes it; None: as each is."""
    crf: int | None = None
    """The constant rate factor of films, lower is better; None: the usual one of the kind."""
    temporal: bool = False
    """Whether what stays the same from frame to frame of a film is averaged."""
    deinterlace: bool = False
    """Whether films may be interlaced, and are then written without."""
    preview: Path | None = None
    """The HTML page to write, of every picture before and after; None: none."""

    @property
    def level_factor(self) -> float:
        """What the measured or given noise level is multiplied by, before the model's range."""
        return self.sigma_factor * self.amount.level_factor
