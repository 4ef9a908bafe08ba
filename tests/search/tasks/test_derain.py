"""Rain drawn over pictures."""

import math

import pytest
import torch
from hinas.errors import UserError
from hinas.search.tasks.derain import Derain, Layer, Rain, drawn_streaks, random_rain, streak
from hinas.search.tasks.interface import Case, TaskOptions

LAYER = Layer(length_pixels=20, width_pixels=0.8, per_pixel=0.002, brightness=0.8)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _covariance(kernel: torch.Tensor) -> tuple[float, float, float]:
    """Variances along rows and columns, and the covariance, of a kernel as a density."""
    offsets = torch.arange(len(kernel), dtype=torch.float32) - len(kernel) // 2
    down, right = torch.meshgrid(offsets, offsets, indexing="ij")
    total = kernel.sum()
    mean = [float((kernel * a * b).sum() / total) for a, b in ((down, down), (right, right), (down, right))]
    return mean[0], mean[1], mean[2]


@pytest.mark.parametrize("degrees", [-40.0, 0.0, 25.0, 45.0])
def test_a_streak_has_its_length_width_and_direction(degrees: float) -> None:
    kernel = streak(LAYER, degrees)
    assert kernel[len(kernel) // 2, len(kernel) // 2] == kernel.max() == 1
    down, right, mixed = _covariance(kernel)
    # The axes of the ellipse of inertia.
    middle, radius = (down + right) / 2, math.hypot((down - right) / 2, mixed)
    assert middle + radius == pytest.approx(LAYER.length_pixels**2 / 12, rel=0.1)
    assert middle - radius == pytest.approx(LAYER.width_pixels**2, rel=0.1)
    leaning = math.degrees(math.atan2(-2 * mixed, down - right)) / 2
    assert leaning == pytest.approx(degrees, abs=1)


def test_light_is_as_dense_as_asked_for() -> None:
    thin = Layer(length_pixels=6, width_pixels=0.5, per_pixel=0.0005, brightness=0.5)
    light = drawn_streaks(thin, 10, (600, 600), _generator())
    expected = 0.0005 * 0.25 * float(streak(thin, 10).sum())
    assert float(light.mean()) == pytest.approx(expected, rel=0.15)
    assert float(light.min()) >= 0 and float(light.max()) <= 1


def test_added_rain_is_the_sum_and_blended_rain_covers() -> None:
    clean = torch.rand(3, 64, 64, generator=_generator(1))
    added, blended = (
        Rain(degrees=20, layers=(LAYER,), joined=joined).over(clean, _generator(2)) for joined in ("added", "blended")
    )
    light = drawn_streaks(LAYER, 20, (64, 64), _generator(2))
    torch.testing.assert_close(added, (clean + light).clamp(max=1))
    torch.testing.assert_close(blended, clean * (1 - light) + light)
    assert torch.equal(blended[:, light[0] == 0], clean[:, light[0] == 0])
    assert 0.05 < float((light > 0.05).float().mean()) < 0.9


def test_haze_falls_from_the_upper_edge_to_the_lower() -> None:
    black = torch.zeros(1, 33, 5)
    hazy = Rain(degrees=0, layers=(), joined="added", haze=0.2).over(black, _generator())
    assert float(hazy[0, 0, 0]) == pytest.approx(0.2) and float(hazy[0, -1, 0]) == 0
    assert (hazy[0, :-1] >= hazy[0, 1:]).all()


def test_more_rain_changes_more() -> None:
    clean = torch.full((6, 3, 96, 96), 0.3)
    changes = [
        float((Derain().of_case(clean, Case(name=name), _generator(3)).degraded_BCHW - clean).abs().mean())
        for name in ("light", "medium", "heavy")
    ]
    assert changes[0] < changes[1] < changes[2]
    assert changes[0] > 0.003


def test_rains_differ_and_a_picture_is_an_8_bit_file() -> None:
    draw = _generator(4)
    rains = [random_rain(0.5, draw) for _ in range(60)]
    assert {rain.joined for rain in rains} == {"added", "blended"}
    assert {len(rain.layers) for rain in rains} == {1, 2}
    assert any(rain.haze > 0 for rain in rains) and any(rain.haze == 0 for rain in rains)
    assert min(rain.degrees for rain in rains) < -30 and max(rain.degrees for rain in rains) > 30
    pairs = Derain().drawn(torch.rand(3, 3, 40, 50, generator=draw), draw)
    levels = pairs.degraded_BCHW * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)


def test_a_tenth_of_the_pictures_stay_dry() -> None:
    clean = (torch.rand(200, 3, 48, 48, generator=_generator(4)) * 255).round() / 255
    pairs = Derain().drawn(clean, _generator(5))
    dry = (pairs.degraded_BCHW == clean).flatten(1).all(1).sum().item()
    assert 8 <= dry <= 40


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (TaskOptions(scale=2), "--scale"),
        (TaskOptions(level_range=(0, 50)), "--sigma"),
        (TaskOptions(quantised_share=0.5), "quantised share"),
    ],
)
def test_options_of_other_tasks_are_refused(options: TaskOptions, named: str) -> None:
    with pytest.raises(UserError, match=named):
        Derain.from_options(options)
