"""Networks that others drew are members of the pyramid space: with the same weights the same function and work."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import network_description, space_named
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

SIGMA = {"range": [0, 75]}


def _member(document: dict[str, Any], *, channels: Any = 1) -> nn.Module:
    description = network_description("pyramid", document)
    return space_named("pyramid").network(description, TaskDescription(channels=channels)).eval()


def _with_weights_of(network: nn.Module, source: nn.Module) -> nn.Module:
    """Copy weight for weight in the order of the layers; a shape that differs is an error."""
    for own, given in zip(network.parameters(), source.parameters(), strict=True):
        assert own.shape == given.shape
        own.data.copy_(given)
    return network


def _randomised(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network.eval()


def _flops(network: nn.Module, *arguments: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*arguments)
    return counter.get_total_flops()


def _are_the_same(network: nn.Module, reference: nn.Module, *arguments: Tensor) -> None:
    with torch.no_grad():
        expected = reference(*arguments)
        assert expected.std() > 1e-3
        torch.testing.assert_close(network(*arguments), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert _flops(network, *arguments) == _flops(reference, *arguments)


@pytest.mark.parametrize(("channels", "cells"), [(1, 12), (3, 16)])
def test_a_chain_of_cells_is_a_member(channels: Any, cells: int) -> None:
    described = {
        "width": 48, "width_factors": [1.0], "normalisation": "none", "activation": "relu",
        "stem": {"resolution": "half", "channels": 32}, "end": {"channels": 64, "early_channels": 32},
        "conditioning": SIGMA,
        "cells": [{"level": 0, "nodes": [[["conv_3x3", 0], ["skip", 1]]]}] * cells,
    }  # fmt: skip
    chain = space_named("hinas").network(network_description("hinas", described), TaskDescription(channels=channels))
    member = _member(
        {
            "stem": {"resolution": "half", "channels": [32]},
            "levels": [{"width": 48, "blocks": cells, "kind": "squeezed_chain"}],
            "end": {"kind": "separable", "channels": [64, 64], "early_channels": 32},
            "conditioning": SIGMA,
        },
        channels=channels,
    )
    noisy, sigma = torch.rand(2, channels, 24, 32), torch.tensor([10.0, 50.0])
    reference = _randomised(chain)
    _are_the_same(_with_weights_of(member, reference), reference, noisy, sigma)


class _FFDNet(nn.Module):
    """Zhang et al., arXiv 1710.04026, for grey images: 15 convolutions at half resolution."""

    def __init__(self) -> None:
        super().__init__()
        widths = [5, *[64] * 14, 4]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        x = F.pixel_unshuffle(noisy, 2)
        x = torch.cat([x, (sigma / 255).reshape(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])], 1)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return F.pixel_shuffle(self.layers[-1](x), 2)


def test_ffdnet_is_a_member() -> None:
    reference = _randomised(_FFDNet())
    assert sum(parameter.numel() for parameter in reference.parameters()) == 485_316
    member = _member(
        {
            "stem": {"resolution": "half"},
            "levels": [{"width": 64, "blocks": 13, "kind": "plain"}],
            "residual": False,
            "conditioning": SIGMA,
        }
    )
    _are_the_same(_with_weights_of(member, reference), reference, torch.rand(2, 1, 16, 20), torch.tensor([5.0, 60.0]))


class _UNet(nn.Module):
    """Ronneberger et al., arXiv 1505.04597, padded: two convolutions a level, pooling, transposed convolutions."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        above = list(pairwise(widths))
        self.down = nn.ModuleList(_twice(a, b) for a, b in [(3, widths[0]), *above])
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(above))
        self.after = nn.ModuleList(_twice(2 * a, a) for a, _ in reversed(above))
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, noisy: Tensor) -> Tensor:
        x, skips = self.down[0](noisy), []
        for down in self.down[1:]:
            skips.append(x)
            x = down(F.max_pool2d(x, 2))
        for up, after in zip(self.up, self.after, strict=True):
            x = after(torch.cat([up(x), skips.pop()], 1))
        return noisy - self.last(x)


def _twice(a: int, b: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.ReLU())


def test_a_plain_u_net_is_a_member() -> None:
    reference = _randomised(_UNet((6, 8, 12)))
    member = _member(
        {
            "levels": [
                {"width": 6, "blocks": 1, "blocks_after": 2, "kind": "plain"},
                {"width": 8, "blocks": 2, "blocks_after": 2, "kind": "plain"},
                {"width": 12, "blocks": 2, "kind": "plain"},
            ],
            "steps": {"down": "max_pool", "up": "transposed", "skips": "concatenate"},
        },
        channels=3,
    )
    _are_the_same(_with_weights_of(member, reference), reference, torch.rand(2, 3, 16, 24))


class _OpenImageDenoise(nn.Module):
    """The shape of Intel's Open Image Denoise (training/model.py of its repository), for colour alone."""

    def __init__(self) -> None:
        super().__init__()
        down = [(3, 32), (32, 32), (32, 48), (48, 64), (64, 80), (80, 96), (96, 96)]
        up = [(96 + 64, 112), (112, 112), (112 + 48, 96), (96, 96), (96 + 32, 64), (64, 64), (64 + 3, 64), (64, 32)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in [*down, *up, (32, 3)])

    def forward(self, image: Tensor) -> Tensor:
        convolutions = iter(self.layers)

        def convolved(x: Tensor) -> Tensor:
            return F.relu(next(convolutions)(x))

        pools = [image, F.max_pool2d(convolved(convolved(image)), 2)]
        for _ in range(3):
            pools.append(F.max_pool2d(convolved(pools[-1]), 2))
        x = convolved(convolved(pools.pop()))
        while pools:
            x = torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), pools.pop()], 1)
            x = convolved(convolved(x))
        return next(convolutions)(x)


def test_the_shape_of_open_image_denoise_is_a_member() -> None:
    reference = _randomised(_OpenImageDenoise())
    assert sum(parameter.numel() for parameter in reference.parameters()) == pytest.approx(0.91e6, rel=0.01)
    widths, after = (48, 64, 80), (64, 96, 112)
    member = _member(
        {
            # Its last hidden convolution, 64 to 32 channels, belongs to the end part.
            "levels": [
                {"width": 32, "blocks": 1, "blocks_after": 1, "width_after": 64, "kind": "plain"},
                *(
                    {"width": width, "blocks": 1, "blocks_after": 2, "width_after": behind, "kind": "plain"}
                    for width, behind in zip(widths, after, strict=True)
                ),
                {"width": 96, "blocks": 2, "kind": "plain"},
            ],
            "steps": {"down": "max_pool", "up": "nearest", "skips": "concatenate", "skips_leave": "entry"},
            "end": {"channels": [32]},
            "residual": False,
        },
        channels=3,
    )
    _are_the_same(_with_weights_of(member, reference), reference, torch.rand(1, 3, 32, 48))
