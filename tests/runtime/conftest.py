"""Fixtures of the runtime's tests."""

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture
def generator() -> np.random.Generator:
    """The same random numbers for every test."""
    return np.random.default_rng(7)


@pytest.fixture(autouse=True, scope="module")
def own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What these tests learn about models stays with them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(tmp_path_factory.mktemp("cache")))
        yield
