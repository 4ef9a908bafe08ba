"""What can be scored on images: a network, a classical algorithm, a program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.denoiser import Denoiser
from ..devices.environment import Machine, device_name
from .candidates import Candidate

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


def network_method(candidate: Candidate, machine: Machine) -> Method:
    """The network with trained weights, run as `hinas-denoise` runs it, at the levels it was trained for."""
    denoiser = Denoiser(candidate.backend)
    manifest = candidate.manifest

    def denoise(noisy: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        return denoiser(noisy, sigma=sigma if manifest.conditioned else None)

    facts = {
        "library": candidate.backend.description,
        "device": device_name(candidate.backend_name, machine),
    }
    return Method(
        name=candidate.name,
        channels=manifest.channels,
        sigma_range=manifest.sigma_range,
        denoise=denoise,
        facts={**candidate.facts, **facts},
    )
