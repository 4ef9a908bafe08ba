"""Everything that makes an engine another engine, as one frozen value with a short name."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from ..model.manifest import Precision
from .gpu import Gpu


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
