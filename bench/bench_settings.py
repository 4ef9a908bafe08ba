"""What a person asks of `hinas-bench`, as validated values. Imports no torch."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from ..command_line import chosen_names
from ..errors import UserError
from ..runtime.backends.open_backend import BACKEND_NAMES
from ..runtime.model.manifest import Precision
from .devices.profile import DeviceProfile
from .latency.measure_latency import Rounds
from .latency.timed_method import Size
from .methods.program import Program
from .quality.noise_protocols import Noise


@dataclass(frozen=True, kw_only=True, slots=True)
class QualitySettings:
    """What to measure quality on."""

    data: str
    """A folder, file or glob pattern of clean images."""
    limit: int | None = None
    """At most this many images, evenly spread; None: all."""
    sigmas: tuple[float, ...]
    """Grey levels, above 0 and up to 255."""
    noise: Noise = "standard"
    programs: tuple[Program, ...] = ()
    """Scored beside the models."""

    def __post_init__(self) -> None:
        for sigma in self.sigmas:
            if not 0 < sigma <= 255:
                raise UserError(f"--sigma: {sigma:g} is no noise level; expected grey levels such as 30,50,70")
        if self.programs and self.noise != "file":
            raise UserError(
                f"--command: a program reads 8-bit files, which cannot hold the noise of the {self.noise} protocol; "
                "give --noise file, for the models too"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchSettings:
    """Everything that is measured, projected and written."""

    models: tuple[str, ...] = ()
    """Bundled names or paths; none: the bundled models that do not enlarge."""
    backends: tuple[str, ...] = ("cpu",)
    """As the runtime's registry knows them, at least one."""
    precisions: tuple[Precision, ...] = ()
    """None: each model as its file is."""
    peers: str | None = None
    """Published methods to measure too, as `peer_names` reads them; None: none."""
    peer_weights: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Files with weights by the peer's name; the others get random ones."""
    quality: QualitySettings | None = None
    """None: latency alone."""
    sizes: tuple[Size, ...]
    """Of the latency, at least one."""
    gpus: tuple[DeviceProfile, ...] = ()
    """To measure on where they are here, to project latencies on where not, beside the papers' published figures."""
    threads: int = 1
    """Processor threads of one run."""
    rounds: Rounds | None
    """None: no latency is measured, quality alone."""
    out: Path
    """A folder; made if missing, files of the same names in it are replaced."""

    def __post_init__(self) -> None:
        assert self.sizes and self.backends and self.threads >= 1
        if self.rounds is None and self.quality is None:
            raise UserError("--rounds 0: measures no latency, and nothing else without images; give --data IMAGES")


def sigmas_from_text(text: str, *, option: str = "--sigma") -> tuple[float, ...]:
    """`30,50` -> (30, 50), each level once; UserError, which names `option`, where one is no number."""
    levels: list[float] = []
    for part in text.split(","):
        try:
            level = float(part)
        except ValueError:
            level = math.nan
        if not math.isfinite(level):
            raise UserError(
                f"{option} {text}: {part.strip()!r} is no noise level; expected grey levels such as 30,50,70"
            )
        levels.append(level)
    return tuple(dict.fromkeys(levels))


def sizes_from_text(text: str) -> tuple[Size, ...]:
    """`481x321,1920x1080` -> sizes, each once; UserError where one is not WIDTHxHEIGHT."""
    sizes: list[Size] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([1-9]\d{0,5})x([1-9]\d{0,5})\s*", part, re.IGNORECASE | re.ASCII)
        if found is None:
            raise UserError(
                f"--size {text}: {part.strip()!r} is no size; expected WIDTHxHEIGHT in pixels, such as 481x321"
            )
        sizes.append(Size(width=int(found[1]), height=int(found[2])))
    return tuple(dict.fromkeys(sizes))


def only_size(text: str, what: str) -> Size:
    """The one size that `text` states; UserError where there are several, for `what` has one."""
    first, *more = sizes_from_text(text)
    if more:
        raise UserError(f"--size {text}: {what} is for one size; give one WIDTHxHEIGHT")
    return first


def backends_from_options(options: list[str]) -> tuple[str, ...]:
    """`["cpu,openvino"]` -> (cpu, openvino), each once; none: cpu. UserError for a name that is no backend."""
    allowed = tuple(name for name in BACKEND_NAMES if name != "auto")
    return chosen_names("--backend", ",".join(options or ["cpu"]), allowed)


def precisions_from_options(options: list[str]) -> tuple[Precision, ...]:
    """`["fp32,int8"]` -> (fp32, int8), each once; UserError for a name that is no precision."""
    allowed: tuple[Precision, ...] = get_args(Precision)
    return chosen_names("--precision", ",".join(options), allowed) if options else ()
