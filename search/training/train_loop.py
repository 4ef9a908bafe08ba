"""Retrain a compact network from scratch on clean images: the loop and its resumable state."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import Any

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
from .learning_rate import learning_rate_factor, learning_rate_factor_at
from .optimizers import is_of_the_same_weights, optimizers_of
from .teacher import Teacher
from .training_settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One line of history.csv: training loss since the last line, and the validation score where there was one."""

    iteration: int
    seconds: float
    learning_rate: float
    loss: float
    psnr_db: float | None = None
    ssim: float | None = None


@dataclass(kw_only=True)
class TrainingState:
    """What changes while a network trains; a checkpoint holds all of it."""

    network: nn.Module
    average: nn.Module
    optimizers: list[torch.optim.Optimizer]
    generator: torch.Generator
    iteration: int = 0
    losses: list[Tensor] = field(default_factory=list)
    """Of the iterations since the last line of the history."""
    seconds: float = 0.0
    history: list[HistoryRow] = field(default_factory=list)
    started_from: dict[str, Any] | None = None
    """The record of the training whose weights this one began with."""


def new_state(network: nn.Module, settings: TrainingSettings, *, device: torch.device) -> TrainingState:
    """The state before the first iteration."""
    network = network.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    average = deepcopy(network).requires_grad_(False)
    return TrainingState(
        network=network,
        average=average,
        optimizers=optimizers_of(network, settings),
        generator=torch.Generator(device=device).manual_seed(settings.seed),
    )


def state_content(state: TrainingState, settings: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """The state as tensors and plain values, for a checkpoint of the genotype `identity`, trained under `settings`."""
    return {
        "format": "hinas-training",
        "genotype": identity,
        "settings": dict(settings),
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
        "generator": state.generator.get_state(),
        "iteration": state.iteration,
        "losses": torch.stack(state.losses) if state.losses else torch.empty(0),
        "seconds": state.seconds,
        "history": [asdict(row) for row in state.history],
        "started_from": state.started_from,
    }


def restore_state(state: TrainingState, content: dict[str, Any]) -> None:
    """Put a checkpoint's content into a new state of the same network and optimizer.

    UserError where an earlier version of hinas chose other weights for an optimizer.
    """
    if not all(map(is_of_the_same_weights, state.optimizers, content["optimizers"])):
        raise UserError(
            "the checkpoint is of an earlier version of hinas, which trained other convolutions with Muon; begin anew "
            "with another --out, hinas-train with the weights as --start-from"
        )
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    for optimizer, saved in zip(state.optimizers, content["optimizers"], strict=True):
        # These are the new run's: a person may lower the peak learning rate where a training has stalled.
        asked = [{name: group[name] for name in ("initial_lr", "weight_decay")} for group in optimizer.param_groups]
        optimizer.load_state_dict(saved)
        for group, settings in zip(optimizer.param_groups, asked, strict=True):
            group.update(settings)
    state.generator.set_state(content["generator"].cpu())
    state.iteration = content["iteration"]
    # Checkpoints of earlier versions leave them out.
    state.losses = list(content.get("losses", ()))
    state.seconds = content["seconds"]
    state.history = [HistoryRow(**row) for row in content["history"]]
    state.started_from = content.get("started_from")


def check_finite(state: TrainingState) -> None:
    """FloatingPointError where a loss since the last line of the history, or a weight, is no longer finite.

    It waits for the device: it is for what is about to be kept or scored, not for every step.
    """
    if state.losses:
        loss = torch.stack(state.losses).mean().item()
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at iteration {state.iteration}")
    # A gradient may overflow under a loss that does not.
    if not torch.stack([weight.isfinite().all() for weight in state.network.parameters()]).all():
        raise FloatingPointError(f"a weight is infinite or not a number at iteration {state.iteration}")


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
    first_iteration, times = state.iteration, _RunTimes(earlier=state.seconds, limit=max_seconds)
    state.network.train()
    while settings.iterations is None or state.iteration < settings.iterations:
        factor = _rate_factor(settings, state.iteration, times)
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
        step_done(_num_planned(settings, state.iteration, state.iteration - first_iteration, times))
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


@dataclass(frozen=True, kw_only=True)
class _RunTimes:
    """The time of a run in seconds, the same in all processes."""

    earlier: float
    """Of the runs that this one goes on with."""
    limit: float
    elapsed: float = 0.0
    start_up: float = 0.0
    """Of the first iteration. It may compile, which would take the warm-up's time."""


def _rate_factor(settings: TrainingSettings, iteration: int, times: _RunTimes) -> float:
    if settings.iterations is not None:
        return learning_rate_factor(
            iteration, warmup=settings.warmup, iterations=settings.iterations, schedule=settings.schedule
        )
    before = times.earlier - times.start_up
    return learning_rate_factor_at(
        before + times.elapsed,
        iteration=iteration,
        warmup=settings.warmup,
        end_seconds=before + times.limit,
        schedule=settings.schedule,
    )


def _num_planned(settings: TrainingSettings, iteration: int, num_run: int, times: _RunTimes) -> int | None:
    """How many iterations there will be, after `num_run` of this run; None as long as their pace is not known."""
    if settings.iterations is not None:
        return settings.iterations
    measured = times.elapsed - times.start_up
    if num_run < 2 or measured <= 0:
        return None
    return iteration + round(max(0.0, times.limit - times.elapsed) * (num_run - 1) / measured)


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
