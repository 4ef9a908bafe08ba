"""Prices of blocks from the latencies of whole networks."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..search.spaces.interface import Block


def fitted_prices(counts: Sequence[Mapping[Block, int]], latencies_ms: Sequence[float]) -> dict[Block, float]:
    """Prices in milliseconds, none negative, under which the networks' sums come closest to their latencies.

    Least squares of the relative errors. Blocks that always come together share their price in some way; sums over
    networks like the given ones do not depend on which.
    """
    from scipy.optimize import nnls

    names = sorted({block for row in counts for block in row})
    matrix = np.array([[row.get(block, 0) for block in names] for row in counts], np.float64)
    latency = np.asarray(latencies_ms, np.float64)
    prices, _ = nnls(matrix / latency[:, None], np.ones(len(latency)))
    return {block: float(price) for block, price in zip(names, prices, strict=True)}
