"""Which of a session's contestants are scored on images, and at which noise levels."""

from collections.abc import Sequence

from ...errors import UserError
from ..contestants.candidates import Candidate
from ..contestants.contestants import classical_method
from ..contestants.lineup import Lineup
from ..contestants.method import Method, network_method
from ..contestants.program import program_methods
from ..devices.environment import Machine
from ..progress import Listener
from ..request import QualityRequest
from .measure_quality import NOISY_INPUT, levels_of


def scored_methods(
    found: Lineup, quality: QualityRequest, machine: Machine, threads: int, listener: Listener
) -> list[Method]:
    """The networks with trained weights, the classical algorithms, the programs.

    Says which qualities will not be measured; raises UserError where none will be.
    """
    methods = [network_method(item, machine) for item in found.candidates if item.manifest.weights == "trained"]
    methods += [classical_method(name, threads=threads, device=machine.cpu) for name in found.classical]
    taken = [NOISY_INPUT, *(item.name for item in found.timed)]
    methods += program_methods(quality.programs, quality.noise, machine, taken)
    _check_levels(found.candidates, methods, quality.sigmas, listener)
    return methods


def _check_levels(
    candidates: Sequence[Candidate], methods: Sequence[Method], sigmas: tuple[float, ...], listener: Listener
) -> None:
    for candidate in candidates:
        if candidate.manifest.weights == "random":
            listener.note(f"note: {candidate.name} has random weights: its latency is measured, its quality is not")
    for method in methods:
        missing = [f"{sigma:g}" for sigma in sigmas if sigma not in levels_of(method, sigmas)]
        if missing and method.sigma_range is not None:
            low, high = method.sigma_range
            listener.note(f"note: {method.name} is for sigma {low:g}:{high:g}; not measured at {', '.join(missing)}")
    if not any(levels_of(method, sigmas) for method in methods):
        levels = ", ".join(f"{sigma:g}" for sigma in sigmas)
        raise UserError(
            f"--sigma {levels}: no model has trained weights for any of these; leave --data out for latency alone"
        )
