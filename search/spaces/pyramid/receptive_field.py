"""How far an output pixel of a pyramid network sees, from the description alone: the exact halo and the alignment."""

from ...bicubic import ENLARGEMENT_REACH
from ..interface import Geometry
from ..view import View, joined
from .layout import Run, layout
from .space import NetworkDescription


def geometry(description: NetworkDescription, scale: int = 1) -> Geometry:
    """The halo over all levels and skips, and the coarsest stride as alignment."""
    plan = layout(description, channels=1)
    period = plan.stride * 2 ** (len(description.levels) - 1)
    image = View.of_blocks(plan.stride, period=period)
    early = image.convolved(len(plan.stem) - 1)
    entries, exits = [image], [_behind(early, plan.descent[0][1])]
    for down, run in plan.descent[1:]:
        assert down is not None
        entries.append(exits[-1].resampled(down.stride))
        exits.append(_behind(entries[-1], run))
    view = exits[-1]
    for level, (up, run) in zip(reversed(range(len(plan.ascent))), plan.ascent, strict=True):
        skip = entries[level] if up.leave == "entry" else exits[level]
        view = _behind(joined([view.resampled(up.stride), skip]), run)
    if description.end.kind == "separable":
        view = joined([view, early])
    base = ENLARGEMENT_REACH if description.residual and scale > 1 else 0
    return Geometry(halo=max(view.convolved(len(description.end.channels) + 1).halo, base), alignment=period)


def _behind(view: View, run: Run) -> View:
    """Behind a run's blocks; the state before that chains add sees less than what they convolve."""
    convolutions = 2 if run.kind == "residual" else 1
    return view.convolved(run.count * convolutions * (2 if run.convolution == "5x5" else 1))
