"""Noise: its size, its two kinds, and sigma in grey levels."""

import pytest
import torch
from hinas.search.learning.noise import add_noise, draw_sigma


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


def test_sigma_is_drawn_over_the_range() -> None:
    sigma = draw_sigma(2000, (10.0, 50.0), _generator())
    assert sigma.min() >= 10
    assert sigma.max() <= 50
    assert sigma.mean().item() == pytest.approx(30, abs=1)
    assert torch.equal(draw_sigma(3, (30.0, 30.0), _generator()), torch.full((3,), 30.0))
