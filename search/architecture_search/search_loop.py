"""The differentiable search: kernels learn on split W, the architecture on split A, split V says when to stop.

HiNAS v2, section 4.1. One epoch is one pass of batches over W; the architecture learns beside the kernels once these
have warmed up.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..images.training_images import PatchSource
from ..learning.device import autocast
from ..learning.distributed import Ranks
from ..learning.losses import denoising_loss, ssim
from ..learning.metrics import psnr_db
from ..learning.noise import add_noise
from ..spaces.interface import SpaceDescription
from ..spaces.supernet_interface import SearchSupernet
from .search_state import Found, LatencyGoal, SearchRow, SearchSettings, SearchState


@dataclass(frozen=True)
class Splits:
    """The training images, split: W for kernels, A for the architecture, V to choose."""

    kernels: PatchSource
    architecture: PatchSource
    validation: PatchSource
    steps_per_epoch: int


def search(
    state: SearchState,
    settings: SearchSettings,
    *,
    splits: Splits,
    latency: LatencyGoal | None,
    ranks: Ranks,
    max_seconds: float,
    save: Callable[[], None],
    report: Callable[[SearchState], None],
    step_done: Callable[[], None] = lambda: None,
) -> None:
    """Run epochs until `settings.epochs`, or until `max_seconds` of this run are over.

    `save` and `report` are called after every epoch. Raises FloatingPointError when a loss is no longer finite.
    """
    started = time.monotonic()
    if state.best is not None:
        # A resumed search may have another latency goal.
        predicted = _predicted_ms(state, state.best.description, latency)
        state.best = replace(state.best, latency_ms=predicted)
    while state.epoch < settings.epochs:
        begun = time.monotonic()
        row = _epoch(state, settings, splits, latency, ranks, step_done)
        state.epoch += 1
        state.seconds += time.monotonic() - begun
        if not math.isfinite(row["kernel_loss"]):
            raise FloatingPointError(f"the loss is {row['kernel_loss']} in epoch {state.epoch}")
        found = None
        if settings.method == "gradient" and state.epoch >= min(settings.validate_from_epoch, settings.epochs):
            found = _judged(state, settings, splits, latency)
            if state.best is None or _merit(found, latency) > _merit(state.best, latency):
                state.best = found
        state.history.append(
            SearchRow(
                epoch=state.epoch,
                seconds=round(state.seconds, 1),
                psnr_db=found.psnr_db if found else None,
                ssim=found.ssim if found else None,
                entropies=dict(state.supernet.entropies_bits()) if settings.method == "gradient" else {},
                **row,
            )
        )
        if settings.method == "random" and state.epoch == settings.epochs:
            state.best = _best_of_samples(state, settings, splits, latency)
        save()
        report(state)
        if max_seconds < math.inf and ranks.agreed(time.monotonic() - started >= max_seconds):
            break


def _epoch(
    state: SearchState,
    settings: SearchSettings,
    splits: Splits,
    latency: LatencyGoal | None,
    ranks: Ranks,
    step_done: Callable[[], None],
) -> dict[str, Any]:
    # A cosine down to a 25th.
    factor = 0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * state.epoch / settings.epochs))
    for optimizer in state.kernel_optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
    state.supernet.set_temperature(temperature_of(state.epoch, settings))
    learns_architecture = settings.method == "gradient" and state.epoch >= settings.warm_up_epochs
    kernel_losses: list[Tensor] = []
    architecture_losses: list[Tensor] = []
    expected: Tensor | None = None
    state.supernet.train()
    for _ in range(splits.steps_per_epoch):
        if learns_architecture:
            loss = _loss(state, settings, splits.architecture, None, ranks)
            if latency is not None:
                expected = expected_latency_ms(state.supernet, latency)
                loss = loss + latency_penalty(expected, latency)
            _step(loss, [state.architecture_optimizer], state.supernet.architecture_parameters(), settings, ranks)
            architecture_losses.append(loss.detach())
        single = state.supernet.random_description(state.draw) if settings.method == "random" else None
        loss = _loss(state, settings, splits.kernels, single, ranks)
        _step(loss, state.kernel_optimizers, state.supernet.kernel_parameters(), settings, ranks)
        kernel_losses.append(loss.detach())
        step_done()

    def mean_loss(losses: list[Tensor]) -> float:
        return ranks.mean(torch.stack(losses).mean()).item()

    if latency is not None and settings.method == "gradient":
        with torch.no_grad():
            expected = expected_latency_ms(state.supernet, latency)
    return {
        "kernel_loss": mean_loss(kernel_losses),
        "architecture_loss": mean_loss(architecture_losses) if architecture_losses else None,
        "latency_ms": expected.item() if expected is not None else None,
    }


def temperature_of(epoch: int, settings: SearchSettings) -> float:
    """The softmaxes' temperature in an epoch, counted from 0."""
    annealed = settings.epochs - 1 - settings.warm_up_epochs
    done = min(1.0, max(0, epoch - settings.warm_up_epochs) / max(1, annealed))
    return settings.final_temperature**done


