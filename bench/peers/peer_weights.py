"""Weights of a peer: drawn at random, for timing only, or read from a safetensors file.

The file holds one float tensor for each name, of the shape that `peer_shapes` gives; convolutions as (out, in, height,
width). Its metadata may have an entry `sigma_range`, such as 25:25: the noise levels the weights were trained for.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...command_line import require_libraries
from ...errors import UserError
from .peer_layers import Weights

_MOST_NAMED = 6

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class PeerWeights:
    """Tensors by name; none: random ones."""

    source: str
    """For people: the file, identified by its content, or that they are random."""
    tensors: Mapping[str, NDArray[np.float32]] | None
    sigma_range: tuple[float, float] | None = None
    """Grey levels; None: not stated."""

    @property
    def is_trained(self) -> bool:
        """Whether they come from a file."""
        return self.tensors is not None

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Values of that shape; the same on every call."""
        if self.tensors is not None:
            return self.tensors[name]
        seed = np.frombuffer(hashlib.sha256(name.encode()).digest(), "<u4")
        drawn = np.random.default_rng(seed).standard_normal(shape, np.float32)
        if len(shape) == 1:
            # Near to what leaves the values as they are, so that none die and none explode.
            return drawn / np.float32(10) + np.float32(name.endswith(".scale"))
        # He's variance keeps the values of a deep chain finite.
        return drawn * np.float32(np.sqrt(2 / np.prod(shape[1:])))

    def check(self, shapes: Shapes) -> None:
        """UserError that lists what is missing, of another shape or too much."""
        if self.tensors is None:
            return
        missing = [f"{name} {shape}" for name, shape in shapes.items() if name not in self.tensors]
        misshapen = [
            f"{name} {self.tensors[name].shape} instead of {shape}"
            for name, shape in shapes.items()
            if name in self.tensors and self.tensors[name].shape != shape
        ]
        unknown = [name for name in self.tensors if name not in shapes]
        wrong = [
            f"{what} {', '.join(names[:_MOST_NAMED])}{' and others' if len(names) > _MOST_NAMED else ''}"
            for what, names in (("lacks", missing), ("has", misshapen), ("has unknown", unknown))
            if names
        ]
        if wrong:
            raise UserError(f"--peer-weights: {self.source} {'; '.join(wrong)}")


RANDOM = PeerWeights(source="random weights", tensors=None)


def read_weights(path: Path) -> PeerWeights:
    """Read a safetensors file; UserError where it cannot be read."""
    require_libraries("--peer-weights", "safetensors", extras="bench")
    from safetensors import SafetensorError, safe_open

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with safe_open(path, framework="numpy") as file:
            tensors = {name: np.asarray(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118
            stated = (file.metadata() or {}).get("sigma_range")
    except (OSError, SafetensorError, TypeError) as error:
        raise UserError(f"--peer-weights: {path} cannot be read as safetensors ({error})") from error
    not_finite = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if not_finite:
        raise UserError(f"--peer-weights: {path} has values that are not finite in {', '.join(not_finite[:3])}")
    return PeerWeights(
        source=f"weights {path.name}, SHA-256 {digest[:16]}",
        tensors=tensors,
        sigma_range=None if stated is None else _range(stated, path),
    )


def recorded(shapes: dict[str, tuple[int, ...]]) -> Weights:
    """Weights that only write down what they are asked for, in `shapes`."""

    def tensor(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        shapes[name] = shape
        return np.zeros(shape, np.float32)

    return tensor


def _range(text: str, path: Path) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 255:
        raise UserError(f"--peer-weights: {path} has sigma_range {text!r}; expected LOW:HIGH such as 0:75")
    return low, high
