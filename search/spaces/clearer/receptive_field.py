"""How far an output pixel of a CLEARER network sees, from the description alone: the exact halo and the alignment."""

from collections.abc import Sequence

from ..interface import Geometry
from ..view import View, joined
from .space import Module, NetworkDescription

PARALLEL_RADIUS = 2
"""Of its two 3x3 convolutions, in pixels of the branch."""


def geometry(description: NetworkDescription) -> Geometry:
    """The halo over all branches and the ways between them, and the coarsest branch's stride as alignment."""
    period = description.strides[-1]
    stem = View.of_blocks(description.stride, period=period).convolved(description.stem.blocks)
    views = [stem.convolved(1)]
    opened = stem
    for stage in description.stages:
        views.append(_halved(opened))
        for module in stage:
            views = _behind(module, views)
        opened = views[-1]
    return Geometry(halo=_fused(views, 0).halo, alignment=period)


def _behind(module: Module, views: Sequence[View]) -> list[View]:
    if module == "parallel":
        return [view.convolved(PARALLEL_RADIUS) for view in views]
    return [_fused(views, branch) for branch in range(len(views))]


def _fused(views: Sequence[View], branch: int) -> View:
    """What a branch sees that has received all branches."""
    received: list[View] = []
    for source, view in enumerate(views):
        for _ in range(branch - source):
            view = _halved(view)
        received.append(view.resampled(views[branch].stride))
    return joined(received)


def _halved(view: View) -> View:
    """Behind a 3x3 convolution of stride 2."""
    return view.strided(1, 2)
