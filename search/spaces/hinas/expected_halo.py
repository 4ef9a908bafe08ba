"""The halo a relaxed architecture is expected to have: what tiles compute twice because of it costs time.

A one-hot architecture's expectation is its network's halo but for a pixel or two. The resampling between levels of
different resolution is left out.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .architecture import Architecture
from .mixed_candidates import CANDIDATES
from .receptive_field import END_RADIUS, RADIUS, START_RADIUS
from .search_settings import Settings

_NONE = CANDIDATES.index("none")
_SHARPNESS = 0.05
"""Pixels of the cells' maps within which two paths count as equally long."""


def expected_halo(architecture: Architecture, settings: Settings) -> Tensor:
    """Image pixels to one side, a scalar that carries gradients to alpha and beta.

    An edge adds the mean radius of its operations; a node sees as far as the furthest-seeing of its edges, each
    weighted by how probable it is to be kept.
    """
    description = settings.description((settings.plain_cell(),) * settings.layers)
    strides = torch.tensor([float(description.level_stride(level)) for level in range(settings.levels)])
    radius = torch.tensor([float(RADIUS.get(name, 0)) for name in CANDIDATES])
    start = torch.tensor(float(START_RADIUS))
    outputs = [start, start]
    for layer in range(1, settings.layers + 1):
        operations = architecture.operations[layer - 1]
        pixels = (architecture.reach(layer) * strides.to(operations)).sum()
        states = [outputs[-1], outputs[-2]]
        for node in range(settings.nodes):
            rows = operations[[settings.edge_index(node, source) for source in range(2 + node)]]
            real = rows.clone()
            real[:, _NONE] = 0
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
