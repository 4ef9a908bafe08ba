"""Which tiles a job is cut into: by the memory, by what a model says of itself, by an engine's windows."""

from itertools import pairwise

import pytest
from hinas.errors import UserError
from hinas.runtime.model.manifest import ModelManifest
from hinas.runtime.tiling.job_plan import JobPlanner, WindowMemory
from hinas.runtime.tiling.window_limits import MOST_BYTES_PER_PIXEL, SMALLEST_TILE, WindowLimits

MEBIBYTE = 2**20


def manifest(**facts: object) -> ModelManifest:
    given = {"channels": 1, "halo": 5, "conditioned": False, "weights": "trained", "genotype": "{}"} | facts
    return ModelManifest(**given)  # pyright: ignore[reportArgumentType]


def memory(working_bytes: int, bytes_per_pixel: int | None = None) -> WindowMemory:
    """None: to be asked for the cost is a failure."""

    def cost() -> int:
        assert bytes_per_pixel is not None, "this measurement takes time and was not needed"
        return bytes_per_pixel

    return WindowMemory(working_bytes=working_bytes, is_bound=False, bytes_per_pixel=cost)


def test_a_picture_that_fits_at_the_worst_cost_is_not_measured() -> None:
    enough = 100 * 100 * (MOST_BYTES_PER_PIXEL + 16)
    assert JobPlanner(manifest=manifest()).tile_for(100, 100, memory(enough)) is None
    assert JobPlanner(manifest=manifest()).tile_for(100, 100, memory(enough - 1, 1000)) is not None


def test_a_model_that_sees_everything_stays_whole_as_long_as_it_fits() -> None:
    exact, whole = (JobPlanner(manifest=manifest(tiling=tiling)) for tiling in ("exact", "approximate"))
    assert (exact.overlap, whole.overlap) == (5, 10)
    for planner, expected in ((exact, 2048), (whole, None)):
        assert planner.tile_for(3000, 3000, memory(10**9, 64)) == expected
    assert whole.tile_for(3000, 3000, memory(10**8, 64)) is not None


def test_a_model_that_enlarges_gets_smaller_tiles() -> None:
    tiles = [JobPlanner(manifest=manifest(scale=scale)).tile_for(3000, 3000, memory(10**7, 64)) for scale in (1, 2, 4)]
    assert tiles == sorted(tiles, key=lambda tile: tile or 0, reverse=True)
    assert len(set(tiles)) == 3


def test_the_result_is_larger_and_a_blended_one_needs_its_sums() -> None:
    assert JobPlanner(manifest=manifest()).output_bytes(30, 2) == 60
    assert JobPlanner(manifest=manifest(scale=3)).output_bytes(30, 2) == 540
    assert JobPlanner(manifest=manifest(scale=3, tiling="approximate")).output_bytes(30, 2) == 1620


def test_smaller_and_smaller_until_it_is_not_worth_it() -> None:
    planner = JobPlanner(manifest=manifest(tiling="approximate"))
    plan, sides = planner.plan(400, 300, None), []
    while plan is not None:
        sides.append(plan.window_shape)
        plan = planner.smaller(plan)
    assert sides[0] == (400, 300)
    assert all(later < earlier for earlier, later in pairwise(sides))
    assert min(sides[-1]) >= SMALLEST_TILE


def test_a_picture_that_no_window_of_an_engine_takes() -> None:
    limits = WindowLimits(smallest=(64, 64), largest=(64, 64))
    planner = JobPlanner(manifest=manifest(), limits=limits)
    assert planner.plan(100, 64, 2048).window_shape == (64, 64)
    with pytest.raises(UserError, match=r"32 x 64 pixels .* \(64 x 64 pixels, with 5 pixels of overlap\)"):
        planner.plan(32, 64, None)
