"""The shares of the roofs that make projected latencies come closest to measured ones."""

from collections.abc import Sequence

import numpy as np

from .engine_kernels import KernelWork
from .roofline import A_PRIORI, Calibration, Roof, peak_seconds

_KINDS = ("dense", "pointwise", "grouped")
_TIE = 0.01
"""Weight of staying at the a-priori shares: decides alone where no network tells, and hardly matters elsewhere."""


def fitted_efficiency(
    networks: Sequence[Sequence[KernelWork]], latencies_ms: Sequence[float], roof: Roof
) -> Calibration:
    """Least squares of the logarithms of projected over measured latencies.

    The range holds every network given; so that it is honest for others, take it from `left_out` projections.
    """
    from scipy.optimize import least_squares

    tables = [_table(layers, roof) for layers in networks]
    measured_s = np.asarray(latencies_ms, np.float64) / 1000
    start = np.log([A_PRIORI.dense, A_PRIORI.pointwise, A_PRIORI.grouped, A_PRIORI.memory])

    def errors(logarithms: np.ndarray) -> np.ndarray:
        shares = np.exp(logarithms)
        projected = np.array([_seconds(table, shares) for table in tables])
        return np.concatenate([np.log(projected / measured_s), _TIE * (logarithms - start)])

    # Bounds keep a share that hardly matters from running away.
    found = least_squares(errors, start, bounds=(np.log(0.01), np.log(2.0)), x_scale=0.3, diff_step=1e-3)
    shares = [float(share) for share in np.exp(found.x)]
    ratios = np.exp(-errors(found.x)[: len(tables)])
    return Calibration(
        dense=shares[0],
        pointwise=shares[1],
        grouped=shares[2],
        memory=shares[3],
        range_factors=(min(1.0, float(ratios.min())), max(1.0, float(ratios.max()))),
        source=f"fitted to {len(tables)} networks measured on {roof.device}",
    )


def left_out_projections_ms(
    networks: Sequence[Sequence[KernelWork]], latencies_ms: Sequence[float], roof: Roof
) -> list[float]:
    """Each network's latency as projected after a fit to all the others: at least two networks."""
    found: list[float] = []
    for index, layers in enumerate(networks):
        others = [item for other, item in enumerate(networks) if other != index]
        latencies = [item for other, item in enumerate(latencies_ms) if other != index]
        calibration = fitted_efficiency(others, latencies, roof)
        shares = [calibration.dense, calibration.pointwise, calibration.grouped, calibration.memory]
        found.append(1000 * _seconds(_table(layers, roof), np.array(shares)))
    return found


def _table(layers: Sequence[KernelWork], roof: Roof) -> tuple[np.ndarray, np.ndarray, float]:
    """(seconds at the peak by layer and kind, seconds at full bandwidth by layer, seconds of all fixed costs)."""
    compute = np.array([[peak_seconds(layer, roof) * (layer.kind == kind) for kind in _KINDS] for layer in layers])
    return compute, np.array([layer.bytes / roof.bytes_per_s for layer in layers]), len(layers) * roof.launch_s


def _seconds(table: tuple[np.ndarray, np.ndarray, float], shares: np.ndarray) -> float:
    compute, memory, launch = table
    return float(np.maximum(compute @ (1 / shares[:3]), memory / shares[3]).sum() + launch)
