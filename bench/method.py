"""What can be scored on images: a network, a classical algorithm, a program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Denoise = Callable[[NDArray[np.float32], float], NDArray[np.float32]]
"""(H, W) for one channel or (H, W, 3), in 0..1, and sigma in grey levels -> the same shape, not clipped."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """Something that denoises, with what results say of it."""

    name: str
    """Unique among the methods of a session."""
    channels: int
    """1: takes grey images; 3: colour images."""
    sigma_range: tuple[float, float] | None
    """Grey levels it can be scored at, both ends included; None: any."""
    denoise: Denoise
    facts: Mapping[str, Any]
    """Fields of an Entry that go with its figures: weights, parameters, backend, library, device, threads, source."""
