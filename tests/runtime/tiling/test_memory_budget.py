"""The tile that a memory bound allows."""

from pathlib import Path

import pytest
from hinas.errors import UserError
from hinas.network_input import NetworkInput
from hinas.runtime.memory import memory_budget, process_memory
from hinas.runtime.tiling.window_limits import (
    LARGEST_TILE,
    SMALLEST_TILE,
    WindowCost,
    largest_band_tile,
    largest_tile,
    whole_image_fits,
)
from hypothesis import given
from hypothesis import strategies as st

MEBIBYTE = 2**20


def window_cost(bytes_per_pixel: int, *, halo: int, alignment: int, scale: int = 1) -> WindowCost:
    network_input = NetworkInput(channels=3, alignment=alignment, scale=scale)
    return WindowCost(bytes_per_pixel=bytes_per_pixel, network_input=network_input, halo=halo)


@given(
    working=st.integers(0, 2**34),
    bytes_per_pixel=st.integers(64, 10_000),
    halo=st.integers(0, 200),
    alignment=st.sampled_from([1, 2, 4, 8]),
)
def test_the_largest_window_stays_within_the_budget(
    working: int, bytes_per_pixel: int, halo: int, alignment: int
) -> None:
    cost = window_cost(bytes_per_pixel, halo=halo, alignment=alignment)
    try:
        tile = largest_tile(working, cost, is_bound=True)
    except UserError:
        side = SMALLEST_TILE + 2 * (halo + alignment)
        assert cost.bytes_of(side, side) > working
        return
    side = tile + 2 * (-(-halo // alignment) * alignment)
    assert tile % alignment == 0
    assert SMALLEST_TILE <= tile <= LARGEST_TILE
    assert cost.bytes_of(side, side) <= working


def test_a_network_that_enlarges_gets_smaller_tiles() -> None:
    """Its result takes scale x scale times the memory."""
    plain, twice = (window_cost(0, halo=0, alignment=1, scale=scale) for scale in (1, 2))
    assert (plain.bytes_of(10, 10), twice.bytes_of(10, 10)) == (100 * 3 * 4 * 2 * 2, 100 * 3 * 4 * 2 * 5)
    bands = [largest_band_tile(20 * MEBIBYTE, cost, bytes_per_row=10_000) for cost in (plain, twice)]
    assert bands[0] > 2 * bands[1]


def test_more_memory_gives_larger_tiles() -> None:
    cost = window_cost(640, halo=46, alignment=2)
    tiles = [largest_tile(size * MEBIBYTE, cost, is_bound=True) for size in (64, 256, 512, 4096)]
    assert tiles == sorted(set(tiles))
    assert tiles[-1] == LARGEST_TILE


def test_too_little_memory_says_how_much_is_missing() -> None:
    cost = window_cost(1000, halo=50, alignment=2)
    needed = cost.bytes_of(132, 132)
    with pytest.raises(UserError, match=r"smallest tile \(32 pixels\); allow at least 7 MiB more"):
        largest_tile(needed - 7 * MEBIBYTE, cost, is_bound=True)


def test_without_a_bound_the_smallest_tile_is_tried() -> None:
    cost = window_cost(1000, halo=50, alignment=2)
    assert largest_tile(-1, cost, is_bound=False) == SMALLEST_TILE


def test_what_the_process_holds_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_budget, "resident_bytes", lambda: 300)
    assert memory_budget.working_bytes(1000, output_bytes=50) == 650


def test_without_a_bound_half_of_the_free_memory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_budget, "available_bytes", lambda: 1000)
    assert memory_budget.working_bytes(None, output_bytes=50) == 450


def test_whole_images_are_counted_with_their_padding() -> None:
    cost = window_cost(52, halo=0, alignment=10)
    assert whole_image_fits(11, 11, 20 * 20 * 100, cost)
    assert not whole_image_fits(11, 11, 20 * 20 * 100 - 1, cost)


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert process_memory._container_available(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert process_memory._container_available(tmp_path) is None


def test_the_machines_free_memory(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   7 kB\n")
    assert process_memory._machine_available(tmp_path / "meminfo") == 7 * 1024
    assert process_memory._machine_available(tmp_path / "none") is None


def test_the_smaller_known_amount_counts() -> None:
    assert process_memory.least_known(None, 7, 5) == 5
    assert process_memory.least_known(None, None) is None
