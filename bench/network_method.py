"""A network as a method that can be scored."""

import numpy as np
from numpy.typing import NDArray

from ..runtime.denoise import Denoiser
from .candidates import Candidate
from .environment import Machine
from .method import Method


def network_method(candidate: Candidate, machine: Machine) -> Method:
    """The network with trained weights, run as `hinas-denoise` runs it, at the levels it was trained for."""
    denoiser = Denoiser(candidate.backend)
    manifest = candidate.manifest

    def denoise(noisy: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        return denoiser(noisy, sigma=sigma if manifest.conditioned else None)

    return Method(
        name=candidate.name,
        channels=manifest.channels,
        sigma_range=manifest.sigma_range,
        denoise=denoise,
        facts={
            "weights": manifest.weights,
            "parameters": candidate.cost.parameters,
            "macs_per_pixel": candidate.cost.macs_per_pixel,
            "backend": candidate.backend_name,
            "library": candidate.backend.description,
            "precision": manifest.precision,
            "device": machine.cpu,
            "threads": candidate.threads,
            "source": candidate.source,
        },
    )
