"""An engine file: TensorRT's plan with everything a program needs to know before it loads it."""

from dataclasses import dataclass
from pathlib import Path

from ...atomic_files import written_whole
from ...errors import UserError
from ..model.manifest import ModelManifest
from .engine_key import EngineKey
from .sealed_bytes import DamagedError, sealed, unsealed


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
