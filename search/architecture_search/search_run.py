"""One run of hinas-search: images in; genotype, pictures, history and checkpoint out."""

import sys
from contextlib import ExitStack
from dataclasses import replace
from random import Random
from typing import Any

import torch

from ...errors import UserError
from ...stop_signals import STOPS
from ..genotype import Score, write_genotype
from ..images.image_folder import LoadedImages, load_images
from ..images.splits import split_images
from ..images.training_images import PatchSource
from ..learning.device import chosen_device, chosen_precision, denormals_as_zero
from ..learning.distributed import Ranks, check_batch, joined_ranks, own_device
from ..learning.losses import check_pixel_loss
from ..runs.checkpoint import load_checkpoint, save_checkpoint
from ..runs.progress import Progress
from ..runs.run_folder import prepared_run_folder
from ..runs.run_log import run_log
from ..runs.step_signals import signals_wait_for_steps
from ..spaces.registry import network_description, space_named
from ..spaces.schedule import SearchSchedule
from ..tasks.interface import Task
from ..tasks.registry import task_for_search
from .drawings.genotype_drawing import draw_genotype
from .drawings.search_curves import draw_search_curves
from .found_genotype import found_genotype
from .latency_table import table_for
from .search_history import curves_of, write_search_history
from .search_loop import num_steps, search, temperature_of
from .search_request import LatencyRequest, SearchRequest
from .search_space import SearchSpace
from .search_state import (
    Found,
    LatencyGoal,
    Searched,
    SearchState,
    check_finite,
    new_search,
    restore_search,
    search_content,
)
from .undecided import undecided_choices

_SAVE_EVERY_SECONDS = 120.0


def run_search(request: SearchRequest) -> str:
    """Search (or go on searching) and write genotype, pictures, history and checkpoint to `request.out`.

    Under torchrun the processes search together and the first one writes. Returns a line that says what was found,
    empty in the other processes. Raises UserError for anything a person can mend.
    """
    device = own_device(chosen_device(request.computing.device))
    with joined_ranks(device) as ranks, ExitStack() as until_end:
        return _run(request if ranks.is_first else replace(request, quiet=True), device, ranks, until_end)


@denormals_as_zero()
def _run(request: SearchRequest, device: torch.device, ranks: Ranks, until_end: ExitStack) -> str:
    space, schedule = request.space, request.space.schedule
    check_batch(schedule.batch, ranks)
    if request.computing.convolutions != "direct":
        raise UserError(
            f"--convolutions {request.computing.convolutions}: computes the trainings of halving and supernet; "
            f"--method {request.method} has none, leave it out"
        )
    if request.computing.threads is not None:
        torch.set_num_threads(request.computing.threads)
    arithmetic = chosen_precision(request.computing.precision, device)
    latency = _latency_goal(request.latency, space)
    loaded = load_images(
        request.images, channels=space.task.network_input().picture_channels, smallest_side=schedule.crop
    )
    if not request.quiet:
        for warning in loaded.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    torch.manual_seed(request.seed)
    searcher = space_named(space.space).searcher(space.settings, space.task)
    multiple = space.task.network_input(alignment=searcher.stride).picture_multiple
    if schedule.crop % multiple:
        raise UserError(f"--crop: got {schedule.crop}, expected a multiple of {multiple}, the network's stride")
    if latency is not None:
        # A price that is missing is found out here, not after the kernels' warm-up.
        for block in searcher.expected_blocks():
            latency.table.price_ms(block)
    searched = _searched(request, loaded, latency, ranks, device)
    check_pixel_loss(schedule.pixel_loss, searched.task.level_range)
    checkpoint = prepared_run_folder(request.out, "search", resume=request.resume, ranks=ranks, until_end=until_end)
    compiled = request.computing.compiles_on(device.type)
    state = new_search(searcher, schedule, seed=request.seed, device=device, arithmetic=arithmetic, compiled=compiled)
    settings = _settings_for_checkpoint(request, searched.task, arithmetic)
    if request.resume:
        content = load_checkpoint(checkpoint, device=device)
        _check_resumable(content, settings, space, str(checkpoint))
        restore_search(state, content, lambda document: network_description(space.space, document))

    kept = _place(state, schedule.epochs)

    def save() -> None:
        nonlocal kept
        check_finite(state)
        if not ranks.is_first:
            return
        save_checkpoint(search_content(state, settings, _identity(space)), checkpoint)
        kept = _place(state, schedule.epochs)
        write_search_history(state.history, request.out / "history.csv")

    if not request.resume:
        # A run that is killed in its first minutes leaves something to go on with, too.
        save()
    with (
        Progress(
            unit="step",
            total=num_steps(state, searched, epochs=schedule.epochs),
            done=num_steps(state, searched, epochs=state.epoch, steps=state.step),
            is_quiet=request.quiet,
        ) as progress,
        run_log(request.log if ranks.is_first else None, request.out / "tensorboard", done=state.epoch) as log,
    ):

        def report(current: SearchState) -> None:
            log(current.epoch, curves_of(current.history[-1]))
            progress.note(_epoch_line(current, schedule.epochs, progress.left_text))

        try:
            with signals_wait_for_steps() as signals:
                search(
                    state,
                    searched,
                    max_seconds=request.max_seconds,
                    save=save,
                    save_every_seconds=_SAVE_EVERY_SECONDS,
                    report=report,
                    step_done=progress.step,
                    after_step=lambda: signals.step_ended(save),
                )
        except FloatingPointError as error:
            raise UserError(f"{error}; the last checkpoint is kept: search again with another --seed") from error
        except STOPS:
            if ranks.is_first:
                progress.note(f"{checkpoint}: {kept} is kept; go on with --resume")
                if state.epoch:
                    progress.note(_write_result(request, state, images=len(loaded.images)))
            raise
    return "" if not ranks.is_first else _write_result(request, state, images=len(loaded.images))


