"""The loop of a search: in every step each phase takes its turn; the split V says when to stop (HiNAS v2, section 4.1).

One epoch is one pass of batches over W.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..images.training_images import PatchSource
from ..learning.choices import Method
from ..learning.device import autocast
from ..learning.distributed import Ranks
from ..learning.losses import denoising_loss, ssim
from ..learning.metrics import psnr_db
from ..spaces.interface import SpaceDescription
from ..spaces.schedule import SearchSchedule
from ..spaces.searcher import Mixing, Phase
from ..tasks.interface import Pairs, Task
from .latency_penalty import expected_latency_ms, latency_penalty, predicted_ms
from .search_history import SearchRow
from .search_state import Found, LatencyGoal, SearchState


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


def search(
    state: SearchState,
    searched: Searched,
    *,
    max_seconds: float,
    save: Callable[[], None],
    save_every_seconds: float = math.inf,
    report: Callable[[SearchState], None],
    step_done: Callable[[], None] = lambda: None,
    after_step: Callable[[], None] = lambda: None,
) -> None:
    """Run steps until the schedule's last epoch ends, or until `max_seconds` of this run are over.

    At least one step is run. `save` is called after every epoch, every `save_every_seconds`, and where the time is over
    within an epoch; `report` after every epoch; `step_done` after every step of a phase; `after_step` after a step of
    all phases, when the state is whole. Raises FloatingPointError when an epoch's loss is no longer finite; `save`
    itself is to look at what it keeps.
    """
    started = last_saved = last_time = time.monotonic()

    def is_over() -> bool:
        return max_seconds < math.inf and searched.ranks.agreed(time.monotonic() - started >= max_seconds)

    if state.best is not None:
        # A resumed search may have another latency goal.
        predicted = predicted_ms(state.searcher, state.best.description, searched.latency)
        state.best = replace(state.best, latency_ms=predicted)
    while state.epoch < searched.schedule.epochs:
        last_time = time.monotonic()
        _begin_epoch(state, searched)
        while state.step < searched.steps_per_epoch:
            _step_of_all_phases(state, searched, step_done)
            now = time.monotonic()
            state.seconds += now - last_time
            last_time = now
            leaves = state.step < searched.steps_per_epoch and is_over()
            if leaves or now - last_saved >= save_every_seconds:
                save()
                last_saved = now
            after_step()
            if leaves:
                return
        _end_epoch(state, searched)
        save()
        last_saved = time.monotonic()
        report(state)
        after_step()
        if is_over():
            return


def _end_epoch(state: SearchState, searched: Searched) -> None:
    """Judge what the epoch has come to, and write its row of the history."""
    schedule, method = searched.schedule, searched.method
    losses, latency_ms = _results_of_epoch(state, searched)
    state.epoch, state.step, state.losses = state.epoch + 1, 0, {}
    for name, loss in losses.items():
        if loss is not None and not math.isfinite(loss):
            raise FloatingPointError(f"the loss of the {name} phase is {loss} in epoch {state.epoch}")
    found = None
    if method == "gradient" and state.epoch >= schedule.validate_from:
        found = _judged(state, searched)
        if state.best is None or _merit(found, searched.latency) > _merit(state.best, searched.latency):
            state.best = found
    state.history.append(
        SearchRow(
            epoch=state.epoch,
            seconds=round(state.seconds, 1),
            losses=losses,
            psnr_db=found.psnr_db if found else None,
            ssim=found.ssim if found else None,
            entropies=dict(state.searcher.entropies_bits()) if method == "gradient" else {},
            latency_ms=latency_ms,
        )
    )
    if method == "random" and state.epoch == schedule.epochs:
        state.best = _best_of_samples(state, searched)


def num_steps(state: SearchState, searched: Searched, *, epochs: int, steps: int = 0) -> int:
    """Steps of all phases in so many epochs and in so many steps of the epoch after them."""

    def active(epoch: int) -> int:
        return sum(epoch >= phase.first_epoch for phase in _taking_part(state, searched))

    return searched.steps_per_epoch * sum(map(active, range(epochs))) + steps * active(epochs)


def _taking_part(state: SearchState, searched: Searched) -> list[Phase]:
    # Random search learns no architecture.
    return [phase for phase in state.phases if searched.method == "gradient" or "kernels" in phase.learns]


def _begin_epoch(state: SearchState, searched: Searched) -> None:
    """Set what changes from epoch to epoch, also where one is gone on with."""
    schedule = searched.schedule
    state.searcher.set_temperature(temperature_of(state.epoch, schedule))
    rate = skip_dropout_of(state.epoch, schedule)
    state.searcher.set_mixing(Mixing(mixture=schedule.mixture, skip_dropout=rate, ranks=searched.ranks))
    for phase in _taking_part(state, searched):
        factor = phase.rate_factor(state.epoch / schedule.epochs)
        for group in (group for optimizer in phase.optimizers for group in optimizer.param_groups):
            group["lr"] = group["initial_lr"] * factor
    state.searcher.train()


def _step_of_all_phases(state: SearchState, searched: Searched, step_done: Callable[[], None]) -> None:
    for phase in _taking_part(state, searched):
        if state.epoch >= phase.first_epoch:
            state.losses.setdefault(phase.name, []).append(_step(state, searched, phase).detach())
            step_done()
    state.step += 1


def _results_of_epoch(state: SearchState, searched: Searched) -> tuple[Mapping[str, float | None], float | None]:
    """Mean loss of each phase, and the expected latency in ms at the end."""
    expected = None
    if searched.latency is not None and searched.method == "gradient":
        with torch.no_grad():
            expected = expected_latency_ms(state.searcher, searched.latency).item()
    means = {
        phase.name: searched.ranks.mean(torch.stack(values).mean()).item()
        if (values := state.losses.get(phase.name))
        else None
        for phase in _taking_part(state, searched)
    }
    return means, expected


def temperature_of(epoch: int, schedule: SearchSchedule) -> float:
    """The softmaxes' temperature in an epoch, counted from 0."""
    annealed = schedule.epochs - 1 - schedule.warm_up
    done = min(1.0, max(0, epoch - schedule.warm_up) / max(1, annealed))
    return schedule.final_temperature**done