def _loss(
    state: SearchState,
    settings: SearchSettings,
    patches: PatchSource,
    single: SpaceDescription | None,
    ranks: Ranks,
) -> Tensor:
    clean = patches.draw(settings.batch, settings.crop, state.generator)
    levels = torch.tensor(settings.sigmas, device=clean.device)
    which = torch.randint(len(settings.sigmas), (settings.batch,), generator=state.generator, device=clean.device)
    noisy = add_noise(clean, levels[which], quantised_share=0.0, generator=state.generator)
    output = _denoised(state, settings, ranks.share(noisy), ranks.share(levels[which]), single)
    return denoising_loss(
        output.float(),
        ranks.share(clean),
        pixel=settings.pixel_loss,
        ssim_weight=settings.ssim_weight,
        mean_of_batch=ranks.mean,
    )


def _denoised(
    state: SearchState,
    settings: SearchSettings,
    noisy: Tensor,
    sigma: Tensor,
    single: SpaceDescription | None,
) -> Tensor:
    level = sigma if state.supernet.conditioned else None
    with autocast(noisy.device, settings.precision):
        if single is None:
            return state.relaxed(noisy, level)
        return state.supernet.forward_single(noisy, level, single)


def _step(
    loss: Tensor,
    optimizers: Sequence[torch.optim.Optimizer],
    parameters: Sequence[nn.Parameter],
    settings: SearchSettings,
    ranks: Ranks,
) -> None:
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    # By hand: DistributedDataParallel would wait for the half of the parameters that this step leaves alone.
    ranks.average_gradients(parameters)
    nn.utils.clip_grad_norm_(parameters, settings.gradient_clip)
    for optimizer in optimizers:
        optimizer.step()


def expected_latency_ms(supernet: SearchSupernet, goal: LatencyGoal) -> Tensor:
    """The latency expected under the architecture's probabilities, in ms; UserError where a price is missing."""
    total: Tensor | None = None
    for block, count in supernet.expected_blocks().items():
        part = count * goal.table.price_ms(block)
        total = part if total is None else total + part
    assert total is not None
    return total if goal.tile is None else total * tiling_factor(supernet.expected_halo(), goal.tile)


def tiling_factor(halo: Tensor, tile: int) -> Tensor:
    """How much more is computed in tiles of a side that overlap by the halo: (T / (T - 2 h))^2, at most 64."""
    return (tile / (tile - 2 * halo).clamp_min(tile / 8)) ** 2


def latency_penalty(expected_ms: Tensor, goal: LatencyGoal) -> Tensor:
    """weight * ln(expected), or weight * ln(expected / target) where that is positive: relative, so in no unit."""
    if goal.target_ms is None:
        return goal.weight * expected_ms.log()
    return goal.weight * (expected_ms / goal.target_ms).log().clamp_min(0)


def _judged(state: SearchState, settings: SearchSettings, splits: Splits, latency: LatencyGoal | None) -> Found:
    """What the architecture stands for now, with the supernet's score on V."""
    psnr, similarity = validation_score(state, settings, splits, None)
    return _found(state, state.supernet.description(), psnr, similarity, latency)


def _best_of_samples(
    state: SearchState, settings: SearchSettings, splits: Splits, latency: LatencyGoal | None
) -> Found:
    """RSWS: the best of `settings.samples` random networks, each with the shared kernels."""
    candidates: list[Found] = []
    for _ in range(settings.samples):
        description = state.supernet.random_description(state.draw)
        psnr, similarity = validation_score(state, settings, splits, description)
        candidates.append(_found(state, description, psnr, similarity, latency))
    return max(candidates, key=lambda found: _merit(found, latency))


def _merit(found: Found, latency: LatencyGoal | None) -> float:
    if latency is None or found.latency_ms is None:
        return found.score
    return found.score - latency_penalty(torch.tensor(found.latency_ms), latency).item()


def _found(
    state: SearchState, description: SpaceDescription, psnr: float, similarity: float, latency: LatencyGoal | None
) -> Found:
    predicted = _predicted_ms(state, description, latency)
    return Found(description=description, epoch=state.epoch, psnr_db=psnr, ssim=similarity, latency_ms=predicted)


def _predicted_ms(state: SearchState, description: SpaceDescription, latency: LatencyGoal | None) -> float | None:
    if latency is None:
        return None
    whole = latency.table.predicted_ms(state.supernet.blocks_of(description))
    if latency.tile is None:
        return whole
    return whole * tiling_factor(torch.tensor(float(state.supernet.halo_of(description))), latency.tile).item()


@torch.no_grad()
def validation_score(
    state: SearchState, settings: SearchSettings, splits: Splits, single: SpaceDescription | None
) -> tuple[float, float]:
    """Mean PSNR in dB and SSIM over fixed patches of V at every sigma, of the supernet or of one of its networks.

    Patches, and batches in which the levels mix, as in training: the supernet's norms use each batch's own statistics,
    which whole images or one level alone would shift.
    """
    device = splits.validation.pixels.device
    generator = torch.Generator(device=device).manual_seed(0)
    levels = torch.tensor(settings.sigmas, device=device)
    psnr: list[float] = []
    similarity: list[float] = []
    for turn in range(len(levels)):
        clean = splits.validation.draw(4 * settings.batch, settings.crop, generator)
        level = levels[(torch.arange(len(clean), device=device) + turn) % len(levels)]
        noisy = add_noise(clean, level, quantised_share=0.0, generator=generator)
        output = _denoised(state, settings, noisy, level, single).float().clamp(0, 1)
        psnr += [psnr_db(one, other) for one, other in zip(output, clean, strict=True)]
        similarity.append(ssim(output, clean).item())
    return sum(psnr) / len(psnr), sum(similarity) / len(similarity)
