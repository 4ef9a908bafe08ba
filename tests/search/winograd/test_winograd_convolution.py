"""Winograd's convolutions: exact against convolutions in float64, and a network that computes with them."""

from copy import deepcopy

import torch
from hinas.search.winograd.compiled import Transforms
from hinas.search.winograd.convolution import WinogradConv2d, with_winograd
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn


def _convolution(channels: tuple[int, int], *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(*channels, 3, padding=1, bias=bias)


def _images(*shape: int) -> Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


def _assert_close(result: Tensor, exact: Tensor) -> None:
    assert result.shape == exact.shape
    assert (result - exact).abs().max() <= 3e-5 * exact.abs().max()


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 3),
    channels=st.tuples(st.sampled_from([32, 48, 80]), st.sampled_from([32, 64])),
    side=st.tuples(st.integers(1, 19), st.integers(1, 19)),
    bias=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_output_and_all_gradients_are_those_of_a_convolution_in_float64(
    transforms: Transforms, count: int, channels: tuple[int, int], side: tuple[int, int], bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    convolution = _convolution(channels, bias=bias)
    images = _images(count, channels[0], *side).requires_grad_()
    gradient = _images(count, channels[1], *side)
    computed = with_winograd(convolution, transforms)
    assert isinstance(computed, WinogradConv2d)
    result = computed(images)
    assert result.is_contiguous(memory_format=torch.channels_last)
    found = torch.autograd.grad(result, (images, *convolution.parameters()), gradient)

    exact = deepcopy(convolution).double()
    exact_images = images.detach().double().requires_grad_()
    expected = exact(exact_images)
    _assert_close(result, expected)
    wanted = torch.autograd.grad(expected, (exact_images, *exact.parameters()), gradient.double())
    for one, other in zip(found, wanted, strict=True):
        _assert_close(one, other)


def test_images_that_are_not_channels_last_are_computed_as_well(transforms: Transforms) -> None:
    convolution = _convolution((32, 32))
    images = torch.randn(2, 32, 9, 11)
    _assert_close(with_winograd(convolution, transforms)(images), convolution(images))


def test_threads_do_not_change_the_result(transforms: Transforms) -> None:
    computed = with_winograd(_convolution((32, 48)), transforms)
    images = _images(3, 32, 21, 13)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        given_images = images.clone(memory_format=torch.channels_last).requires_grad_()
        result = computed(given_images)
        results.append((result, *torch.autograd.grad(result.square().sum(), given_images)))
    torch.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        _assert_close(one, other)


def _network() -> nn.Sequential:
    return nn.Sequential(
        _convolution((3, 32)),
        nn.ReLU(),
        nn.Sequential(_convolution((32, 32)), nn.ReLU(), nn.Conv2d(32, 32, 3, stride=2, padding=1)),
        nn.Conv2d(32, 64, 3, padding=1, groups=2),
        nn.Conv2d(64, 64, 5, padding=2),
        nn.Conv2d(64, 40, 3, padding=1),
        _convolution((40, 32)),
        nn.Conv2d(32, 32, 3),
    )


def test_only_convolutions_that_suit_are_computed_so(transforms: Transforms) -> None:
    network = with_winograd(_network(), transforms)
    chosen = [name for name, module in network.named_modules() if isinstance(module, WinogradConv2d)]
    assert chosen == ["2.0"]


def test_a_network_keeps_its_parameters_their_names_and_its_output(transforms: Transforms) -> None:
    network = _network()
    images = _images(2, 3, 24, 20)
    parameters, output = dict(network.named_parameters()), network(images)
    changed = with_winograd(network, transforms)
    assert [name for name, _ in changed.named_parameters()] == list(parameters)
    assert all(parameter is parameters[name] for name, parameter in changed.named_parameters())
    _assert_close(changed(images), output)


def test_a_step_of_an_optimizer_made_before_is_seen(transforms: Transforms) -> None:
    convolution = _convolution((32, 32))
    optimizer = torch.optim.SGD(convolution.parameters(), lr=0.1)
    computed = with_winograd(convolution, transforms)
    images = _images(1, 32, 8, 8)
    before = computed(images)
    before.square().mean().backward()
    optimizer.step()
    after = computed(images)
    assert (after - before).abs().max() > 1e-3
    _assert_close(after, convolution(images))


def test_a_frozen_network_needs_no_gradient_and_gives_the_same(transforms: Transforms) -> None:
    convolution = _convolution((32, 32)).requires_grad_(False)
    images = _images(1, 32, 8, 8).requires_grad_()
    result = with_winograd(convolution, transforms)(images)
    _assert_close(result, convolution(images))
    _assert_close(*(torch.autograd.grad(one.square().sum(), images)[0] for one in (result, convolution(images))))
