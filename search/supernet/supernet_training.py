"""Training the shared kernels: largest, smallest and random networks in every step."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from ..images.training_images import PatchSource
from ..learning.choices import Arithmetic
from ..learning.device import autocast
from ..learning.distributed import Ranks
from ..learning.losses import denoising_loss
from ..learning.muon import Muon
from ..spaces.interface import SpaceDescription
from ..spaces.single_path import SinglePathSupernet
from ..spaces.supernet_schedule import SupernetSchedule
from ..tasks.interface import Pairs, Task
from ..training.learning_rate import learning_rate_factor

_GRADIENT_CLIP = 5.0
"""Largest L2 norm of a step's gradient."""


@dataclass(kw_only=True)
class SupernetState:
    """What changes while the kernels learn; a checkpoint holds all of it."""

    supernet: SinglePathSupernet
    optimizers: list[torch.optim.Optimizer]
    generator: torch.Generator
    draw: Random
    iteration: int = 0


def new_state(
    supernet: SinglePathSupernet, schedule: SupernetSchedule, *, seed: int, device: torch.device
) -> SupernetState:
    """The state before the first step."""
    supernet = supernet.to(device)
    kernels = supernet.hidden_kernels()
    chosen = {id(kernel) for kernel in kernels}
    rest = [parameter for parameter in supernet.parameters() if id(parameter) not in chosen]
    rate = schedule.learning_rate
    optimizers: list[torch.optim.Optimizer] = [Muon(kernels, lr=rate), torch.optim.Adam(rest, lr=rate / 2)]
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["initial_lr"] = group["lr"]
    return SupernetState(
        supernet=supernet,
        optimizers=optimizers,
        generator=torch.Generator(device=device).manual_seed(seed),
        draw=Random(seed),
    )


def state_content(state: SupernetState, identity: dict[str, Any]) -> dict[str, Any]:
    """The state as tensors and plain values, for a checkpoint of the search that `identity` describes."""
    version, internal, gauss = state.draw.getstate()
    return {
        "format": "hinas-supernet",
        "identity": identity,
        "supernet": state.supernet.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
        "generator": state.generator.get_state(),
        "draw": [version, list(internal), gauss],
        "iteration": state.iteration,
    }


def restore_state(state: SupernetState, content: dict[str, Any]) -> None:
    """Put a checkpoint's content into a new state of the same search."""
    state.supernet.load_state_dict(content["supernet"])
    for optimizer, saved in zip(state.optimizers, content["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    state.generator.set_state(content["generator"].cpu())
    version, internal, gauss = content["draw"]
    state.draw.setstate((version, tuple(internal), gauss))
    state.iteration = content["iteration"]


def train_supernet(
    state: SupernetState,
    schedule: SupernetSchedule,
    *,
    task: Task,
    patches: PatchSource,
    arithmetic: Arithmetic,
    ranks: Ranks,
    max_seconds: float,
    save: Callable[[], None],
    save_every_seconds: float,
    step_done: Callable[[float], None],
    after_step: Callable[[], None] = lambda: None,
) -> None:
    """Steps until `schedule.iterations`, or until `max_seconds` of this run are over.

    `save` is called every `save_every_seconds` and at the end; `step_done` is told the largest network's loss;
    `after_step` comes last in every step. Raises FloatingPointError where a loss is no longer finite.
    """
    started = saved = time.monotonic()
    state.supernet.train()
    while state.iteration < schedule.iterations:
        factor = learning_rate_factor(
            state.iteration,
            warmup=max(1, schedule.iterations // 20),
            iterations=schedule.iterations,
            schedule="trapezoid",
        )
        for group in (group for optimizer in state.optimizers for group in optimizer.param_groups):
            group["lr"] = group["initial_lr"] * factor
        clean = patches.draw(schedule.batch, schedule.crop, state.generator)
        drawn = task.drawn(clean, state.generator)
        pairs = Pairs(
            ranks.share(drawn.degraded_BCHW),
            ranks.share(drawn.clean_BCHW),
            None if drawn.level_B is None else ranks.share(drawn.level_B),
        )
        loss = _step(state, schedule, pairs, arithmetic, ranks)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at iteration {state.iteration + 1}")
        state.iteration += 1
        step_done(loss)
        now = time.monotonic()
        out_of_time = max_seconds < math.inf and ranks.agreed(now - started >= max_seconds)
        if out_of_time or state.iteration == schedule.iterations or now - saved >= save_every_seconds:
            save()
            saved = now
        after_step()
        if out_of_time:
            break


def _step(
    state: SupernetState, schedule: SupernetSchedule, pairs: Pairs, arithmetic: Arithmetic, ranks: Ranks
) -> float:
    """Gradients of all paths together, then a step; returns the largest network's loss."""
    for optimizer in state.optimizers:
        optimizer.zero_grad(set_to_none=True)
    largest = _output(state, pairs, state.supernet.largest(state.draw), arithmetic)
    loss = _loss(largest, pairs.clean_BCHW, pairs.level_B, schedule)
    loss.backward()
    teacher = largest.detach()
    smaller = [state.supernet.smallest(state.draw)]
    smaller += [state.supernet.random_description(state.draw) for _ in range(schedule.random_paths)]
    for description in smaller:
        output = _output(state, pairs, description, arithmetic)
        losses = [_loss(output, wanted, pairs.level_B, schedule) for wanted in (pairs.clean_BCHW, teacher)]
        torch.stack(losses).mean().backward()
    ranks.average_gradients(list(state.supernet.parameters()))
    nn.utils.clip_grad_norm_(state.supernet.parameters(), _GRADIENT_CLIP)
    for optimizer in state.optimizers:
        optimizer.step()
    return ranks.mean(loss.detach()).item()


def _output(state: SupernetState, pairs: Pairs, description: SpaceDescription, arithmetic: Arithmetic) -> Tensor:
    level = pairs.level_B if state.supernet.conditioned else None
    with autocast(pairs.degraded_BCHW.device, arithmetic):
        return state.supernet(pairs.degraded_BCHW, level, description).float()


def _loss(output: Tensor, wanted: Tensor, level_B: Tensor | None, schedule: SupernetSchedule) -> Tensor:
    return denoising_loss(output, wanted, pixel=schedule.pixel_loss, ssim_weight=0.0, level_B=level_B)
