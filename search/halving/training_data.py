"""What all candidates of a search are trained and scored on."""

import sys

import numpy as np
import torch

from ..architecture_search.drawn_levels import options_for_training
from ..architecture_search.search_request import SearchRequest
from ..images.image_folder import load_images
from ..images.splits import split_images
from ..images.training_images import PatchSource
from ..learning.device import chosen_precision
from ..learning.losses import check_pixel_loss
from ..spaces.halving_schedule import HalvingSchedule
from ..tasks.registry import configured_task
from ..winograd.choice import chosen_transforms
from .candidate_training import Trainer


def trainer_of(
    request: SearchRequest, schedule: HalvingSchedule, device: torch.device, *, largest_crop: int
) -> Trainer:
    """Patches of all images but those of V, and the middle of each of V's. Warnings of the images are printed.

    Images smaller than `largest_crop`, the side of the largest patches that the search draws, are left out.
    """
    described = request.space.task
    loaded = load_images(
        request.images, channels=described.network_input().picture_channels, smallest_side=largest_crop
    )
    if not request.quiet:
        for warning in loaded.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    kernels, architecture, validation = split_images(loaded.images, seed=request.seed)
    options = options_for_training(request.space, request.task)
    task = configured_task(described.name, options)
    check_pixel_loss(schedule.pixel_loss, task.level_range)
    training = (*kernels, *architecture) if len(loaded.images) >= 3 else kernels
    arithmetic = chosen_precision(request.computing.precision, device)
    return Trainer(
        schedule=schedule,
        task=task,
        patches=PatchSource(training, device=device),
        validation_images=[_middle(image, schedule.validation_side) for image in validation],
        device=device,
        arithmetic=arithmetic,
        compiled=request.computing.compiles_on(device.type),
        transforms=chosen_transforms(request.computing, device, arithmetic),
        seed=request.seed,
        images=len(training),
    )


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]
