"""Whether two rows of figures bring the same things into the same order.

SciPy has both measures too, but takes seconds to be imported with them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def kendalls_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Tau-b, of pairs in and out of order: 1 the same order, 0 no relation, -1 reversed; NaN where one is constant."""
    return _cosine(_signs(first), _signs(second))


def spearmans_rho(first: Sequence[float], second: Sequence[float]) -> float:
    """The correlation of the ranks, equal figures sharing theirs; NaN where one row is constant."""
    # The more figures one is above, the higher its rank: the sums are twice the ranks, around zero.
    return _cosine(_signs(first).sum(axis=1), _signs(second).sum(axis=1))


def _signs(values: Sequence[float]) -> NDArray[np.float64]:
    """[i, j] is 1 where value i is above value j, -1 where it is below, 0 where they are equal."""
    row = np.asarray(values, float)
    return np.sign(row[:, None] - row[None, :])


def _cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    lengths = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / lengths if lengths else float("nan")
