"""A film's frames through three stages, of which the network is one.

While the model computes, the next frames are decoded and the last ones compressed and written.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from ...amount import Amount
from ...backends.backend import Listener
from ...films.film import Frame
from ...films.frame_pixels import Pixels, changed_planes, pixels_from
from ...films.parts.parts_compressor import PartsCompressor
from ...films.steady_frames import SteadyFrames
from ..pipeline import Limits, Stages, overlapped
from .loaded_film import LoadedFilm
from .reading_ahead import read_ahead

_UNDER_WAY = 4
"""Frames decoded ahead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A frame ready for the model."""

    frame: Frame
    pixels: Pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Clean:
    """A frame that went through the model."""

    frame: Frame
    pixels: Pixels
    clean: Pixels
    """What the model makes of them."""


FrameStages = Stages[Frame, Ready, Clean, None]


def frame_stages(loaded: LoadedFilm, amount: Amount, compressor: PartsCompressor, listener: Listener) -> FrameStages:
    """What is done to every frame of a film. `listener` is told what the model meets."""
    layout = loaded.film.layout
    steady = None if loaded.steady_sigma is None else SteadyFrames(loaded.steady_sigma)

    def load(frame: Frame) -> Ready:
        return Ready(frame=frame, pixels=pixels_from(frame.planes, layout))

    def denoise(ready: Ready) -> Clean:
        clean = loaded.denoiser(
            ready.pixels,
            loaded.level.sigma,  # already times what a strength above 1 multiplies it by
            strength=amount.share,
            chroma=amount.chroma,
            listener=listener,
        )
        return Clean(frame=ready.frame, pixels=ready.pixels, clean=clean)

    def write(clean: Clean) -> None:
        frame = clean.frame
        result = clean.clean if steady is None else steady(clean.clean)
        if frame.number >= compressor.first:
            compressor.write(replace(frame, planes=changed_planes(frame.planes, result - clean.pixels, layout)))

    return Stages(load=load, work=denoise, store=write, cost=lambda _: 1)


def frame_by_frame(frames: Iterator[Frame], stages: FrameStages) -> Generator[int, None, None]:
    """Takes frames through the stages, and gives the number of each that has ended."""
    with closing(read_ahead(frames, _UNDER_WAY)) as coming:
        # One thread each: frames are decoded and compressed in their order.
        limits = Limits(num_loading=1, num_storing=1, capacity=_UNDER_WAY)
        with closing(overlapped(coming, stages, limits, failures=())) as outcomes:
            for outcome in outcomes:
                yield outcome.job.number
