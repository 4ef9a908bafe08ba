"""Fixtures of the bench's tests."""

import pytest


@pytest.fixture(autouse=True)
def quickly(small_peaks: None) -> None:
    """Sessions are short; what they measure means nothing here."""
