"""Muon: steps are orthogonal, sized by the learning rate, and go downhill."""

import pytest
import torch
from hinas.search.learning.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(16, 48), (48, 16), (20, 20), (1, 9)])
def test_singular_values_are_driven_towards_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape) * 1e-3))
    assert values.min() > 0.5
    assert values.max() < 1.3


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (20, 20)])
@pytest.mark.parametrize("smallest_decades", [0, 2, 6])
def test_steps_are_those_of_the_iterations_as_published(shape: tuple[int, int], smallest_decades: int) -> None:
    torch.manual_seed(0)
    left = torch.linalg.qr(torch.randn(shape[0], min(shape))).Q
    right = torch.linalg.qr(torch.randn(shape[1], min(shape))).Q
    matrix = left * 10 ** -torch.linspace(0, smallest_decades, min(shape)) @ right.mT
    difference = orthogonalised(matrix) - _published_iterations(matrix.double()).float()
    assert difference.norm() < 2e-3 * min(shape) ** 0.5


def _published_iterations(x: torch.Tensor) -> torch.Tensor:
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x / x.norm()
    for _ in range(5):
        x = a * x + b * (x @ x.mT) @ x + c * (x @ x.mT) @ (x @ x.mT) @ x
    return x


def test_a_zero_gradient_gives_no_step() -> None:
    assert torch.equal(orthogonalised(torch.zeros(4, 6)), torch.zeros(4, 6))


def test_a_batch_of_matrices_is_treated_one_by_one() -> None:
    torch.manual_seed(0)
    batch = torch.randn(3, 6, 20)
    torch.testing.assert_close(orthogonalised(batch), torch.stack([orthogonalised(one) for one in batch]))


def test_weight_decay_shrinks_by_its_share_of_the_rate() -> None:
    weight = torch.nn.Parameter(torch.ones(8, 4, 3, 3))
    weight.grad = torch.zeros_like(weight)
    Muon([weight], lr=0.01, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), torch.full((8, 4, 3, 3), 1 - 0.01 * 0.5))


def test_a_step_goes_downhill_and_its_size_does_not_depend_on_the_gradients() -> None:
    steps = []
    for scale in (1e-3, 1e3):
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
        before = weight.detach().clone()
        optimizer = Muon([weight], lr=0.01)
        loss = scale * weight.square().sum()
        loss.backward()
        optimizer.step()
        assert weight.square().sum() < before.square().sum()
        steps.append(weight.detach() - before)
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-3, atol=1e-6)
