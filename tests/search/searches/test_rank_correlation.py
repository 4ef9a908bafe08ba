"""Rank correlations are those that SciPy computes; its figures stand here, for its import takes seconds."""

import math

import pytest
from hinas.search.halving.rank_correlation import kendalls_tau, spearmans_rho


@pytest.mark.parametrize(
    ("first", "second", "tau", "rho"),
    [
        ([10.0, 20.0, 30.0, 40.0], [2.0, 1.0, 3.0, 4.0], 2 / 3, 0.8),
        ([1.0, 2.0, 3.0], [3.0, 2.0, -7.0], -1.0, -1.0),
        ([1.0, 2.0, 2.0, 3.0], [1.0, 3.0, 2.0, 4.0], 0.9128709, 0.9486833),
        ([5.0, 1.0, 4.0, 4.0, 4.0, 0.0], [3.0, 3.0, 1.0, 2.0, 2.0, 0.0], 0.4003204, 0.4689790),
    ],
)
def test_orders_are_compared_pair_by_pair_and_rank_by_rank(
    first: list[float], second: list[float], tau: float, rho: float
) -> None:
    assert kendalls_tau(first, second) == pytest.approx(tau, rel=1e-6)
    assert spearmans_rho(first, second) == pytest.approx(rho, rel=1e-6)


def test_what_is_all_the_same_has_no_order() -> None:
    assert math.isnan(kendalls_tau([1.0, 1.0], [1.0, 2.0]))
    assert math.isnan(spearmans_rho([1.0, 2.0], [1.0, 1.0]))
