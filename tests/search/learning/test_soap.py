"""SOAP: steps are those of its definition in every basis, sized by the learning rate, and go downhill."""

from copy import deepcopy

import pytest
import torch
from hinas.search.learning.soap import Soap
from torch import Tensor, nn


def _weight(*shape: int) -> nn.Parameter:
    torch.manual_seed(0)
    weight = torch.randn(shape)
    return nn.Parameter(weight.contiguous(memory_format=torch.channels_last))


def _run(optimizer: Soap, weight: nn.Parameter, gradients: list[Tensor]) -> None:
    for gradient in gradients:
        weight.grad = gradient.contiguous(memory_format=torch.channels_last)
        optimizer.step()


def _gradients(shape: torch.Size, count: int) -> list[Tensor]:
    """Some that are much larger along some directions of each axis than along others."""
    torch.manual_seed(1)
    outputs = torch.randn(shape[0], shape[0])
    inputs = torch.randn(shape[1], shape[1])
    return [torch.einsum("oikl,op,iq->pqkl", torch.randn(shape), outputs, inputs) for _ in range(count)]


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (5, 5, 1, 1), (10, 6, 5, 5)])
def test_steps_are_those_of_the_definition(shape: tuple[int, ...]) -> None:
    weight = _weight(*shape)
    expected = weight.detach().double()
    gradients = _gradients(weight.shape, 9)
    _run(Soap([weight], lr=0.01, basis_every=3), weight, gradients)
    for update in _updates([gradient.double() for gradient in gradients], basis_every=3):
        expected = expected - 0.01 * update.view_as(expected)
    torch.testing.assert_close(weight.detach().double(), expected, rtol=0, atol=1e-4)
    assert (weight.detach() - _weight(*shape)).abs().max() > 0.01


def _updates(gradients: list[Tensor], *, basis_every: int) -> list[Tensor]:
    """The definition, with one matrix that turns a whole kernel: the Kronecker product of the bases of its axes."""
    axes = [gradient.flatten(-2) for gradient in gradients]
    slices = [[one.movedim(axis, 0).flatten(1) for axis in range(3)] for one in axes]
    products = [matrix @ matrix.mT for matrix in slices[0]]
    bases = [torch.linalg.eigh(product)[1].flip(1) for product in products]
    momentum, squares = torch.zeros_like(axes[0]), torch.zeros(axes[0].numel(), dtype=torch.float64)
    updates = [torch.zeros_like(axes[0])]
    for step in range(1, len(axes)):
        products = [
            0.95 * product + 0.05 * matrix @ matrix.mT for product, matrix in zip(products, slices[step], strict=True)
        ]
        turn = torch.kron(torch.kron(bases[0], bases[1]), bases[2])
        momentum = 0.95 * momentum + 0.05 * axes[step]
        squares = 0.95 * squares + 0.05 * (turn.mT @ axes[step].flatten()) ** 2
        ahead = turn.mT @ (0.05 * axes[step] + 0.95 * momentum).flatten()
        update = (turn @ (ahead / squares.sqrt())).view_as(momentum)
        updates.append(0.2 * update / update.square().mean().sqrt())
        if step % basis_every == 0:
            squares = squares.view_as(momentum)
            for axis in range(3):
                strength = torch.diag(bases[axis].mT @ products[axis] @ bases[axis])
                order = strength.argsort(descending=True)
                bases[axis] = torch.linalg.qr((products[axis] @ bases[axis])[:, order])[0]
                squares = squares.index_select(axis, order)
            squares = squares.flatten()
    return updates


def test_weight_decay_shrinks_by_its_share_of_the_rate() -> None:
    weight = nn.Parameter(torch.ones(8, 4, 3, 3))
    _run(Soap([weight], lr=0.01, weight_decay=0.5), weight, [torch.zeros(8, 4, 3, 3)] * 2)
    torch.testing.assert_close(weight.detach(), torch.full((8, 4, 3, 3), (1 - 0.01 * 0.5) ** 2))


def test_a_kernel_that_gets_its_first_gradient_later_moves_then() -> None:
    """The first convolution of a block whose last begins at 0."""
    weight = _weight(6, 4, 3, 3)
    before = weight.detach().clone()
    _run(Soap([weight], lr=0.01), weight, [torch.zeros(6, 4, 3, 3), *_gradients(weight.shape, 12)])
    moved = weight.detach() - before
    assert moved.isfinite().all()
    assert moved.abs().max() > 0.01


def test_steps_go_downhill_and_their_size_does_not_depend_on_the_gradients() -> None:
    steps = []
    for scale in (1e-3, 1e3):
        weight = _weight(8, 4, 3, 3)
        before = weight.detach().clone()
        optimizer = Soap([weight], lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            (scale * weight.square().sum()).backward()
            optimizer.step()
        assert weight.square().sum() < before.square().sum()
        steps.append(weight.detach() - before)
        torch.testing.assert_close(steps[-1].square().mean().sqrt(), torch.tensor(0.002), rtol=1e-3, atol=0)
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-3, atol=1e-6)


def test_it_goes_on_from_what_was_saved() -> None:
    weight = _weight(6, 4, 3, 3)
    gradients = _gradients(weight.shape, 25)
    optimizer = Soap([weight], lr=0.01)
    _run(optimizer, weight, gradients[:15])
    resumed = nn.Parameter(weight.detach().clone())
    on_from_there = Soap([resumed], lr=0.01)
    on_from_there.load_state_dict(deepcopy(optimizer.state_dict()))
    _run(optimizer, weight, gradients[15:])
    _run(on_from_there, resumed, gradients[15:])
    torch.testing.assert_close(resumed.detach(), weight.detach())
