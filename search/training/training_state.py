"""What changes while a network trains, and how a checkpoint keeps it."""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UserError
from .optimizers import is_of_the_same_weights, optimizers_of
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
