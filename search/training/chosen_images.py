"""Which images a training learns from, and which it is scored on."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...network_input import NetworkInput
from ..images.image_folder import load_images
from ..learning.metrics import smallest_scored_side
from ..tasks.interface import Task
from .given_pairs import load_pairs
from .train_request import TrainRequest


@dataclass(frozen=True, kw_only=True)
class ChosenImages:
    """Each (H, W, C) uint8; of given pairs the clean channels come first, then the degraded ones."""

    training: Sequence[np.ndarray]
    """At least as large as a patch."""
    validation: Sequence[np.ndarray]
    """Large enough to be scored; never empty."""


def chosen_images(request: TrainRequest, task: Task, network_input: NetworkInput) -> ChosenImages:
    """The images of a request. Files that are passed over are named on stderr; UserError where nothing is left."""
    channels, smallest_side = network_input.picture_channels, request.settings.crop
    scored_side = smallest_scored_side(task, network_input)
    if request.degraded is not None:
        pairs = load_pairs(request.images, request.degraded, channels=channels, smallest_side=smallest_side)
        return _with_held_out(pairs.images, request.images, scored_side=scored_side)
    loaded = load_images(request.images, channels=channels, smallest_side=smallest_side)
    warnings = list(loaded.warnings)
    if request.validation is None:
        images = _with_held_out(loaded.images, request.images, scored_side=scored_side)
    else:
        validation = load_images(request.validation, channels=channels, smallest_side=scored_side)
        warnings += validation.warnings
        images = ChosenImages(training=loaded.images, validation=validation.images)
    if not request.quiet:
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
    return images


def _with_held_out(images: Sequence[np.ndarray], source: Path, *, scored_side: int) -> ChosenImages:
    """Of those large enough every 50th validates (2 %, as the papers' V); with under 10 images the first does both."""
    large = [index for index, image in enumerate(images) if min(image.shape[:2]) >= scored_side]
    if not large:
        raise UserError(
            f"{source}: no image is large enough to be scored, expected sides of {scored_side} pixels; add a larger one"
        )
    if len(images) < 10:
        return ChosenImages(training=images, validation=(images[large[0]],))
    held = set(large[25 % len(large) :: 50])
    return ChosenImages(
        training=tuple(image for index, image in enumerate(images) if index not in held),
        validation=tuple(images[index] for index in sorted(held)),
    )
