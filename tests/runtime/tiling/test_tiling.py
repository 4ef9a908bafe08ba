"""The planner, proved with integer stencils: tiled equals whole exactly, for every size, tile, halo and alignment."""

from collections.abc import Generator, Iterable

import numpy as np
import pytest
from hinas.network_input import NetworkInput
from hinas.runtime.tiling.blending import blended
from hinas.runtime.tiling.planner import Region, Span, TilePlan, plan_tiles
from hinas.runtime.tiling.stitching import Network, halved, stitched
from hinas.runtime.tiling.window_limits import OutOfMemoryError, WindowLimits, rounded_up
from hypothesis import given, settings
from hypothesis import strategies as st

sizes = st.integers(1, 70)
tiles = st.integers(1, 40)
halos = st.integers(0, 9)
alignments = st.sampled_from([1, 2, 3, 4])


def stencil(image: np.ndarray, radius: int) -> np.ndarray:
    """An integer sum over a square of side 2 * radius + 1 with uneven weights, zeros outside: like a convolution."""
    height, width = image.shape
    padded = np.pad(image, radius)
    total = np.zeros_like(image)
    for down in range(2 * radius + 1):
        for across in range(2 * radius + 1):
            total += (3 * down + 7 * across + 1) * padded[down : down + height, across : across + width]
    return total


