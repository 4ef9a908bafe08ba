"""Planes of a film's frame to pixels for a network, and the network's change back into the planes.

Colours stay exact because only the change goes back: what a network leaves alone keeps its levels bit for bit, however
the colours are sampled and whatever matrix and range the film has. Nothing is rounded in between.

Shapes: planes as `FrameLayout` says; pixels (H, W) or (H, W, 3) float32, black 0 and white 1, not clipped.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frame_layout import FrameLayout

Plane = NDArray[Any]
Pixels = NDArray[np.float32]


def pixels_from(planes: tuple[Plane, ...], layout: FrameLayout) -> Pixels:
    """What the network is given: grey, or RGB with every colour value repeated for the pixels that share it."""
    if not layout.is_colour:
        return _luma(planes[0], layout)
    if layout.kind == "rgb":
        green, blue, red = (plane.astype(np.float32) / np.float32(layout.white) for plane in planes[:3])
        return np.stack([red, green, blue], axis=-1)
    luma = _luma(planes[0], layout)
    blueness, redness = (_whole_size(_colour(plane, layout), layout) for plane in planes[1:3])
    red_weight, blue_weight = layout.luma_weights
    green_weight = 1 - red_weight - blue_weight
    pixels = np.empty((*luma.shape, 3), np.float32)
    redness *= np.float32(2 * (1 - red_weight))
    blueness *= np.float32(2 * (1 - blue_weight))
    np.add(luma, redness, out=pixels[:, :, 0])
    np.add(luma, blueness, out=pixels[:, :, 2])
    redness *= np.float32(red_weight / green_weight)
    blueness *= np.float32(blue_weight / green_weight)
    redness += blueness
    np.subtract(luma, redness, out=pixels[:, :, 1])
    return pixels


def changed_planes(planes: tuple[Plane, ...], change: Pixels, layout: FrameLayout) -> tuple[Plane, ...]:
    """`planes` plus a change of their pixels, rounded and kept within the levels there are."""
    rest = planes[layout.num_changed :]
    if not layout.is_colour:
        return (_added(planes[0], change, _luma_step(layout), layout), *rest)
    if layout.kind == "rgb":
        by_plane = (change[:, :, 1], change[:, :, 2], change[:, :, 0])
        return (
            *(_added(plane, part, layout.white, layout) for plane, part in zip(planes, by_plane, strict=False)),
            *rest,
        )
    red_weight, blue_weight = layout.luma_weights
    weights = np.array([red_weight, 1 - red_weight - blue_weight, blue_weight], np.float32)
    luma: Pixels = np.matmul(change, weights, dtype=np.float32)
    blueness = _shared(change[:, :, 2] - luma, layout) / np.float32(2 * (1 - blue_weight))
    redness = _shared(change[:, :, 0] - luma, layout) / np.float32(2 * (1 - red_weight))
    step = _colour_step(layout)
    return (
        _added(planes[0], luma, _luma_step(layout), layout),
        _added(planes[1], blueness, step, layout),
        _added(planes[2], redness, step, layout),
        *rest,
    )


def is_without_colour(planes: tuple[Plane, ...], layout: FrameLayout) -> bool:
    """Whether a frame with colour planes is grey in every pixel, as old films are."""
    return layout.kind == "yuv" and all(bool((plane == 2 ** (layout.bits - 1)).all()) for plane in planes[1:3])


def _luma_step(layout: FrameLayout) -> float:
    """Levels from black to white."""
    return layout.white if layout.is_full_range else 219 * 2 ** (layout.bits - 8)


def _colour_step(layout: FrameLayout) -> float:
    """Levels from the least to the most blue or red."""
    return layout.white if layout.is_full_range else 224 * 2 ** (layout.bits - 8)


def _luma(plane: Plane, layout: FrameLayout) -> Pixels:
    black = 0 if layout.is_full_range else 16 * 2 ** (layout.bits - 8)
    values = plane.astype(np.float32)
    values -= np.float32(black)
    values *= np.float32(1 / _luma_step(layout))
    return values


def _colour(plane: Plane, layout: FrameLayout) -> Pixels:
    values = plane.astype(np.float32)
    values -= np.float32(2 ** (layout.bits - 1))
    values *= np.float32(1 / _colour_step(layout))
    return values


def _whole_size(plane: Pixels, layout: FrameLayout) -> Pixels:
    across, down = (2**shift for shift in layout.shifts)
    return plane.repeat(down, axis=0).repeat(across, axis=1)[: layout.height, : layout.width]


def _shared(values: Pixels, layout: FrameLayout) -> Pixels:
    """The mean of the pixels that share one colour value."""
    for axis, shift in ((1, layout.shifts[0]), (0, layout.shifts[1])):
        if shift == 0:
            continue
        if values.shape[axis] % 2:
            # The last value belongs to one pixel alone.
            values = np.concatenate([values, values[-1:] if axis == 0 else values[:, -1:]], axis=axis)
        pairs = values.reshape(-1, 2, values.shape[1]) if axis == 0 else values.reshape(values.shape[0], -1, 2)
        values = pairs.mean(axis=1 if axis == 0 else 2, dtype=np.float32)
    return values


def _added(plane: Plane, change: Pixels, step: float, layout: FrameLayout) -> Plane:
    levels = change * np.float32(step)
    levels += plane
    np.rint(levels, out=levels)
    return np.clip(levels, 0, layout.white, out=levels).astype(layout.dtype)
