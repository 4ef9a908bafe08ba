"""How many blocks of each kind a relaxed architecture is expected to hold, for latency-aware search.

A one-hot architecture's expectation is exactly the count of its compact network (`blocks.blocks`).
"""

from collections.abc import Mapping

from torch import Tensor

from ..interface import Block
from .architecture import Architecture
from .blocks import frame_block, node_block, operation_block, squeeze_block
from .mixed_candidates import CANDIDATES
from .search_settings import Settings

_NONE = CANDIDATES.index("none")
_COSTLY = [index for index, name in enumerate(CANDIDATES) if name not in ("none", "skip")]


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
            for index in _COSTLY:
                add(operation_block(description, CANDIDATES[index], level), reach[level] * per_operation[index])
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
        total = total + 2 * rows.sum(0) / (1 - rows[:, _NONE]).sum()
    return total