def strided_stencil(image: np.ndarray, radius: int, stride: int) -> np.ndarray:
    """The stencil on sums over stride x stride blocks, each result spread over its block with the pixel's phase."""
    height, width = image.shape
    weights = np.arange(1, stride * stride + 1).reshape(stride, stride)
    blocks = image.reshape(height // stride, stride, width // stride, stride)
    coarse = stencil(np.einsum("ipjq,pq->ij", blocks, weights), radius)
    return np.kron(coarse, weights)


def tiled(image: np.ndarray, plan: TilePlan, network) -> np.ndarray:
    """The network run tile by tile on an image that is padded already."""
    output = np.full_like(image, -1)
    for tile in plan:
        output[tile.core.slices] = network(image[tile.window.slices])[tile.core.within(tile.window).slices]
    return output


@given(height=sizes, width=sizes, tile=tiles, radius=st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_tiled_equals_whole_for_a_stencil(height: int, width: int, tile: int, radius: int) -> None:
    image = np.random.default_rng(height * 71 + width).integers(1, 1000, (height, width))
    plan = plan_tiles(height, width, tile=tile, halo=radius, alignment=1)
    assert np.array_equal(tiled(image, plan, lambda part: stencil(part, radius)), stencil(image, radius))


@given(height=sizes, width=sizes, tile=tiles, radius=st.integers(0, 2), stride=alignments, depth=st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_tiles_halved_again_and_again_equal_the_whole(
    height: int, width: int, tile: int, radius: int, stride: int, depth: int
) -> None:
    padded = rounded_up(height, stride), rounded_up(width, stride)
    image = np.random.default_rng(height * 71 + width).integers(1, 1000, padded)
    plan = plan_tiles(height, width, tile=tile, halo=radius * stride + stride - 1, alignment=stride)
    parts = list(plan)
    for _ in range(depth):
        halves = [halved(part, plan) for part in parts]
        for part, half in zip(parts, halves, strict=True):
            if half is None:
                assert max(part.core.shape) == stride
            else:
                assert all(new.window.num_pixels <= part.window.num_pixels for new in half)
        parts = [new for part, half in zip(parts, halves, strict=True) for new in (half or (part,))]

    output = np.full_like(image, -1)
    for part in parts:
        window = strided_stencil(image[part.window.slices], radius, stride)
        assert (output[part.core.slices] == -1).all()
        output[part.core.slices] = window[part.core.within(part.window).slices]
    assert np.array_equal(output, strided_stencil(image, radius, stride))


@given(height=sizes, width=sizes, tile=tiles, radius=st.integers(0, 2), stride=st.sampled_from([2, 4]))
@settings(max_examples=150, deadline=None)
def test_tiled_equals_whole_for_a_strided_stencil(height: int, width: int, tile: int, radius: int, stride: int) -> None:
    padded = rounded_up(height, stride), rounded_up(width, stride)
    image = np.random.default_rng(height * 71 + width).integers(1, 1000, padded)
    # A block's neighbours reach radius * stride pixels beyond the block, and stride - 1 more from its far side.
    halo = radius * stride + stride - 1
    plan = plan_tiles(height, width, tile=tile, halo=halo, alignment=stride)

    def network(part: np.ndarray) -> np.ndarray:
        return strided_stencil(part, radius, stride)

    assert np.array_equal(tiled(image, plan, network), network(image))


def enlarging_network(radius: int, stride: int, scale: int, *, fails_above: int | None = None) -> Network:
    """The strided stencil, every result spread over scale x scale pixels with their phase: whole numbers in float32.

    Windows of more than `fails_above` pixels run out of memory.
    """
    phase = np.arange(1, scale * scale + 1).reshape(scale, scale)

    def network(windows: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        for window in windows:
            if fails_above is not None and window.size > fails_above:
                raise OutOfMemoryError("injected")
            small = strided_stencil(window[0, 0].astype(np.int64), radius, stride)
            yield np.kron(small, phase).astype(np.float32)[np.newaxis, np.newaxis]

    return network


@given(
    height=sizes,
    width=sizes,
    tile=tiles,
    radius=st.integers(0, 2),
    stride=st.sampled_from([1, 2]),
    scale=st.integers(1, 4),
    fails_above=st.none() | st.integers(400, 3000),
)
@settings(max_examples=150, deadline=None)
def test_tiled_equals_whole_for_a_stencil_that_enlarges(
    height: int, width: int, tile: int, radius: int, stride: int, scale: int, fails_above: int | None
) -> None:
    image = np.random.default_rng(height * 71 + width).integers(1, 9, (height, width)).astype(np.float32)
    halo = radius * stride + stride - 1
    takes = NetworkInput(channels=1, alignment=stride, scale=scale)

    def run(tile: int | None, fails_above: int | None) -> np.ndarray:
        plan = plan_tiles(height, width, tile=tile, halo=halo, alignment=stride)
        network = enlarging_network(radius, stride, scale, fails_above=fails_above)
        return stitched(image, plan, network, network_input=takes, out_of_memory=lambda: None)

    whole = run(None, None)
    assert whole.shape == (height * scale, width * scale)
    assert whole.max() < 2**24, "float32 holds these whole numbers exactly"
    assert np.array_equal(run(tile, fails_above), whole)


@given(height=sizes, width=sizes, tile=tiles, halo=halos, scale=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_blending_weights_sum_to_one_at_every_scale(height: int, width: int, tile: int, halo: int, scale: int) -> None:
    plan = plan_tiles(height, width, tile=tile, halo=2 * halo, alignment=1)

    def network(windows: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        for window in windows:
            yield np.kron(window, np.ones((1, 1, scale, scale), np.float32))

    image = np.full((height, width), 0.5, np.float32)
    takes = NetworkInput(channels=1, scale=scale)
    result = blended(image, plan, network, network_input=takes, halo=halo)
    assert result.shape == (height * scale, width * scale)
    assert np.abs(result - 0.5).max() < 1e-6


def test_a_halo_one_pixel_short_is_not_exact() -> None:
    """The proof above can fail: with too small a halo it does."""
    image = np.random.default_rng(0).integers(1, 1000, (40, 40))
    plan = plan_tiles(40, 40, tile=8, halo=2, alignment=1)
    assert not np.array_equal(tiled(image, plan, lambda part: stencil(part, 3)), stencil(image, 3))


@given(height=sizes, width=sizes, tile=tiles, halo=halos, alignment=alignments)
@settings(max_examples=300, deadline=None)
def test_geometry(height: int, width: int, tile: int, halo: int, alignment: int) -> None:
    plan = plan_tiles(height, width, tile=tile, halo=halo, alignment=alignment)
    padded = rounded_up(height, alignment), rounded_up(width, alignment)
    times_kept = np.zeros(padded, int)
    for each in plan:
        times_kept[each.core.slices] += 1
        assert each.window.shape == plan.window_shape
        for window, core, length in zip(
            (each.window.rows, each.window.columns), (each.core.rows, each.core.columns), padded, strict=True
        ):
            assert 0 <= window.start <= core.start < core.stop <= window.stop <= length
            assert window.start % alignment == window.stop % alignment == 0
            assert core.start % alignment == core.stop % alignment == 0
            assert window.start == 0 or core.start - window.start >= halo
            assert window.stop == length or window.stop - core.stop >= halo
            assert len(window) <= rounded_up(tile, alignment) + 2 * rounded_up(halo, alignment)
    assert (times_kept == 1).all()
    assert len(plan) == len(list(plan))


@given(
    size=st.tuples(sizes, sizes),
    tile=st.none() | tiles,
    halo=halos,
    alignment=alignments,
    smallest=st.tuples(tiles, tiles),
    more=st.tuples(halos, halos),
)
@settings(max_examples=150, deadline=None)
def test_windows_stay_within_limits(
    size: tuple[int, int],
    tile: int | None,
    halo: int,
    alignment: int,
    smallest: tuple[int, int],
    more: tuple[int, int],
) -> None:
    low = rounded_up(smallest[0], alignment), rounded_up(smallest[1], alignment)
    limits = WindowLimits(smallest=low, largest=(low[0] + more[0] * alignment, low[1] + more[1] * alignment))
    padded = rounded_up(size[0], alignment), rounded_up(size[1], alignment)
    cuts = [2 * rounded_up(halo, alignment) < high for high in limits.largest]
    fits = [
        a <= length and (length <= b or cut)
        for a, length, b, cut in zip(low, padded, limits.largest, cuts, strict=True)
    ]
    assert limits.allow(*size, halo=halo, alignment=alignment) == all(fits)
    if not all(fits):
        return
    plan = plan_tiles(*size, tile=tile, halo=halo, alignment=alignment, limits=limits)
    assert all(a <= side <= b for a, side, b in zip(low, plan.window_shape, limits.largest, strict=True))
    times_kept = np.zeros(padded, int)
    for each in plan:
        times_kept[each.core.slices] += 1
        for window, core, length in zip(
            (each.window.rows, each.window.columns), (each.core.rows, each.core.columns), padded, strict=True
        ):
            assert 0 <= window.start <= core.start < core.stop <= window.stop <= length
            assert window.start % alignment == core.start % alignment == core.stop % alignment == 0
            assert window.start == 0 or core.start - window.start >= halo
            assert window.stop == length or window.stop - core.stop >= halo
    assert (times_kept == 1).all()


def test_limits_of_turned_windows_are_the_narrower_of_both() -> None:
    turned = WindowLimits(smallest=(4, 8), largest=(64, 32)).for_turned_windows()
    assert turned == WindowLimits(smallest=(8, 8), largest=(32, 32))
    assert str(turned) == "8 x 8 to 32 x 32 pixels"


@given(height=sizes, width=sizes, halo=halos, alignment=alignments)
def test_no_tile_size_means_one_window(height: int, width: int, halo: int, alignment: int) -> None:
    plan = plan_tiles(height, width, tile=None, halo=halo, alignment=alignment)
    assert len(plan) == 1
    assert plan.window_shape == (rounded_up(height, alignment), rounded_up(width, alignment))


def test_windows_are_balanced_and_few() -> None:
    """100 pixels in tiles of 40 with a halo of 6: three windows alike, not two of 52 and a sliver."""
    plan = plan_tiles(100, 10, tile=40, halo=5, alignment=2)
    assert [window for window, _ in plan.row_windows] == [Span(0, 42), Span(30, 72), Span(58, 100)]
    assert [core for _, core in plan.row_windows] == [Span(0, 36), Span(36, 66), Span(66, 100)]


def test_a_region_in_another_ones_coordinates() -> None:
    inner, outer = Region(Span(5, 9), Span(7, 8)), Region(Span(4, 20), Span(2, 20))
    assert inner.within(outer) == Region(Span(1, 5), Span(5, 6))
    assert inner.shape == (4, 1)


@pytest.mark.parametrize(("length", "alignment", "expected"), [(1, 1, 1), (1, 4, 4), (8, 4, 8), (9, 4, 12)])
def test_rounded_up(length: int, alignment: int, expected: int) -> None:
    assert rounded_up(length, alignment) == expected
