"""A network as a method that can be scored."""

import numpy as np
from numpy.typing import NDArray

from ..runtime.denoise import Denoiser
from .candidates import Candidate
from .environment import Machine, device_name
from .method import Method


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
