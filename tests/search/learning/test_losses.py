"""SSIM against scikit-image, and the loss as the papers write it."""

import math

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.search.learning.losses import check_pixel_loss, denoising_loss, ssim
from skimage import metrics  # which reads SciPy, seconds, when it is used


def test_ssim_agrees_with_scikit_image() -> None:
    random = np.random.default_rng(0)
    clean = random.random((40, 52, 3))
    noisy = clean + random.normal(0, 0.1, clean.shape)
    # scikit-image reports the mean over windows that lie inside the image: a border of 5 is left out.
    expected = metrics.structural_similarity(
        clean, noisy, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1
    )
    as_tensor = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in (clean, noisy)]
    assert ssim(*as_tensor).item() == pytest.approx(expected, abs=1e-6)


def test_ssim_of_an_image_with_itself_is_one() -> None:
    image = torch.rand(1, 1, 16, 16)
    assert ssim(image, image).item() == pytest.approx(1)


@pytest.mark.parametrize("pixel", ["l1", "mse"])
def test_the_loss_is_pixel_error_plus_weighted_log_ssim(pixel: str) -> None:
    torch.manual_seed(0)
    clean, output = torch.rand(2, 1, 20, 20), torch.rand(2, 1, 20, 20)
    difference = output - clean
    error = difference.abs().mean() if pixel == "l1" else difference.square().mean()
    similarity = ssim(output, clean).clamp(min=1e-4).item()
    expected = error.item() + 0.6 * math.log10(1 / similarity)
    loss = denoising_loss(output, clean, pixel=pixel, ssim_weight=0.6)  # type: ignore[arg-type]
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_error_of_each_patch_is_divided_by_its_level() -> None:
    clean = torch.rand(3, 1, 20, 20)
    output = clean + 0.1 * torch.randn(3, 1, 20, 20)
    levels = torch.tensor([0.0, 25.0, 51.0])
    squared = (output - clean).square().mean(dim=(1, 2, 3))
    loss = denoising_loss(output, clean, pixel="mse-by-level", ssim_weight=0, level_B=levels)
    assert loss.item() == pytest.approx(((26 * squared[0] + squared[1] + squared[2] / 2) / 3).item(), rel=1e-5)


def test_a_decibel_counts_the_same_at_every_strength_of_error() -> None:
    clean = torch.rand(3, 1, 20, 20)
    errors = torch.randn(3, 1, 20, 20) * torch.tensor([0.02, 0.1, 0.3]).reshape(-1, 1, 1, 1)

    def loss(strengths: tuple[float, ...]) -> float:
        output = clean + errors * torch.tensor(strengths).reshape(-1, 1, 1, 1)
        return denoising_loss(output, clean, pixel="psnr", ssim_weight=0).item()

    whole = loss((1, 1, 1))
    squared = errors.square().mean(dim=(1, 2, 3))
    assert -10 * whole == pytest.approx((-10 * squared.log10()).mean().item(), abs=0.02)
    for index in range(3):
        halved = tuple(0.5 if place == index else 1.0 for place in range(3))
        assert loss(halved) - whole == pytest.approx(-2 * math.log10(2) / 3, abs=0.005)


def test_the_logarithm_of_no_error_is_finite_and_so_is_its_gradient() -> None:
    clean = torch.rand(1, 1, 20, 20)
    output = clean.clone().requires_grad_()
    loss = denoising_loss(output, clean, pixel="psnr", ssim_weight=0)
    loss.backward()
    assert math.isfinite(loss.item())
    assert output.grad is not None and torch.isfinite(output.grad).all()


def test_without_a_level_there_is_nothing_to_divide_by() -> None:
    with pytest.raises(UserError, match="tells no level of noise; take psnr, l1 or mse"):
        check_pixel_loss("mse-by-level", None)
    check_pixel_loss("mse-by-level", (0, 75))
    check_pixel_loss("psnr", None)


def test_the_loss_can_be_learnt_from_where_ssim_is_negative() -> None:
    clean = torch.rand(1, 1, 16, 16)
    output = (1 - clean).requires_grad_()
    loss = denoising_loss(output, clean, pixel="l1", ssim_weight=0.6)
    loss.backward()
    assert math.isfinite(loss.item())
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()
