"""What of a training's request cannot be: found before anything is read or written."""

import math

from ...errors import UserError
from ...network_input import NetworkInput
from ..learning.losses import SSIM_WINDOW
from ..tasks.interface import Task
from .train_request import TrainRequest


def check_request(request: TrainRequest, task: Task, network_input: NetworkInput) -> None:
    """UserError where options do not go with each other, with the network or with its task."""
    if request.degraded is not None:
        if request.validation is not None:
            raise UserError("--validation: of pairs every 50th is held out; leave it out")
        if request.task.quantised_share is not None:
            raise UserError("--quantised-share: given pairs are taken as they are stored; leave it out")
        if network_input.picture_scale != 1:
            raise UserError(f"--degraded: pairs for {task.name} are always simulated; leave it out")
    if request.resume and request.start_from is not None:
        raise UserError("--resume goes on from the checkpoint in --out, --start-from begins anew: give one of them")
    if request.warm_start is not None and (request.resume or request.start_from is not None):
        raise UserError("--warm-start begins with another network's weights: give neither --resume nor --start-from")
    if request.teacher_share is not None:
        if request.teacher is None:
            raise UserError("--teacher-share: there is no --teacher; give one, or leave it out")
        if not 0 < request.teacher_share <= 1:
            raise UserError(f"--teacher-share: got {request.teacher_share:g}, expected more than 0 and at most 1")
    rate, decay = request.settings.learning_rate, request.settings.weight_decay
    if rate == math.inf:
        raise UserError("--learning-rate: got inf, expected a finite number")
    if rate * decay >= 1:
        raise UserError(
            f"--weight-decay: got {decay:g}, which at a learning rate of {rate:g} leaves nothing of the weights; "
            f"expected less than {1 / rate:g}"
        )
    multiple = network_input.picture_multiple
    if request.settings.crop % multiple:
        raise UserError(f"--crop: got {request.settings.crop}, expected a multiple of {multiple}, the network's stride")
    _check_ssim(request, network_input)
    _check_levels(request, task, network_input)


def _check_ssim(request: TrainRequest, network_input: NetworkInput) -> None:
    """UserError where patches are smaller than the window of the loss's SSIM."""
    crop, multiple = request.settings.crop, network_input.picture_multiple
    side = crop // network_input.picture_scale * network_input.scale
    if request.settings.ssim_weight > 0 and side < SSIM_WINDOW:
        smallest = math.ceil(SSIM_WINDOW * crop / side / multiple) * multiple
        raise UserError(
            f"--crop: got {crop}, of which a network makes {side}x{side}, but the loss's SSIM needs "
            f"{SSIM_WINDOW}x{SSIM_WINDOW}; expected at least {smallest}, or --ssim-weight 0"
        )


def _check_levels(request: TrainRequest, task: Task, network_input: NetworkInput) -> None:
    allowed = network_input.level_range
    if task.level_range is None:
        if allowed is not None:
            raise UserError(f"{request.genotype}: conditioned on a strength, but the task {task.name} has none")
        return
    if allowed is None and not task.draws_level_range:
        if request.task.level_range is not None:
            drawn = "given pairs have" if request.degraded is not None else f"the task {task.name} draws"
            raise UserError(
                f"--sigma: {request.genotype} is not conditioned on sigma, and {drawn} noise of any level; leave it out"
            )
        return
    low, high = task.level_range
    if allowed is None and low < high:
        raise UserError(
            f"--sigma: got {low:g}:{high:g}, but {request.genotype} is not conditioned on sigma; give one level"
        )
    if allowed is not None and not (allowed[0] <= low and high <= allowed[1]):
        raise UserError(
            f"--sigma: got {low:g}:{high:g}, but {request.genotype} is conditioned on {allowed[0]:g}:{allowed[1]:g}"
        )
