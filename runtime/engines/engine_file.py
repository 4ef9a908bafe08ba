"""An engine file: what an engine was built from and for, TensorRT's plan, and how both are stored and read back."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ...atomic_files import written_whole
from ...errors import UserError
from ..model.manifest import ModelManifest, Precision
from .gpu import Gpu
from .sealed_bytes import DamagedError, sealed, unsealed


@dataclass(frozen=True, kw_only=True, slots=True)
class InputShapes:
    """The shapes that one input of an engine takes: its optimisation profile. All three are equal where it is fixed."""

    name: str
    """`noisy` (B, C, H, W) or `sigma` (B,)."""
    smallest: tuple[int, ...]
    typical: tuple[int, ...]
    """The shape that kernels are chosen for."""
    largest: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineKey:
    """Two engines with equal keys may take each other's place."""

    model_sha256: str
    """Of the model file."""
    inputs: tuple[InputShapes, ...]
    precision: Precision
    """Arithmetic of the heavy layers."""
    optimisation_level: int
    workspace_bytes: int | None
    """None: all of the GPU's memory."""
    version_compatible: bool
    hardware_compatible: bool
    tensorrt_version: str
    gpu: Gpu
    recipe: int
    """Of the builder that made it: rises when the builder does something else with an equal request."""

    @property
    def digest(self) -> str:
        """The key as a file name: 32 hexadecimal digits."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """The key as a JSON object; `from_json` gives it back."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Raises KeyError or TypeError where `document` is no key."""
        gpu = Gpu(**document["gpu"] | {"compute_capability": tuple(document["gpu"]["compute_capability"])})
        inputs = tuple(
            InputShapes(**item | {name: tuple(item[name]) for name in ("smallest", "typical", "largest")})
            for item in document["inputs"]
        )
        return cls(**document | {"gpu": gpu, "inputs": inputs})


class DamagedEngineError(UserError):
    """An engine file that is truncated, changed, or of another kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """A built engine, not yet loaded."""

    key: EngineKey
    """What it was built from and for."""
    manifest: ModelManifest
    """What the model file says of itself."""
    layers: str
    """TensorRT's description of the layers it built: the engine inspector's JSON text."""
    plan: bytes
    """For `tensorrt.Runtime.deserialize_cuda_engine`."""


def write_engine(engine: Engine, path: Path) -> None:
    """Write an engine file whole, or not at all. Raises UserError where the folder or the disk does not let it."""
    about = {"key": engine.key.to_json(), "manifest": engine.manifest.to_metadata(), "layers": engine.layers}
    with written_whole(path) as temporary:
        temporary.write_bytes(sealed(about, engine.plan))


def read_engine(path: Path) -> Engine:
    """Read an engine file; UserError where it cannot be read, DamagedEngineError where it is not what was written."""
    try:
        about, plan = unsealed(path.read_bytes())
        return Engine(
            key=EngineKey.from_json(about["key"]),
            manifest=ModelManifest.from_metadata(about["manifest"]),
            layers=about["layers"],
            plan=plan,
        )
    except OSError as error:
        raise UserError(f"{path}: cannot read the engine file ({error.strerror})") from error
    except (DamagedError, KeyError, TypeError, UserError) as error:
        # A whole file of an older hinas, with other fields, ends here too.
        raise DamagedEngineError(
            f"{path}: not an engine of this version of hinas, or damaged; build it with hinas-export --engine"
        ) from error
