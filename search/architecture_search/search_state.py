"""What a search runs on, and its resumable state."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

import torch
from torch import Tensor

from ..images.training_images import PatchSource
from ..learning.choices import Arithmetic, Method
from ..learning.distributed import Ranks
from ..spaces.interface import SpaceDescription
from ..spaces.schedule import SearchSchedule
from ..spaces.searcher import Phase, Searcher
from ..tasks.interface import Task
from .latency_table import LatencyTable
from .search_history import SearchRow


@dataclass(frozen=True, kw_only=True)
class LatencyGoal:
    """What latency adds to the architecture's loss."""

    table: LatencyTable
    weight: float
    """Loss per e-fold of expected latency: weight * ln(expected ms / 1 ms), or, with a target, only above it."""
    target_ms: float | None = None
    tile: int | None = None
    """Side of the square tiles the network will run in, pixels; None: whole images, where a halo costs nothing."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A network the search has come upon, with its score on V."""

    description: SpaceDescription
    epoch: int
    psnr_db: float
    ssim: float
    latency_ms: float | None
    """Predicted by the latency table."""

    @property
    def score(self) -> float:
        """SSIM + PSNR / 100 (HiNAS v2, section 4.1)."""
        return self.ssim + self.psnr_db / 100


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search runs on; nothing of it changes while it runs."""

    schedule: SearchSchedule
    method: Method
    task: Task
    kernels: PatchSource
    """The split W, for the kernels."""
    architecture: PatchSource
    """The split A, for the architecture."""
    validation: PatchSource
    """The split V, to choose."""
    steps_per_epoch: int
    latency: LatencyGoal | None
    ranks: Ranks


@dataclass(kw_only=True)
class SearchState:
    """What changes while a search runs; a checkpoint holds all of it."""

    searcher: Searcher
    relaxed: Callable[[Tensor, Tensor | None], Tensor]
    """The supernet's forward pass, compiled where that was asked for."""
    phases: tuple[Phase, ...]
    arithmetic: Arithmetic
    generator: torch.Generator
    draw: Random
    epoch: int = 0
    step: int = 0
    """Within the epoch."""
    losses: dict[str, list[Tensor]] = field(default_factory=dict)
    """Of the epoch's steps, by phase."""
    seconds: float = 0.0
    history: list[SearchRow] = field(default_factory=list)
    best: Found | None = None


def new_search(
    searcher: Searcher,
    schedule: SearchSchedule,
    *,
    seed: int,
    device: torch.device,
    arithmetic: Arithmetic = "fp32",
    compiled: bool = False,
) -> SearchState:
    """The state before the first epoch."""
    # Channels-last comes with the patches; the kernels of batched edges have five axes and keep their own layout.
    searcher = searcher.to(device)
    phases = searcher.phases(schedule)
    # Every drawn network would be a graph of its own.
    is_one_graph = schedule.mixture == "softmax"
    relaxed = torch.compile(searcher, mode="reduce-overhead") if compiled and is_one_graph else searcher
    for optimizer in (optimizer for phase in phases for optimizer in phase.optimizers):
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return SearchState(
        searcher=searcher,
        relaxed=relaxed,
        phases=phases,
        arithmetic=arithmetic,
        generator=torch.Generator(device=device).manual_seed(seed),
        draw=Random(seed),
    )


def check_finite(state: SearchState) -> None:
    """Raise FloatingPointError where a loss of the epoch begun, or a weight, is no longer finite.

    Asked before a state is kept and not after every step: on a GPU every look waits for what is still computing.
    """
    for name, losses in state.losses.items():
        loss = torch.stack(losses).mean().item()
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss of the {name} phase is {loss} in epoch {state.epoch + 1}")
    # A step may break the weights although its own loss, which was computed before, is finite.
    finite = torch.stack([parameter.isfinite().all() for parameter in state.searcher.parameters()])
    if not finite.all():
        raise FloatingPointError(f"weights are no longer finite in epoch {state.epoch + 1}")


def search_content(state: SearchState, settings: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """The state as tensors and plain values, for a checkpoint of the search that `identity` and `settings` describe."""
    version, internal, gauss = state.draw.getstate()
    best = state.best
    return {
        "format": "hinas-search",
        "identity": identity,
        "settings": dict(settings),
        "searcher": state.searcher.state_dict(),
        "optimizers": {
            phase.name: [optimizer.state_dict() for optimizer in phase.optimizers] for phase in state.phases
        },
        "generator": state.generator.get_state(),
        "randomness": state.searcher.randomness(),
        "draw": [version, list(internal), gauss],
        "epoch": state.epoch,
        "step": state.step,
        "losses": {name: torch.stack(losses) for name, losses in state.losses.items()},
        "seconds": state.seconds,
        "history": [asdict(row) for row in state.history],
        "best": None
        if best is None
        else {
            "description": best.description.model_dump(mode="json"),
            "epoch": best.epoch,
            "psnr_db": best.psnr_db,
            "ssim": best.ssim,
            "latency_ms": best.latency_ms,
        },
    }


def restore_search(state: SearchState, content: dict[str, Any], described: Callable[[Any], SpaceDescription]) -> None:
    """Put a checkpoint's content into a new state; `described` validates the best network's description."""
    state.searcher.load_state_dict(content["searcher"])
    for phase in state.phases:
        for optimizer, saved in zip(phase.optimizers, content["optimizers"][phase.name], strict=True):
            optimizer.load_state_dict(saved)
    state.generator.set_state(content["generator"].cpu())
    state.searcher.restore_randomness(content["randomness"])
    version, internal, gauss = content["draw"]
    state.draw.setstate((version, tuple(internal), gauss))
    state.epoch = content["epoch"]
    # Checkpoints of earlier versions were written between epochs.
    state.step = content.get("step", 0)
    state.losses = {name: list(losses) for name, losses in content.get("losses", {}).items()}
    state.seconds = content["seconds"]
    state.history = [SearchRow(**row) for row in content["history"]]
    best = content["best"]
    state.best = None if best is None else Found(**{**best, "description": described(best["description"])})
