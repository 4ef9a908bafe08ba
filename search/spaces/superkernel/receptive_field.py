"""How far an output pixel of a superkernel network sees, from the description alone: the halo and the alignment."""

from ..interface import Geometry
from ..view import View, joined
from .layout import Level, Subnetwork, layout
from .space import NetworkDescription


def geometry(description: NetworkDescription) -> Geometry:
    """The halo over all levels, and the coarsest stride as alignment.

    Channel attention sees the whole image: the halo of a multi-attentional net is that of its convolutions alone.
    """
    image = View.of_blocks(description.stride, period=description.period)
    subnetworks = layout(description, channels=1).subnetworks
    seen = joined(_seen_by(subnetwork, image) for subnetwork in subnetworks)
    return Geometry(
        halo=seen.convolved(1).halo,
        alignment=description.period,
        tiling="exact" if description.base == "skipinit" else "approximate",
    )


def _seen_by(subnetwork: Subnetwork, image: View) -> View:
    exits: list[View] = []
    view = image
    for level in subnetwork.descent:
        # 2x2 convolutions lead down, 3x3 ones begin a level.
        view = _behind(level, view.resampled(level.stride).convolved(1))
        exits.append(view)
    for level, skip in zip(subnetwork.ascent, reversed(exits[:-1]), strict=True):
        view = _behind(level, joined([view.resampled(level.stride), skip]))
    return view


def _behind(level: Level, view: View) -> View:
    """Behind a level's blocks: the three convolutions one after the other see furthest."""
    return view.convolved(sum(block.first.kernel // 2 + block.second.kernel // 2 + 1 for block in level.blocks))
