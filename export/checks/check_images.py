"""Real images, degraded in the same way on every run, to hold a precision's output to fp32's."""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...network_input import NetworkInput
from ...search.images.image_folder import evenly_chosen, files_of, is_image_file, read_clean
from ...search.tasks.interface import Case, Example, Task

MOST_IMAGES = 20
LARGEST_SIDE = 256
"""Pixels; larger images are cut to their middle."""
SMALLEST_SIDE = 64
"""Pixels; the tests' usual images have five times as many, SSIM needs 11."""


@dataclass(frozen=True, kw_only=True)
class CheckImage:
    """One image under one of the task's cases."""

    image: str
    """The file's name without folder."""
    case: Case
    example: Example
    """What the model is given, and what it should make of it."""


def check_images(source: str, *, task: Task, given: NetworkInput) -> list[CheckImage]:
    """At most 20 images of a folder, a file or a glob, evenly chosen by name, under each case of the task.

    Raises UserError where no image can be used; one that cannot is named on stderr.
    """
    files = [file for file in files_of(source) if is_image_file(file)]
    if not files:
        raise UserError(f"--check {source}: no images there; give a folder, a file or a 'glob' of clean images")
    found: list[CheckImage] = []
    problems: list[str] = []
    unit = given.picture_multiple
    for number, path in enumerate(evenly_chosen(files, MOST_IMAGES)):
        try:
            pixels = read_clean(path, channels=given.picture_channels, smallest_side=max(SMALLEST_SIDE, unit))
        except UserError as error:
            problems.append(str(error))
            continue
        clean = (_middle(pixels, unit).transpose(2, 0, 1)[None] / 255).astype(np.float32)
        for case in task.checked_cases:
            example = task.checked_example(clean, case, number=number)
            found.append(CheckImage(image=path.name, case=case, example=example))
    if not found:
        raise UserError(f"--check {source}: no usable image ({problems[0]})")
    for problem in problems:
        print(f"--check: {problem}, skipped", file=sys.stderr)
    return found


def _middle(pixels_HWC: NDArray[np.uint8], unit: int) -> NDArray[np.uint8]:
    sides = [min(side, LARGEST_SIDE) // unit * unit for side in pixels_HWC.shape[:2]]
    top, left = ((whole - side) // 2 for whole, side in zip(pixels_HWC.shape[:2], sides, strict=True))
    return pixels_HWC[top : top + sides[0], left : left + sides[1]]
