"""Between PyAV's frames and planes as arrays."""

from typing import Any

import numpy as np

from ...errors import UserError
from .film import ColourTags, Frame
from .frame_layout import FrameLayout
from .frame_pixels import Plane
from .library import av_library

_OTHER_RGB_ORDERS = {"gbrp": ("bgr0", "bgra", "rgb24"), "gbrap": ("bgra",)}
"""Formats that hold the values of planar RGB in another order."""


def planes_of(frame: Any, layout: FrameLayout) -> tuple[Plane, ...]:
    """Copies of a decoded frame's planes. Raises UserError where its size is not that of the frames before."""
    if (frame.width, frame.height) != (layout.width, layout.height):
        raise UserError(
            f"the size of its pictures changes from {layout.width}x{layout.height} to {frame.width}x{frame.height}; "
            "cut the film there first"
        )
    if frame.format.name.replace("yuvj", "yuv") != layout.format:
        frame = frame.reformat(format=layout.format)
    planes: list[Plane] = []
    for index, plane in enumerate(frame.planes):
        rows, columns = layout.plane_shape(index)
        levels = np.frombuffer(plane, layout.dtype).reshape(plane.height, -1)
        planes.append(levels[:rows, :columns].copy())
    return tuple(planes)


def formats_that_hold(layout: FrameLayout) -> tuple[str, ...]:
    """FFmpeg's pixel formats that hold the layout's values unchanged, the most fitting first."""
    match layout.kind:
        case "grey":
            # With colour planes that hold no colour.
            return (layout.format, layout.format.replace("gray", "yuv420p"))
        case "rgb":
            return (layout.format, *_OTHER_RGB_ORDERS.get(layout.format, ()))
        case "yuv":
            return (layout.format,)


def frame_from(frame: Frame, layout: FrameLayout, tags: ColourTags, format: str) -> Any:
    """PyAV's frame in a `format` that holds the layout (`formats_that_hold`)."""
    av = av_library()
    target = layout.format if format in _OTHER_RGB_ORDERS.get(layout.format, ()) else format
    made = av.VideoFrame(layout.width, layout.height, target)
    for index, plane in enumerate(made.planes):
        levels = np.frombuffer(plane, layout.dtype).reshape(plane.height, -1)
        if index < len(frame.planes):
            values = frame.planes[index]
            levels[: values.shape[0], : values.shape[1]] = values
        else:
            levels[:] = 2 ** (layout.bits - 1)
    if target != format:
        made = made.reformat(format=format)
    made.color_primaries, made.color_trc = tags.primaries, tags.transfer
    made.colorspace, made.color_range = tags.matrix, tags.range
    made.pts, made.duration = frame.time, frame.duration
    return made
