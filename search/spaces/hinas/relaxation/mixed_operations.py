"""The mixed operations of a supernet cell: every candidate operation on every edge, weighted by alpha.

All edges that leave one state run batched: E edges of one operation are one convolution with E * W outputs. A
depthwise and a pointwise convolution with nothing between them are one dense convolution, so a separable operation
is two convolutions with composed kernels; at search widths that is faster than running the depthwise one.

Batch norm has no parameters, in the supernet's every convolution: an affine one would let an operation rescale itself
and hide its alpha. What scales it is the alpha itself, folded in.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....learning.batch_norm import normalised
from ..operations import Deformation, activation
from ..search_settings import Settings
from .architecture import CellWeights

_DENSE = {"conv_3x3": (3, 1), "dil_3x3": (3, 2), "dil_5x5": (5, 2)}
"""Kernel and dilation of the operations that are one convolution."""
_SEPARABLE = {"sep_3x3": 3, "sep_5x5": 5}
_DEFORMABLE = "def_3x3"


class OutgoingEdges(nn.Module):
    """The edges that leave one state, each with all candidate operations."""

    def __init__(self, width: int, num_edges: int, settings: Settings) -> None:
        super().__init__()
        self.width = width
        self.num_edges = num_edges
        self.candidates = settings.candidates
        self.activation = activation(settings.activation)
        dense = {name: kernel for name, (kernel, _) in _DENSE.items() if name in self.candidates}
        separable = {name: kernel for name, kernel in _SEPARABLE.items() if name in self.candidates}
        self.dense = nn.ParameterDict({name: _kernels(num_edges, width, width, size) for name, size in dense.items()})
        self.depthwise = nn.ParameterDict(
            {f"{name}_{turn}": _kernels(num_edges, width, 1, k) for name, k in separable.items() for turn in (0, 1)}
        )
        self.pointwise = nn.ParameterDict(
            {f"{name}_{turn}": _kernels(num_edges, width, width, 1) for name in separable for turn in (0, 1)}
        )
        deformable = num_edges if _DEFORMABLE in self.candidates else 0
        self.deformations = nn.ModuleList(Deformation(width, settings.offset_limit) for _ in range(deformable))
        self.deformable = nn.ParameterList([_kernels(num_edges, width, width, 3)] if deformable else [])

    def forward(self, state_BWHW: Tensor, mixed: CellWeights) -> list[Tensor | None]:
        """(B, W, H, W') and what its edges mix -> each edge's sum (B, W, H, W'), None where nothing is present.

        Operations that are not present do not run and count as zero.
        """
        sums: list[Tensor | None] = [None] * self.num_edges
        activated = self.activation(state_BWHW)
        for column, name in enumerate(self.candidates):
            edges = [edge for edge, row in enumerate(mixed.present) if row[column]]
            if name == "none" or not edges:
                continue
            which = slice(None) if len(edges) == self.num_edges else edges
            weights = mixed.operations_EO[which, column]
            if name == "skip":
                skips = mixed.skips_EB
                factors = weights if skips is None else _by_picture(weights, skips[which], state_BWHW)
                outputs = [factor * state_BWHW for factor in factors]
            else:
                outputs = self._convolved(name, activated, weights, edges)
            for edge, output in zip(edges, outputs, strict=True):
                found = sums[edge]
                sums[edge] = output if found is None else found + output
        return sums

    def _convolved(self, name: str, x: Tensor, weights_E: Tensor, edges: list[int]) -> Sequence[Tensor]:
        which = slice(None) if len(edges) == self.num_edges else edges
        scale = weights_E.repeat_interleave(self.width)
        if name in _DENSE:
            kernel, dilation = _DENSE[name]
            kernels = self.dense[name][which].flatten(0, 1)
            y = F.conv2d(x, kernels, padding=dilation * (kernel // 2), dilation=dilation)
        elif name == _DEFORMABLE:
            kernels = self.deformable[0].flatten(2)[..., None, None]
            y = torch.cat([F.conv2d(self.deformations[edge](x), kernels[edge]) for edge in edges], dim=1)
        else:
            padding = _SEPARABLE[name] // 2
            y = F.conv2d(x, self._composed(name, 0, which), padding=padding)
            y = self.activation(normalised(y))
            y = F.conv2d(y, self._composed(name, 1, which), padding=padding, groups=len(edges))
        return normalised(y, scale).chunk(len(edges), dim=1)

    def _composed(self, name: str, turn: int, which: slice | list[int]) -> Tensor:
        depthwise = self.depthwise[f"{name}_{turn}"][which]
        pointwise = self.pointwise[f"{name}_{turn}"][which]
        return (pointwise * depthwise.transpose(1, 2)).flatten(0, 1)

    def copy_operation(self, name: str, edge: int, target: nn.Module) -> None:
        """Put the kernels of one operation of one edge into the compact network's module of that operation."""
        if name == _DEFORMABLE:
            self._copy_deformable(edge, target)
            return
        convolutions = [module for module in target.modules() if isinstance(module, nn.Conv2d)]
        if name in _DENSE:
            kernels = [self.dense[name]]
        elif name in _SEPARABLE:
            kernels = [store[f"{name}_{turn}"] for turn in (0, 1) for store in (self.depthwise, self.pointwise)]
        else:
            kernels = []
        with torch.no_grad():
            for convolution, kernel in zip(convolutions, kernels, strict=True):
                convolution.weight.copy_(kernel[edge])

    @torch.no_grad()
    def _copy_deformable(self, edge: int, target: nn.Module) -> None:
        deformation, convolution = list(target.children())[:2]
        assert isinstance(convolution, nn.Conv2d)
        deformation.load_state_dict(self.deformations[edge].state_dict())
        convolution.weight.copy_(self.deformable[0][edge].flatten(1)[..., None, None])


def _by_picture(weights_E: Tensor, skips_EB: Tensor, like: Tensor) -> Tensor:
    """(E, B, 1, 1, 1), in the maps' own type: another would turn them into it."""
    return (weights_E[:, None] * skips_EB).to(like)[..., None, None, None]


def _kernels(num_edges: int, out_channels: int, in_channels: int, kernel: int) -> nn.Parameter:
    parameter = nn.Parameter(torch.empty(num_edges, out_channels, in_channels, kernel, kernel))
    for edge in parameter:
        nn.init.kaiming_normal_(edge, a=0.2, nonlinearity="leaky_relu")
    return parameter
