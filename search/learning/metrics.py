"""How well a network does on whole images during training: PSNR and SSIM, mean over images and a task's cases."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...network_input import NetworkInput
from ..tasks.interface import Task
from .losses import SSIM_WINDOW, ssim


@dataclass(frozen=True, kw_only=True)
class ValidationScore:
    """Means over images and cases: PSNR in dB and SSIM, the output clipped to 0..1 and not rounded."""

    psnr_db: float
    ssim: float
    psnr_db_by_case: dict[str, float]


def psnr_db(output: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images in 0..1."""
    error = torch.mean((output - clean) ** 2).item()
    return math.inf if error == 0 else -10 * math.log10(error)


def smallest_scored_side(task: Task, network_input: NetworkInput) -> int:
    """Pixels of a clean picture's smaller side from which on `validate` can score it.

    What is compared must hold a window of SSIM: in the network's pixels, and without a border that the task leaves out.
    """
    side = multiple = network_input.picture_multiple
    while _compared_side(task, network_input, side) < SSIM_WINDOW:
        side += multiple
    return side


def _compared_side(task: Task, network_input: NetworkInput, side: int) -> int:
    output_side = side // network_input.picture_scale * network_input.scale
    blank = torch.zeros(1, network_input.channels, output_side, output_side)
    return min(task.compared(blank, blank)[0].shape[2:])


@torch.no_grad()
def validate(
    network: nn.Module,
    images: Sequence[np.ndarray],
    *,
    task: Task,
    network_input: NetworkInput,
    device: torch.device,
) -> ValidationScore:
    """Score a network on clean images (H, W, C) uint8 under each case of its task, degraded alike on every call.

    No side is below `smallest_scored_side`.
    """
    was_training = network.training
    network.eval()
    similarity: list[float] = []
    by_case: dict[str, list[float]] = {case.name: [] for case in task.cases}
    generator = torch.Generator(device=device).manual_seed(0)
    multiple = network_input.picture_multiple
    for image in images:
        height, width = (side - side % multiple for side in image.shape[:2])
        pixels = torch.from_numpy(image[:height, :width].copy()).to(device)
        clean = pixels.permute(2, 0, 1)[None].float() / 255
        for case in task.cases:
            pairs = task.of_cases(clean, [case], generator)
            given = (pairs.degraded_BCHW, pairs.level_B) if network_input.conditioned else (pairs.degraded_BCHW,)
            output, reference = task.compared(network(*given).float().clamp(0, 1), pairs.clean_BCHW)
            by_case[case.name].append(psnr_db(output, reference))
            similarity.append(ssim(output, reference).item())
    network.train(was_training)
    means = {name: float(np.mean(values)) for name, values in by_case.items()}
    return ValidationScore(
        psnr_db=float(np.mean(list(means.values()))), ssim=float(np.mean(similarity)), psnr_db_by_case=means
    )