def _searched(
    request: SearchRequest, loaded: LoadedImages, latency: LatencyGoal | None, ranks: Ranks, device: torch.device
) -> Searched:
    schedule = request.space.schedule
    kernels, architecture, validation = split_images(loaded.images, seed=request.seed)
    return Searched(
        schedule=schedule,
        method=request.method,
        task=task_for_search(request.space.task.name, request.task),
        kernels=PatchSource(kernels, device=device),
        architecture=PatchSource(architecture, device=device),
        validation=PatchSource(validation, device=device),
        steps_per_epoch=schedule.steps or max(1, len(kernels) // schedule.batch),
        latency=latency,
        ranks=ranks,
    )


def _latency_goal(request: LatencyRequest | None, space: SearchSpace) -> LatencyGoal | None:
    if request is None:
        return None
    return LatencyGoal(
        table=table_for(space.space, request.table),
        weight=request.weight,
        target_ms=request.target_ms,
        tile=request.tile,
    )


def _identity(space: SearchSpace) -> str:
    """What a checkpoint has to agree with besides the settings."""
    return space.model_copy(update={"schedule": type(space.schedule)()}).to_json()


def _settings_for_checkpoint(request: SearchRequest, task: Task, arithmetic: str) -> dict[str, Any]:
    # The latency goal is left out: several weights can go on from one warmed-up checkpoint.
    return {
        **request.space.schedule.model_dump(mode="json"),
        "cases": [case.name for case in task.cases],
        "method": request.method,
        "seed": request.seed,
        "precision": arithmetic,
    }


def _check_resumable(content: dict[str, Any], settings: dict[str, Any], space: SearchSpace, path: str) -> None:
    if content.get("format") != "hinas-search":
        raise UserError(f"{path}: not a checkpoint of hinas-search")
    if content["identity"] != _identity(space):
        raise UserError(f"{path}: a search of another space; choose another --out")
    # A checkpoint from before there was a setting was searched with its default.
    recorded = {**SearchSchedule().model_dump(mode="json"), **content["settings"]}
    for name, now in settings.items():
        then = recorded.get(name)
        if now != then:
            raise UserError(f"{path}: searched with {name.replace('_', ' ')} {then}, asked to go on with {now}")


def _write_result(request: SearchRequest, state: SearchState, *, images: int) -> str:
    epochs = request.space.schedule.epochs
    if state.history:
        draw_search_curves(state.history, request.out / "curves")
    found = state.best
    if found is None and request.method == "gradient" and state.epoch:
        found = Found(
            description=state.searcher.description(), epoch=state.epoch, psnr_db=0.0, ssim=0.0, latency_ms=None
        )
        score = None
    else:
        score = None if found is None else Score(psnr_db=round(found.psnr_db, 4), ssim=round(found.ssim, 5))
    if found is None:
        return f"{request.out}: {_place(state, epochs)}; go on with --resume"
    path = request.out / "genotype.json"
    genotype = found_genotype(request, found.description, score, images=images)
    write_genotype(genotype, path)
    if request.method == "gradient" and state.epoch >= epochs and not request.quiet:
        _warn_of_no_decision(request, state)
    draw_genotype(genotype, request.out / "genotype")
    if request.perturbed:
        changes = state.searcher.perturbed(found.description, Random(request.seed))
        for name, changed in changes.items():
            path_of_change = request.out / f"genotype-{name}.json"
            write_genotype(found_genotype(request, changed, None, images=images), path_of_change)
    more = "" if state.epoch >= epochs else f" ({_place(state, epochs)}; go on with --resume)"
    reached = "" if score is None else f", {score.psnr_db:.2f} dB and SSIM {score.ssim:.4f} on V with shared kernels"
    expected = "" if found.latency_ms is None else f", predicted {found.latency_ms:.1f} ms"
    return f"{path}: found in epoch {found.epoch}{reached}{expected}{more}"


def _warn_of_no_decision(request: SearchRequest, state: SearchState) -> None:
    space = request.space
    fresh = space_named(space.space).searcher(space.settings, space.task)
    fresh.set_temperature(temperature_of(space.schedule.epochs - 1, space.schedule))
    largest, starting = state.searcher.largest_entropies_bits(), fresh.entropies_bits()
    others = ", ".join(f"--method {name}" for name in space_named(space.space).methods if name != "gradient")
    instead = f", or compare networks with {others}" if others else ""
    for text in undecided_choices(state.history[-1].entropies, largest, starting):
        print(f"warning: {text}; search longer than --epochs {space.schedule.epochs}{instead}", file=sys.stderr)


def _place(state: SearchState, num_epochs: int) -> str:
    """How far a search has come, for a person."""
    return f"epoch {state.epoch} of {num_epochs}" + (f" and step {state.step} of the next" if state.step else "")


def _epoch_line(state: SearchState, num_epochs: int, left: str) -> str:
    row = state.history[-1]
    losses = (f"{name} loss {loss:.5f}" for name, loss in row.losses.items() if loss is not None)
    parts = [f"epoch {row.epoch} of {num_epochs}{left}: {', '.join(losses)}"]
    parts += [f"entropy of {name} {bits:.3f} bits" for name, bits in row.entropies.items()]
    if row.latency_ms is not None:
        parts.append(f"expected {row.latency_ms:.1f} ms")
    if row.psnr_db is not None:
        parts.append(f"V {row.psnr_db:.2f} dB, SSIM {row.ssim:.4f}")
    return ", ".join(parts)
