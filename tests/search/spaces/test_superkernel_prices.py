"""What a superkernel network is expected to cost while the search decides, and what it costs when it has."""

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.spaces.superkernel.expected_cost import expected_blocks, expected_halo
from stand_ins.small_searchers import ATTENTION, CHOICES, GREY, SUPERKERNEL, superkernel_searcher, superkernel_settings
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


def _one_hot(searcher: Any, description: Any) -> Iterator[Tensor]:
    for choice, chosen in zip(searcher.choices, description.slices, strict=True):
        yield choice.share_of(chosen)


@pytest.mark.parametrize("base", [{}, ATTENTION, {"blocks": 2, "depth": 2, "resolution": "full"}])
@pytest.mark.parametrize("choice", ["joint", "filterwise"])
def test_what_is_expected_of_a_decided_network_is_what_it_has(base: Any, choice: str) -> None:
    searcher = superkernel_searcher(choice=choice, **base)
    for seed in range(4):
        description = searcher.random_description(Random(seed))
        shares = list(_one_hot(searcher, description))
        expected, counted = expected_blocks(shares, searcher.settings, 1), searcher.blocks_of(description)
        for block, count in counted.items():
            assert count - 1 < expected[block].item() <= count + 1e-3
        assert all(expected[block].item() == 0 for block in expected if block not in counted)
        assert expected_halo(shares, searcher.settings).item() == searcher.halo_of(description)


@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_expected_carries_gradients_to_every_logit(choice: str) -> None:
    searcher = superkernel_searcher(choice=choice)
    total = sum(searcher.expected_blocks().values()) + searcher.expected_halo()
    gradients = torch.autograd.grad(total, list(searcher.choices.parameters()))
    assert all(torch.isfinite(gradient).all() and gradient.abs().max() > 0 for gradient in gradients)
    # Larger kernels cost more: the descent is towards the smaller one.
    if choice == "factorized":
        assert gradients[0][0] < gradients[0][1]


def test_blocks_are_the_superkernels_multiply_adds() -> None:
    settings = superkernel_settings(depth=2, kernels=[3, 5, 7], width=64, conditioning=None)

    def counted(description: Any) -> tuple[float, float]:
        assert SUPERKERNEL.pricing is not None
        blocks = SUPERKERNEL.pricing.blocks(description, GREY)
        # Shapes suffice for counting.
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            SUPERKERNEL.network(description, GREY)(torch.zeros(1, 1, 64, 64))
        sides = {block: int(block.name[-1]) for block in blocks if block.name.startswith("conv")}
        by_blocks = sum(blocks[b] * b.in_channels * b.out_channels * side**2 / b.stride**2 for b, side in sides.items())
        return counter.get_total_flops() / 2 / 64**2, by_blocks

    networks = [settings.random_description(Random(seed)) for seed in range(4)]
    measured, by_blocks = zip(*map(counted, networks), strict=True)
    frames = [one - other for one, other in zip(measured, by_blocks, strict=True)]
    # All that is no superkernel is the same for all; less than a block of each kind is rounded.
    assert max(frames) - min(frames) < 0.005 * (max(measured) - min(measured))


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("fast", {}),
        ("fast", {"choice": "filterwise"}),
        ("fast", {"kernels": [3]}),
        ("paper", {}),
        ("paper-attention", {}),
    ],
)
def test_the_latencies_of_the_probes_fix_every_price(preset: str, changes: Any) -> None:
    space = preset_space("superkernel", GREY, preset, changes)
    assert SUPERKERNEL.pricing is not None
    rows = [SUPERKERNEL.pricing.blocks(probe, GREY) for probe in SUPERKERNEL.pricing.probes(space.settings)]
    names = sorted({block for row in rows for block in row})
    matrix = np.array([[row.get(block, 0) for block in names] for row in rows], np.float64)
    # In shares of the largest count: a price is to stand out from the others, not only from rounding errors.
    assert np.linalg.matrix_rank(matrix / matrix.max(0), tol=1e-3) == len(names)
    for seed in range(20):
        assert set(SUPERKERNEL.pricing.blocks(SUPERKERNEL.random(space.settings, Random(seed)), GREY)) <= set(names)
