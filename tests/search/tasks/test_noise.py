"""Noise: its size, its two kinds, and sigma in grey levels."""

import pytest
import torch
from hinas.errors import UserError
from hinas.search.tasks.denoise import Denoise, add_noise
from hinas.search.tasks.interface import TaskOptions


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("sigma", [5.0, 30.0, 70.0])
def test_unquantised_noise_has_the_level_asked_for_and_is_not_clipped(sigma: float) -> None:
    clean = torch.full((2, 1, 200, 200), 0.5)
    noisy = add_noise(clean, torch.tensor([sigma, sigma]), quantised_share=0, generator=_generator())
    assert (noisy - clean).std().item() * 255 == pytest.approx(sigma, rel=0.02)
    assert (noisy.max() > 1).item() == (sigma > 25)


def test_quantised_noise_is_what_an_8_bit_file_holds() -> None:
    noisy = add_noise(torch.rand(2, 3, 50, 50), torch.tensor([70.0, 5.0]), quantised_share=1, generator=_generator())
    levels = noisy * 255
    assert noisy.min() == 0
    assert noisy.max() == 1
    torch.testing.assert_close(levels, levels.round())


def test_the_share_of_quantised_images_is_the_one_asked_for() -> None:
    clean = torch.full((400, 1, 8, 8), 0.5)
    noisy = add_noise(clean, torch.full((400,), 20.0), quantised_share=0.25, generator=_generator())
    as_files = ((noisy * 255 - (noisy * 255).round()).abs().amax(dim=(1, 2, 3)) < 1e-3).float().mean()
    assert as_files.item() == pytest.approx(0.25, abs=0.07)


def _levels(task: Denoise, batch: int) -> torch.Tensor:
    level_B = task.drawn(torch.full((batch, 1, 2, 2), 0.5), _generator()).level_B
    assert level_B is not None
    return level_B


def test_sigma_is_drawn_over_the_range() -> None:
    sigma = _levels(Denoise(range=(10.0, 50.0)), 2000)
    assert sigma.min() >= 10
    assert sigma.max() <= 50
    assert sigma.mean().item() == pytest.approx(30, abs=1)
    assert torch.equal(_levels(Denoise(range=(30.0, 30.0)), 3), torch.full((3,), 30.0))


def test_listed_levels_are_drawn_evenly() -> None:
    sigma = _levels(Denoise(levels=(30.0, 50.0, 70.0)), 3000)
    counts = [int((sigma == level).sum()) for level in (30, 50, 70)]
    assert sum(counts) == 3000 and all(900 < count < 1100 for count in counts)


def test_denoising_has_no_scale() -> None:
    with pytest.raises(UserError, match="keeps the size"):
        Denoise.from_options(TaskOptions(scale=2))
