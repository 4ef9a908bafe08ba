"""The blocks a superkernel network is priced by, and the networks that fix their prices. No torch.

What a convolution costs grows with the product of its channels, so a block is 4 by 4 channels of a kernel size at one
resolution, or one filter's map beside it (activation, concatenation, memory). All that no search changes is the frame.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from math import ceil
from typing import Any, Literal

from ..interface import Block
from .search_settings import Settings
from .space import BaseNet, Kernel, NetworkDescription

_SIDE = 4

Filters = Mapping[Kernel, Any]
"""How many filters of each kernel size a superkernel has: whole numbers, or expectations as scalar tensors."""


def work(net: BaseNet, slices: Sequence[Filters], channels: int) -> Mapping[Block, Any]:
    """How much of each block a network of these slices has; not rounded."""
    found: dict[Block, Any] = defaultdict(int)
    for level, first, second in zip(net.block_levels, slices[::2], slices[1::2], strict=True):
        stride, known = net.level_stride(level), net.level_width(level)
        for by_kernel in (first, second):
            for kernel, filters in by_kernel.items():
                found[_convolution(kernel, stride)] += known * filters / _SIDE**2
            total = sum(by_kernel.values())
            found[Block(name="filters", in_channels=1, out_channels=1, stride=stride)] += total
            known = known + total
        found[_convolution(3, stride)] += known * net.level_width(level) / _SIDE**2
    found[_frame(net, channels)] += 1
    return dict(found)


def blocks(description: NetworkDescription, channels: int) -> Mapping[Block, int]:
    """How often the network holds each block: pieces that are begun count as whole ones."""
    slices: list[Filters] = [{chosen.kernel: chosen.filters} for chosen in description.slices]
    return {block: ceil(count) for block, count in work(description, slices, channels).items()}


def _convolution(kernel: int, stride: int) -> Block:
    return Block(name=f"conv_{kernel}x{kernel}", in_channels=_SIDE, out_channels=_SIDE, stride=stride)


def _frame(net: BaseNet, channels: int) -> Block:
    """Start, end, and the ways between levels: one for every base net, so that no other's table is taken for it."""
    subnetworks = f"{net.subnetworks}x_" if net.subnetworks > 1 else ""
    return Block(
        name=f"{net.base}_{subnetworks}depth_{net.depth}_blocks_{net.blocks}_{net.width_growth}_to_{channels}",
        in_channels=net.width,
        out_channels=channels * net.stride**2,
        stride=net.stride,
    )


def latency_probes(settings: Settings) -> Sequence[NetworkDescription]:
    """Networks that differ from each other by the superkernels of one level: their latencies fix every price.

    For each kernel size all superkernels small and all large; and for each level its own large, all others small. Once
    more for each level with only the first superkernel of a block large: what the convolutions cost grows with the
    product of both numbers of filters, what the maps beside them cost with their sum.
    """
    return tuple(dict.fromkeys(_probes(settings)))


def _probes(settings: Settings) -> Iterator[NetworkDescription]:
    smallest = settings.uniform(settings.kernels[0], largest=False)
    for kernel in settings.kernels:
        largest = settings.uniform(kernel, largest=True)
        yield settings.uniform(kernel, largest=False)
        yield largest
        for level in range(settings.depth + 1):
            yield _with_large(settings, smallest, largest, {(level, "first"), (level, "second")})
    largest = settings.uniform(settings.kernels[0], largest=True)
    for level in range(settings.depth + 1):
        yield _with_large(settings, smallest, largest, {(level, "first")})


def _with_large(
    settings: Settings,
    smallest: NetworkDescription,
    largest: NetworkDescription,
    which: Set[tuple[int, Literal["first", "second"]]],
) -> NetworkDescription:
    """The smallest network with some superkernels, by level and place within their block, from the largest."""
    places = itertools.cycle(("first", "second"))
    parts = zip(settings.slice_levels, places, smallest.slices, largest.slices, strict=False)
    return settings.description([large if (level, place) in which else small for level, place, small, large in parts])
