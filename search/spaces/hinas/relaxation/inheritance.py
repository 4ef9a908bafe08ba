"""A compact network with a supernet's kernels."""

import torch
from torch import nn

from ..network import CellNetwork, CompactNetwork, build
from ..space import NetworkDescription
from .mixed_operations import OutgoingEdges
from .supernet import MixedCell, Supernet, key


def inherited_network(supernet: Supernet, description: NetworkDescription, channels: int) -> CompactNetwork:
    """The described network at the supernet's width, with batch norm and the supernet's kernels.

    In training mode it normalises by each batch's own statistics and computes what the supernet computes with the
    one-hot architecture of the same cells.
    """
    settings = supernet.settings
    narrow = settings.description(description.cells, width=settings.width).model_copy(update={"normalisation": "batch"})
    network = build(narrow, channels, supernet.scale)
    _copy(network.start.first, supernet.start.first)
    _copy(network.start.second, supernet.start.second)
    level_before = level_previous = 0
    for layer, (cell, target_cell) in enumerate(zip(narrow.cells, network.cells, strict=True), start=1):
        assert isinstance(target_cell, CellNetwork)
        # An input that no node reads is not squeezed.
        if target_cell.squeeze_previous is not None:
            _copy(target_cell.squeeze_previous, supernet.squeeze_previous[key(layer, cell.level, level_previous)])
        if target_cell.squeeze_before is not None:
            _copy(target_cell.squeeze_before, supernet.squeeze_before[key(layer, cell.level, level_before)])
        shared = (layer, cell.level) if settings.cell_sharing else (layer, cell.level, level_previous)
        mixed = supernet.cells[key(*shared)]
        assert isinstance(mixed, MixedCell)
        for node, edges in enumerate(cell.nodes):
            targets = target_cell.edges[node]
            assert isinstance(targets, nn.ModuleList)
            for (name, source), target in zip(edges, targets, strict=True):
                outgoing = mixed.states[source]
                assert isinstance(outgoing, OutgoingEdges)
                outgoing.copy_operation(name, node - max(0, source - 1), target)
        level_before, level_previous = level_previous, cell.level
    _copy_end(supernet, network, level_previous)
    return network


@torch.no_grad()
def _copy_end(supernet: Supernet, network: CompactNetwork, last_level: int) -> None:
    end = supernet.end
    _copy(network.end.from_cell, end.from_level[str(last_level)])
    assert network.end.from_cell.bias is not None
    network.end.from_cell.bias.copy_(end.bias)
    network.end.from_early.load_state_dict(end.from_early.state_dict())
    for target, depthwise, pointwise in zip(
        (network.end.separable_1, network.end.separable_2), end.depthwise, end.pointwise, strict=True
    ):
        _copy(target[0], depthwise)
        _copy(target[1], pointwise)
    assert network.end.last.bias is not None and end.last.bias is not None
    network.end.last.weight.copy_(end.last_scale * end.last.weight)
    network.end.last.bias.copy_(end.last_scale * end.last.bias)


@torch.no_grad()
def _copy(target: nn.Module, source: nn.Module) -> None:
    """The kernel of the one convolution of `source` into the first of `target`."""
    kernels = [
        next(module for module in part.modules() if isinstance(module, nn.Conv2d)).weight for part in (target, source)
    ]
    kernels[0].copy_(kernels[1])
