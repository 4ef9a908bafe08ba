"""How pyramid networks are priced: tiles stand for multiply-adds, and the probes fix what random networks cost."""

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hinas.search.spaces.interface import Block, TaskDescription
from hinas.search.spaces.registry import network_description, space_named, space_settings
from torch.utils.flop_counter import FlopCounterMode

PYRAMID = space_named("pyramid")
assert PYRAMID.pricing is not None
PRICING = PYRAMID.pricing
GREY = TaskDescription(channels=1)
KERNEL = {"conv_3x3": 9, "conv_5x5": 25, "conv_1x1": 1, "down_strided": 4, "up_shuffle": 1, "up_transposed": 1}
"""Multiply-adds of a tile per pixel of the result and pair of channels; going up, each result has one input pixel."""


def _macs_per_pixel(counts: Mapping[Block, int]) -> float:
    """Image pixels; the frame does not count."""
    return sum(
        count * KERNEL[block.name] * block.in_channels * block.out_channels / block.stride**2
        for block, count in counts.items()
        if block.name in KERNEL
    )


@pytest.mark.parametrize("skips", ["add", "concatenate"])
@pytest.mark.parametrize("kind", ["residual", "squeezed_chain", "plain"])
def test_tiles_are_the_networks_multiply_adds(kind: str, skips: str) -> None:
    document: Any = {
        "stem": {"resolution": "half"},
        "levels": [
            {"width": 16, "blocks": 1, "blocks_after": 2, "kind": kind},
            {"width": 32, "blocks": 1, "blocks_after": 1, "kind": kind, "convolution": "5x5"},
            {"width": 48, "blocks": 2, "kind": kind},
        ],
        "steps": {"skips": skips, "up": "transposed" if skips == "add" else "shuffle"},
    }
    description = network_description("pyramid", document)
    network: Any = PYRAMID.network(description, GREY)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 64, 64))
    frame = 2 * 32 * 32 * 9 * (4 * 16 + 16 * 4)
    expected = (counter.get_total_flops() - frame) / 2 / 64**2
    assert _macs_per_pixel(PRICING.blocks(description, GREY)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"levels": [1, 1], "middle": [4, 24]},
        {"levels": [3, 3], "resolutions": ["half"], "kinds": ["chain"]},
        {"convolutions": ["3x3", "5x5"], "downs": ["strided", "unshuffle"], "ups": ["shuffle", "transposed"]},
        # Steps before plain blocks keep their channels, others do not.
        {"kinds": ["plain", "residual"], "downs": ["max_pool"]},
        {"kinds": ["residual", "plain"], "downs": ["strided", "max_pool"]},
        {"kinds": ["plain"], "downs": ["max_pool"]},
        {"kinds": ["plain", "chain"], "downs": ["max_pool"], "ups": ["nearest"], "skips": ["concatenate"]},
    ],
)
def test_the_latencies_of_the_probes_fix_the_price_of_every_network(changes: Any) -> None:
    settings = space_settings("pyramid", changes)
    probes = [PRICING.blocks(probe, GREY) for probe in PRICING.probes(settings)]
    names = sorted({block for row in probes for block in row})
    matrix = np.array([[row.get(block, 0) for block in names] for row in probes], np.float64)
    for seed in range(40):
        counts = PRICING.blocks(PYRAMID.random(settings, Random(seed)), GREY)
        assert set(counts) <= set(names)
        row = np.array([counts.get(block, 0) for block in names], np.float64)
        # A sum of probes gives this network's counts, so any prices that fit the probes give it the same latency.
        sum_of_probes = matrix.T @ np.linalg.lstsq(matrix.T, row, rcond=1e-10)[0]
        np.testing.assert_allclose(sum_of_probes, row, atol=1e-8 * row.max())
