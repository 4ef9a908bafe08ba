"""What a person asks of `hinas-bench`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..runtime.model.manifest import Precision
from .contestants.program import Program
from .devices.profile import DeviceProfile
from .latency.latency import Rounds, Size
from .quality.noise_variants import Noise


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityRequest:
    """What to measure quality on."""

    data: str
    """A folder, file or glob pattern of clean images."""
    limit: int | None
    """At most this many images, evenly spread; None: all."""
    sigmas: tuple[float, ...]
    """Grey levels 0..255."""
    noise: Noise
    programs: tuple[Program, ...] = ()
    """Scored beside the models."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRequest:
    """Everything that is measured, projected and written."""

    models: tuple[str, ...]
    """Bundled names or paths; none: all bundled models."""
    backends: tuple[str, ...]
    """As the runtime's registry knows them, at least one."""
    precisions: tuple[Precision, ...]
    """None: each model as its file is."""
    peers: str | None
    """Published methods to measure too, as `peer_names` reads them; None: none."""
    peer_weights: Mapping[str, Path]
    """Files with weights by the peer's name; the others get random ones."""
    quality: QualityRequest | None
    """None: latency alone."""
    sizes: tuple[Size, ...]
    """Of the latency, at least one."""
    gpus: tuple[DeviceProfile, ...]
    """To measure on where they are here, to project latencies on where not, beside the papers' published figures."""
    threads: int
    rounds: Rounds
    out: Path
    """A folder; made if missing, files of the same names in it are replaced."""
