"""Retrain a compact network from scratch on clean images: the loop."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ...errors import UserError
from ...network_input import NetworkInput
from ..images.training_images import PatchSource
from ..learning.device import autocast
from ..learning.distributed import Ranks
from ..learning.losses import denoising_loss
from ..learning.metrics import ValidationScore, validate
from ..tasks.interface import Task
from .run_times import RunTimes, num_planned, rate_factor
from .teacher import Teacher
from .training_settings import TrainingSettings
from .training_state import HistoryRow, TrainingState, check_finite


def train(
    state: TrainingState,
    settings: TrainingSettings,
    *,
    patches: PatchSource,
    validation_images: Sequence[np.ndarray],
    task: Task,
    network_input: NetworkInput,
    teacher: Teacher | None = None,
    compiled: bool,
    ranks: Ranks,
    max_seconds: float,
    save: Callable[[], None],
    save_every_seconds: float,
    report: Callable[[TrainingState, float, ValidationScore | None], None],
    step_done: Callable[[int | None], None] = lambda num_planned: None,
    after_step: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run iterations until `settings.iterations` or `max_seconds` of this run, whichever comes first.

    Without `settings.iterations` the learning rate follows the time, and `max_seconds` must be finite. Without
    validation images nothing is scored. `save` is called every `save_every_seconds` and at the end; `report` at every
    history row, and with a loss of the last iteration in between; `step_done` after every iteration, with how many are
    planned, None as long as that is not known; `after_step` last of all, when the state is whole; `clock` gives
    seconds. Raises FloatingPointError when the loss or a weight is no longer finite: at the next history row, or before
    that instead of `save`, so that the last checkpoint is from before.
    """
    assert settings.iterations is not None or max_seconds < math.inf, "a training without an end"
    device = patches.pixels.device
    together = _together(state.network, ranks, device)
    forward = torch.compile(together, mode="reduce-overhead") if compiled else together
    started = last_saved = last_time = clock()
    first_iteration, times = state.iteration, RunTimes(earlier=state.seconds, limit=max_seconds)
    state.network.train()
    while settings.iterations is None or state.iteration < settings.iterations:
        factor = rate_factor(settings, state.iteration, times)
        for optimizer in state.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
        state.losses.append(_step(state, settings, forward, patches, task, network_input, teacher, ranks).detach())
        state.iteration += 1
        now = clock()
        state.seconds += now - last_time
        last_time = now
        if max_seconds < math.inf:
            elapsed = ranks.agreed(now - started)
            times = replace(times, elapsed=elapsed)
            if state.iteration == first_iteration + 1:
                times = replace(times, start_up=elapsed)
        out_of_time = times.elapsed >= max_seconds
        finished = out_of_time or state.iteration == settings.iterations
        step_done(num_planned(settings, state.iteration, state.iteration - first_iteration, times))
        if finished or state.iteration % settings.log_every == 0:
            loss = ranks.mean(torch.stack(state.losses).mean()).item()
            state.losses.clear()
            if not math.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss} at iteration {state.iteration}")
            check_finite(state)
            score = None
            if validation_images and (finished or state.iteration % settings.validation_every == 0):
                score = validate(
                    state.average,
                    validation_images,
                    task=task,
                    network_input=network_input,
                    device=device,
                )
            state.history.append(
                HistoryRow(
                    iteration=state.iteration,
                    seconds=round(state.seconds, 1),
                    learning_rate=settings.learning_rate * factor,
                    loss=loss,
                    psnr_db=score.psnr_db if score else None,
                    ssim=score.ssim if score else None,
                )
            )
            report(state, loss, score)
        if ranks.is_first and (finished or now - last_saved >= save_every_seconds):
            check_finite(state)
            save()
            last_saved = now
        after_step()
        if out_of_time:
            break


def _together(network: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """The network, its gradients averaged over all processes as they come."""
    if ranks.count == 1:
        return network
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        if device.type != "cuda":
            raise UserError(
                "torch synchronises batch norm on CUDA only; on the CPU train without torchrun, or a genotype with "
                "normalisation none"
            )
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)


def _step(
    state: TrainingState,
    settings: TrainingSettings,
    forward: Callable[..., Tensor],
    patches: PatchSource,
    task: Task,
    network_input: NetworkInput,
    teacher: Teacher | None,
    ranks: Ranks,
) -> Tensor:
    pairs = task.drawn(patches.draw(settings.batch, settings.crop, state.generator), state.generator)
    degraded, clean = ranks.share(pairs.degraded_BCHW), ranks.share(pairs.clean_BCHW)
    level = None if pairs.level_B is None else ranks.share(pairs.level_B)
    given = [degraded]
    if network_input.conditioned:
        assert level is not None, f"the task {task.name} tells no strength"
        given.append(level)
    with autocast(clean.device, settings.precision):
        output = forward(*given)
        wanted = clean
        if teacher is not None:
            turns = _turns(state.generator) if task.same_when_turned else 0
            wanted = teacher.lesson(clean, degraded, level, turns=turns)
    loss = denoising_loss(
        output.float(),
        wanted,
        pixel=settings.pixel_loss,
        ssim_weight=settings.ssim_weight,
        level_B=level,
        mean_of_batch=ranks.mean,
    )
    for optimizer in state.optimizers:
        optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.network.parameters(), settings.gradient_clip)
    for optimizer in state.optimizers:
        optimizer.step()
    _follow(state.average, state.network, decay=min(settings.ema_decay, (1 + state.iteration) / (10 + state.iteration)))
    return loss


def _turns(generator: torch.Generator) -> int:
    return int(torch.randint(4, (), generator=generator, device=generator.device))


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, *, decay: float) -> None:
    """Move the averaged weights towards the network's; running statistics of norms are copied."""
    for kept, current in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(current, 1 - decay)
    for kept, current in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(current)
