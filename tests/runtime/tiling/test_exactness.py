"""Tiled equals whole, on real backends: every size from 1 x 1, tile, alignment, halo, depth, batch and bundled model.

For one window shape bit for bit; where other shapes pick other kernels, at most float rounding, 1 level of the output.
`test_tiling` proves the same of the planner in whole numbers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.runtime import Denoiser
from hinas.runtime.backends.open_backend import open_backend
from hypothesis import given, settings
from hypothesis import strategies as st

sides = st.integers(1, 300)
KINDS = [(1, 1), (1, 2), (1, 4), (3, 1), (3, 2), (3, 4)]
"""(channels, alignment): halos of 2, 5 and 11 pixels."""
DTYPES = [np.uint8, np.uint16, np.float32]


@pytest.fixture(scope="module")
def networks(tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Path]:
    """Networks of random weights by (channels, alignment)."""
    folder = tmp_path_factory.mktemp("networks")
    return {
        (channels, alignment): tiny(
            folder / f"{channels}-{alignment}.onnx", channels=channels, alignment=alignment, seed=channels + alignment
        )
        for channels, alignment in KINDS
    }


def noise(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    generator = np.random.default_rng(shape[0] * 301 + shape[1])
    if dtype == np.float32:
        return generator.random(shape, np.float32)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def most_apart(first: np.ndarray, second: np.ndarray) -> float:
    """In levels of integers; in values of float32."""
    return float(np.abs(first.astype(np.float64) - second).max())


def drawn_tile(data: st.DataObject, height: int, width: int) -> int:
    """Any tile that makes no more than about 150 windows."""
    return data.draw(st.integers(-(-max(height, width) // 12), 300), "tile")


@given(data=st.data(), height=sides, width=sides, kind=st.sampled_from(KINDS), dtype=st.sampled_from(DTYPES))
@settings(max_examples=200, deadline=None)
def test_any_tiling_of_any_picture_equals_the_whole(
    networks: dict[tuple[int, int], Path], data: st.DataObject, height: int, width: int, kind: Any, dtype: Any
) -> None:
    image = noise((height, width) if kind[0] == 1 else (height, width, 3), dtype)
    whole = Denoiser.load(networks[kind], "cpu", threads=1, tile=400)(image, sigma=25)
    tiled = Denoiser.load(networks[kind], "cpu", threads=1, tile=drawn_tile(data, height, width))(image, sigma=25)
    assert most_apart(tiled, whole) <= (1e-5 if dtype == np.float32 else 1)
    assert not np.array_equal(whole, image) or whole.size < 4


@given(data=st.data(), height=st.integers(1, 70), width=st.integers(1, 70), kind=st.sampled_from(KINDS))
@settings(max_examples=40, deadline=None)
def test_the_ensemble_of_any_tiling_equals_the_whole(
    networks: dict[tuple[int, int], Path], data: st.DataObject, height: int, width: int, kind: Any
) -> None:
    image = noise((height, width) if kind[0] == 1 else (height, width, 3))
    tile = drawn_tile(data, height, width)
    whole, tiled = (
        Denoiser.load(networks[kind], "cpu", threads=1, tile=side, ensemble=True)(image, sigma=25)
        for side in (400, tile)
    )
    assert most_apart(tiled, whole) < 1e-5


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
@given(
    blocks=st.tuples(st.integers(12, 40), st.integers(12, 40)),
    moved=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    kind=st.sampled_from(KINDS),
)
@settings(max_examples=12, deadline=None)
def test_windows_of_one_shape_give_the_same_bits_for_the_pixels_they_share(
    networks: dict[tuple[int, int], Path], backend: str, blocks: Any, moved: Any, kind: tuple[int, int]
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    opened = open_backend(backend, networks[kind], threads=1)
    channels, alignment = kind
    (height, width), (down, across) = (tuple(alignment * number for number in pair) for pair in (blocks, moved))
    image = noise((channels, height + down, width + across))[np.newaxis]
    sigma = np.full(1, 25, np.float32)
    first = opened.run(np.ascontiguousarray(image[:, :, :height, :width]), sigma)
    second = opened.run(np.ascontiguousarray(image[:, :, down:, across:]), sigma)
    # What either window's borders reach is no true value, and no tile keeps it.
    halo = alignment * -(-opened.manifest.halo // alignment)
    shared_rows, shared_columns = height - down - 2 * halo, width - across - 2 * halo
    assert min(shared_rows, shared_columns) > 0
    of_first = first[:, :, down + halo :, across + halo :][:, :, :shared_rows, :shared_columns]
    of_second = second[:, :, halo:, halo:][:, :, :shared_rows, :shared_columns]
    assert np.array_equal(of_first, of_second)


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
@given(batch=st.integers(2, 5), rows=st.integers(1, 20), columns=st.integers(1, 20), kind=st.sampled_from(KINDS))
@settings(max_examples=8, deadline=None)
def test_a_batch_gives_what_its_windows_give(
    networks: dict[tuple[int, int], Path], backend: str, batch: int, rows: int, columns: int, kind: tuple[int, int]
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    opened = open_backend(backend, networks[kind], threads=1)
    windows = noise((batch, kind[0], rows * kind[1], columns * kind[1]))
    levels = np.linspace(5, 70, batch, dtype=np.float32)
    together = opened.run(windows, levels)
    alone = [opened.run(windows[index : index + 1], levels[index : index + 1]) for index in range(batch)]
    assert most_apart(together, np.concatenate(alone)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gray", "color"])
@given(data=st.data(), height=sides, width=sides, dtype=st.sampled_from(DTYPES))
@settings(max_examples=12, deadline=None)
def test_the_bundled_models_are_exact_at_any_size(
    name: str, data: st.DataObject, height: int, width: int, dtype: Any
) -> None:
    image = noise((height, width) if name == "gray" else (height, width, 3), dtype)
    tile = data.draw(st.integers(max(8, -(-max(height, width) // 5)), 300), "tile")
    whole, tiled = (Denoiser.load(name, "cpu", threads=1, tile=side)(image, sigma=25) for side in (400, tile))
    assert most_apart(tiled, whole) <= (1e-5 if dtype == np.float32 else 1)
