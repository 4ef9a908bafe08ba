"""Fixtures of the runtime's tests."""

import numpy as np
import pytest


@pytest.fixture
def generator() -> np.random.Generator:
    """The same random numbers for every test."""
    return np.random.default_rng(7)
