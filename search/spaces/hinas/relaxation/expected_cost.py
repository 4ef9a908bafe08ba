"""How many blocks of each kind a relaxed architecture is expected to hold, for latency-aware search.

A one-hot architecture's expectation is exactly the count of its compact network (`blocks.blocks`).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...interface import Block
from ..blocks import frame_block, node_block, operation_block, squeeze_block
from ..receptive_field import END_RADIUS, START_RADIUS, radius_of
from ..search_settings import Settings
from .architecture import Architecture


def expected_blocks(architecture: Architecture, settings: Settings, channels: int) -> Mapping[Block, Tensor]:
    """Expected counts, scalars that carry gradients to alpha and beta.

    A node keeps two of its edges: each is present in proportion to its probability of not being `none`, two in all.
    """
    description = settings.description((settings.plain_cell(),) * settings.layers)
    counts: dict[Block, Tensor] = {}

    def add(block: Block, count: Tensor) -> None:
        counts[block] = counts[block] + count if block in counts else count

    for layer in range(1, settings.layers + 1):
        reach = architecture.reach(layer)
        per_operation = _operations_of_cell(architecture.operations[layer - 1], settings)
        for level in settings.reached_levels(layer):
            add(node_block(description, level), settings.nodes * reach[level])
            for index, name in enumerate(settings.candidates):
                if name not in ("none", "skip"):
                    add(operation_block(description, name, level), reach[level] * per_operation[index])
        before, exits = architecture.reach(layer - 1), architecture.exits[layer - 1]
        for source in settings.reached_levels(layer - 1):
            for level in settings.exits(layer - 1, source):
                block = squeeze_block(description, source, level, nodes=settings.nodes)
                add(block, before[source] * exits[source, level])
        first = max(0, layer - 2)
        two_steps = exits if layer == 1 else architecture.exits[layer - 2] @ exits
        start = architecture.reach(first)
        for source in settings.reached_levels(first):
            for level in settings.reached_levels(layer):
                if abs(source - level) <= (1 if layer == 1 else 2):
                    block = squeeze_block(description, source, level, nodes=settings.nodes)
                    add(block, start[source] * two_steps[source, level])
    last = architecture.reach(settings.layers)
    for level in settings.reached_levels(settings.layers):
        add(frame_block(description, channels, level), last[level])
    return counts


def _operations_of_cell(operations_EO: Tensor, settings: Settings) -> Tensor:
    """(O,) how often each operation is expected in the cell; what an absent edge would carry does not count."""
    total = operations_EO.new_zeros(operations_EO.shape[1])
    for node in range(settings.nodes):
        rows = operations_EO[[settings.edge_index(node, source) for source in range(2 + node)]]
        total = total + 2 * rows.sum(0) / (1 - rows[:, settings.none]).sum()
    return total


_SHARPNESS = 0.05
"""Pixels of the cells' maps within which two paths count as equally long."""


def expected_halo(architecture: Architecture, settings: Settings) -> Tensor:
    """Image pixels to one side, a scalar that carries gradients to alpha and beta.

    An edge adds the mean radius of its operations; a node sees as far as the furthest-seeing of its edges, each
    weighted by how probable it is to be kept.
    """
    description = settings.description((settings.plain_cell(),) * settings.layers)
    strides = torch.tensor([float(description.level_stride(level)) for level in range(settings.levels)])
    limit = settings.offset_limit
    radius = torch.tensor([float(radius_of(name, limit)) for name in settings.candidates])
    start = torch.tensor(float(START_RADIUS))
    outputs = [start, start]
    for layer in range(1, settings.layers + 1):
        operations = architecture.operations[layer - 1]
        pixels = (architecture.reach(layer) * strides.to(operations)).sum()
        states = [outputs[-1], outputs[-2]]
        for node in range(settings.nodes):
            rows = operations[[settings.edge_index(node, source) for source in range(2 + node)]]
            real = rows.clone()
            real[:, settings.none] = 0
            kept = real.sum(1)
            adds = (real @ radius.to(operations)) / kept.clamp_min(1e-6) * pixels
            seen = [state + add for state, add in zip(states[: 2 + node], adds, strict=True)]
            states.append(_furthest(seen, (2 * kept / kept.sum()).clamp(max=1)))
        outputs = [outputs[-1], _furthest(states[2:], operations.new_ones(settings.nodes))]
    cells = _furthest([outputs[-1], start], outputs[-1].new_ones(2))
    return description.stride * (cells + END_RADIUS) + (description.stride - 1)


def _furthest(seen: Sequence[Tensor], weights: Tensor) -> Tensor:
    """A smooth maximum; values of weight 0 do not count."""
    logits = torch.stack([value.to(weights) for value in seen]) / _SHARPNESS + weights.clamp_min(1e-30).log()
    return _SHARPNESS * torch.logsumexp(logits, 0)
