"""What a search writes down after every epoch, and its history.csv."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor

from ...atomic_files import written_whole
from ..learning.losses import PixelLoss
from ..learning.muon import Muon
from ..spaces.interface import SpaceDescription
from ..spaces.supernet_interface import SearchSupernet
from .latency_table import LatencyTable


@dataclass(frozen=True, kw_only=True)
class SearchRow:
    """One epoch: mean losses, the score on V where it was judged, entropies in bits, expected latency in ms."""

    epoch: int
    seconds: float
    kernel_loss: float
    architecture_loss: float | None
    psnr_db: float | None
    ssim: float | None
    entropies: Mapping[str, float]
    latency_ms: float | None


def write_search_history(rows: Sequence[SearchRow], path: Path) -> None:
    """Write one line for each epoch, whole or not at all."""
    names = sorted({name for row in rows for name in row.entropies})
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["epoch", "seconds", "kernel_loss", "architecture_loss", "psnr_db", "ssim"]
            + [f"entropy_{name}_bits" for name in names]
            + ["latency_ms"]
        )
        for row in rows:
            values = [row.epoch, row.seconds, row.kernel_loss, row.architecture_loss, row.psnr_db, row.ssim]
            writer.writerow([*values, *(row.entropies.get(name) for name in names), row.latency_ms])


Method = Literal["gradient", "random"]
"""`gradient` learns the architecture; `random` is RSWS: random networks share kernels, the best of a sample wins."""

KernelOptimizer = Literal["sgd", "adam", "muon"]
"""`sgd` is the paper's (momentum 0.9, weight decay 3e-4); where steps are few `adam` learns faster, `muon` fastest."""


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
class SearchSettings:
    """Everything that decides the result of a search, for one supernet and one set of images. Defaults: the paper's."""

    sigmas: tuple[float, ...] = (30.0, 50.0, 70.0)
    """Noise levels drawn, grey levels 0..255."""
    epochs: int = 100
    batch: int = 8
    crop: int = 64
    """Side of a square patch in pixels."""
    warm_up_epochs: int = 20
    """Epochs in which only kernels learn."""
    validate_from_epoch: int = 61
    kernel_optimizer: KernelOptimizer = "sgd"
    kernel_learning_rate: float = 0.025
    """At first; a cosine takes it down to a 25th."""
    architecture_learning_rate: float = 1e-3
    """Of Adam."""
    architecture_weight_decay: float = 1e-3
    """The paper's. Alpha's gradients are so small that it keeps alpha near 0; 0 lets the search decide more."""
    final_temperature: float = 1.0
    """Of the softmaxes over alpha and beta in the last epoch; from 1 after the warm-up it falls by a constant factor.

    The paper's is 1 throughout. Below it the supernet, and the latency expected of it, come close to the network that
    will be read off it.
    """
    pixel_loss: PixelLoss = "mse"
    ssim_weight: float = 0.6
    gradient_clip: float = 5.0
    method: Method = "gradient"
    samples: int = 30
    """Networks that random search evaluates."""
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"


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


@dataclass(kw_only=True)
class SearchState:
    """What changes while a search runs; a checkpoint holds all of it."""

    supernet: SearchSupernet
    relaxed: Callable[[Tensor, Tensor | None], Tensor]
    """The supernet's forward pass, compiled where that was asked for."""
    kernel_optimizers: list[torch.optim.Optimizer]
    architecture_optimizer: torch.optim.Optimizer
    generator: torch.Generator
    draw: Random
    epoch: int = 0
    seconds: float = 0.0
    history: list[SearchRow] = field(default_factory=list)
    best: Found | None = None


def new_search(
    supernet: SearchSupernet, settings: SearchSettings, *, device: torch.device, compiled: bool
) -> SearchState:
    """The state before the first epoch."""
    # Channels-last comes with the patches; the kernels of batched edges have five axes and keep their own layout.
    supernet = supernet.to(device)
    relaxed = torch.compile(supernet, mode="reduce-overhead") if compiled else supernet
    return SearchState(
        supernet=supernet,
        relaxed=relaxed,
        kernel_optimizers=_kernel_optimizers(supernet, settings),
        architecture_optimizer=torch.optim.Adam(
            supernet.architecture_parameters(),
            lr=settings.architecture_learning_rate,
            weight_decay=settings.architecture_weight_decay,
        ),
        generator=torch.Generator(device=device).manual_seed(settings.seed),
        draw=Random(settings.seed),
    )


def _kernel_optimizers(supernet: SearchSupernet, settings: SearchSettings) -> list[torch.optim.Optimizer]:
    parameters, rate = supernet.kernel_parameters(), settings.kernel_learning_rate
    if settings.kernel_optimizer == "adam":
        optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(parameters, lr=rate)]
    elif settings.kernel_optimizer == "sgd":
        optimizers = [torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=3e-4)]
    else:
        mixing = [parameter for parameter in parameters if parameter.ndim >= 4 and parameter.shape[-3] > 1]
        chosen = {id(parameter) for parameter in mixing}
        rest = [parameter for parameter in parameters if id(parameter) not in chosen]
        # Depthwise kernels and biases get half of Muon's rate, as in the training of compact networks.
        optimizers = [Muon(mixing, lr=rate), torch.optim.Adam(rest, lr=rate / 2)]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


def search_content(state: SearchState, settings: SearchSettings, identity: str) -> dict[str, Any]:
    """The state as tensors and plain values, for a checkpoint of the search `identity` names."""
    version, internal, gauss = state.draw.getstate()
    best = state.best
    return {
        "format": "hinas-search",
        "identity": identity,
        "settings": asdict(settings),
        "supernet": state.supernet.state_dict(),
        "kernel_optimizers": [optimizer.state_dict() for optimizer in state.kernel_optimizers],
        "architecture_optimizer": state.architecture_optimizer.state_dict(),
        "generator": state.generator.get_state(),
        "draw": [version, list(internal), gauss],
        "epoch": state.epoch,
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
    state.supernet.load_state_dict(content["supernet"])
    for optimizer, saved in zip(state.kernel_optimizers, content["kernel_optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    state.architecture_optimizer.load_state_dict(content["architecture_optimizer"])
    state.generator.set_state(content["generator"].cpu())
    version, internal, gauss = content["draw"]
    state.draw.setstate((version, tuple(internal), gauss))
    state.epoch = content["epoch"]
    state.seconds = content["seconds"]
    state.history = [SearchRow(**row) for row in content["history"]]
    best = content["best"]
    state.best = None if best is None else Found(**{**best, "description": described(best["description"])})