def skip_dropout_of(epoch: int, schedule: SearchSchedule) -> float:
    """How often a skip is left out in an epoch, counted from 0."""
    return schedule.skip_dropout * (1 - epoch / max(1, schedule.epochs - 1))


def _step(state: SearchState, searched: Searched, phase: Phase) -> Tensor:
    """One phase's turn: its loss on its split, and a step of its optimizers."""
    schedule, ranks = searched.schedule, searched.ranks
    single = state.searcher.random_description(state.draw) if searched.method == "random" else None
    patches = searched.kernels if phase.split == "kernels" else searched.architecture
    clean = patches.draw(schedule.batch, schedule.crop, state.generator)
    pairs = searched.task.drawn(clean, state.generator)
    shared = Pairs(
        ranks.share(pairs.degraded_BCHW),
        ranks.share(pairs.clean_BCHW),
        None if pairs.level_B is None else ranks.share(pairs.level_B),
    )
    loss = denoising_loss(
        _restored(state, shared, single).float(),
        shared.clean_BCHW,
        pixel=schedule.pixel_loss,
        ssim_weight=schedule.ssim_weight,
        level_B=shared.level_B,
        mean_of_batch=ranks.mean,
    )
    if searched.latency is not None and "architecture" in phase.learns and searched.method == "gradient":
        loss = loss + latency_penalty(expected_latency_ms(state.searcher, searched.latency), searched.latency)
    added = state.searcher.added_loss(phase)
    if added is not None:
        loss = loss + added
    gradients = torch.autograd.grad(loss, phase.parameters, allow_unused=True)
    for parameter, gradient in zip(phase.parameters, gradients, strict=True):
        parameter.grad = gradient
    # By hand: DistributedDataParallel would wait for the half of the parameters that this step leaves alone.
    ranks.average_gradients(phase.parameters)
    nn.utils.clip_grad_norm_(phase.parameters, schedule.gradient_clip)
    for optimizer in phase.optimizers:
        optimizer.step()
    return loss


def _restored(state: SearchState, pairs: Pairs, single: SpaceDescription | None) -> Tensor:
    """The network's output, of all candidates mixed or of a single network."""
    level = pairs.level_B if state.searcher.conditioned else None
    with autocast(pairs.degraded_BCHW.device, state.arithmetic):
        if single is None:
            return state.relaxed(pairs.degraded_BCHW, level)
        return state.searcher.forward_single(pairs.degraded_BCHW, level, single)


def _judged(state: SearchState, searched: Searched) -> Found:
    """What the architecture stands for now, with the score on V that the searcher wants it judged by."""
    score = validation_score(state, searched, state.searcher.judged())
    return _found(state, searched, state.searcher.description(), score)


def _best_of_samples(state: SearchState, searched: Searched) -> Found:
    """RSWS: the best of `samples` random networks, each with the shared kernels."""
    candidates: list[Found] = []
    for _ in range(searched.schedule.samples):
        description = state.searcher.random_description(state.draw)
        candidates.append(_found(state, searched, description, validation_score(state, searched, description)))
    return max(candidates, key=lambda found: _merit(found, searched.latency))


def _merit(found: Found, latency: LatencyGoal | None) -> float:
    if latency is None or found.latency_ms is None:
        return found.score
    return found.score - latency_penalty(torch.tensor(found.latency_ms), latency).item()


def _found(state: SearchState, searched: Searched, description: SpaceDescription, score: tuple[float, float]) -> Found:
    psnr, similarity = score
    predicted = predicted_ms(state.searcher, description, searched.latency)
    return Found(description=description, epoch=state.epoch, psnr_db=psnr, ssim=similarity, latency_ms=predicted)


@torch.no_grad()
def validation_score(state: SearchState, searched: Searched, single: SpaceDescription | None) -> tuple[float, float]:
    """Mean PSNR in dB and SSIM over fixed patches of V under every case, of the supernet or of one of its networks.

    Patches, and batches in which the cases mix, as in training: the supernet's norms use each batch's own statistics,
    which whole images or one level alone would shift. Nothing is drawn: no path, and no skip is left out.
    """
    is_learning = state.searcher.training
    state.searcher.eval()
    schedule, task = searched.schedule, searched.task
    generator = torch.Generator(device=searched.validation.pixels.device).manual_seed(0)
    cases = task.cases
    psnr: list[float] = []
    similarity: list[float] = []
    for turn in range(len(cases)):
        clean = searched.validation.draw(4 * schedule.batch, schedule.crop, generator)
        pairs = task.of_cases(clean, [cases[(index + turn) % len(cases)] for index in range(len(clean))], generator)
        output = _restored(state, pairs, single).float().clamp(0, 1)
        output, reference = task.compared(output, pairs.clean_BCHW)
        psnr += [psnr_db(one, other) for one, other in zip(output, reference, strict=True)]
        similarity.append(ssim(output, reference).item())
    state.searcher.train(is_learning)
    return sum(psnr) / len(psnr), sum(similarity) / len(similarity)
