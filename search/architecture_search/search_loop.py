"""The loop of a search: in every step each phase takes its turn; the split V says when to stop (HiNAS v2, section 4.1).

One epoch is one pass of batches over W.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..learning.losses import denoising_loss
from ..spaces.schedule import SearchSchedule
from ..spaces.searcher import Mixing, Phase
from ..tasks.interface import Pairs
from .judgement import best_of_samples, judged, merit, restored
from .latency_penalty import expected_latency_ms, latency_penalty, predicted_ms
from .search_history import SearchRow
from .search_state import Searched, SearchState


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
        found = judged(state, searched)
        if state.best is None or merit(found, searched.latency) > merit(state.best, searched.latency):
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
        state.best = best_of_samples(state, searched)


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
        restored(state, shared, single).float(),
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
