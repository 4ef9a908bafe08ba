"""One run of hinas-train: genotype and images in; weights, history and checkpoint out."""

import csv
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch

from ...atomic_files import written_whole
from ...errors import UserError
from ...stop_signals import STOPS
from ..genotype import Genotype, read_genotype, write_genotype
from ..images.training_images import PatchSource
from ..learning.device import chosen_device, chosen_precision, denormals_as_zero
from ..learning.distributed import Ranks, check_batch, joined_ranks, own_device
from ..learning.losses import check_pixel_loss
from ..learning.metrics import ValidationScore
from ..learning.weights import load_fitting_weights, load_weights, save_weights
from ..runs.checkpoint import load_checkpoint, save_checkpoint
from ..runs.progress import Progress, duration_text
from ..runs.run_folder import prepared_run_folder
from ..runs.run_log import run_log
from ..runs.step_signals import signals_wait_for_steps
from ..tasks.interface import TaskOptions
from ..tasks.registry import configured_task
from ..winograd.choice import chosen_transforms
from ..winograd.convolution import with_winograd
from .check_request import check_request
from .chosen_images import chosen_images
from .given_pairs import GivenPairs
from .teacher import opened_teacher
from .train_loop import train
from .train_request import TrainRequest
from .training_record import recorded_task, training_record
from .training_settings import USUAL_TEACHER_SHARE, TrainingSettings
from .training_state import HistoryRow, TrainingState, check_finite, new_state, restore_state, state_content

SAVE_EVERY_SECONDS = 120.0
_BEFORE_THERE_WAS = {"pairs": "simulated", "quantised_share": None}
"""What checkpoints of earlier versions do not say."""


def run_training(request: TrainRequest, *, clock: Callable[[], float] = time.monotonic) -> str:
    """Train (or go on training) and write `weights.safetensors`, `history.csv` and `checkpoint.pt` to `request.out`.

    Under torchrun the processes learn together and the first one writes. Returns a line that says what was reached,
    empty in the other processes. `clock` gives seconds. Raises UserError for anything a person can mend.
    """
    device = own_device(chosen_device(request.computing.device))
    with joined_ranks(device) as ranks, ExitStack() as until_end:
        own_request = request if ranks.is_first else replace(request, quiet=True)
        summary = _run(own_request, device, ranks, clock, until_end)
        return summary if ranks.is_first else ""


@denormals_as_zero()
def _run(
    request: TrainRequest,
    device: torch.device,
    ranks: Ranks,
    clock: Callable[[], float],
    until_end: ExitStack,
) -> str:
    genotype = read_genotype(request.genotype)
    network_input = genotype.network_input
    check_batch(request.settings.batch, ranks)
    if request.computing.threads is not None:
        torch.set_num_threads(request.computing.threads)
    settings = replace(request.settings, precision=chosen_precision(request.computing.precision, device))
    task = configured_task(genotype.task.name, replace(request.task, scale=genotype.task.scale))
    if request.degraded is not None:
        task = GivenPairs(task=task)
    check_pixel_loss(settings.pixel_loss, task.level_range)
    check_request(request, task, network_input)
    transforms = chosen_transforms(request.computing, device, settings.precision)
    torch.manual_seed(settings.seed)
    network = genotype.built()
    earlier = None
    if request.start_from is not None:
        earlier = load_weights(network, request.start_from, identity=genotype.identity)
    if request.warm_start is not None:
        earlier = load_fitting_weights(network, request.warm_start)
        if not request.quiet:
            taken = earlier["tensors_taken"]
            print(f"{request.warm_start}: {taken} tensors begin with its values, others at random", file=sys.stderr)
    teacher = None
    if request.teacher is not None:
        share = USUAL_TEACHER_SHARE if request.teacher_share is None else request.teacher_share
        teacher = opened_teacher(
            request.teacher, network_input, task.name, crop=settings.crop, device=device, share=share
        )
    images = chosen_images(request, task, network_input)
    checkpoint = prepared_run_folder(request.out, "training", resume=request.resume, ranks=ranks, until_end=until_end)
    state = new_state(network, settings, device=device)
    state.started_from = earlier
    recorded = {**asdict(settings), **recorded_task(network_input, task)}
    recorded["pairs"] = "simulated" if request.degraded is None else "of files"
    recorded["teacher"] = None if teacher is None else teacher.identity
    recorded["teacher_share"] = None if teacher is None else teacher.share
    recorded["convolutions"] = request.computing.convolutions
    if request.resume:
        content = load_checkpoint(checkpoint, device=device)
        _check_resumable(content, recorded, genotype, checkpoint)
        restore_state(state, content)
    if transforms is not None:
        state.network = with_winograd(state.network, transforms)
        teacher = None if teacher is None else replace(teacher, network=with_winograd(teacher.network, transforms))
    recorded["planned_minutes"] = _planned_minutes(request, state)
    if ranks.is_first:
        write_genotype(genotype, request.out / "genotype.json")

    kept: int | None = None

    def save() -> None:
        nonlocal kept
        if not ranks.is_first:
            return
        # A signal may ask for it between two lines of the history.
        check_finite(state)
        save_checkpoint(state_content(state, recorded, genotype.identity), checkpoint)
        _write_history(state.history, request.out / "history.csv")
        save_weights(
            state.average,
            request.out / "weights.safetensors",
            identity=genotype.identity,
            training=training_record(state, recorded, task, images=len(images.training), device=device),
        )
        kept = state.iteration

    with (
        Progress(
            unit="it", total=settings.iterations, done=state.iteration, is_quiet=request.quiet, clock=clock
        ) as progress,
        run_log(request.log if ranks.is_first else None, request.out / "tensorboard", done=state.iteration) as log,
    ):

        def step_done(num_planned: int | None) -> None:
            progress.total = num_planned
            progress.step()

        def report(current: TrainingState, loss: float, score: ValidationScore | None) -> None:
            progress.tell(f"loss {loss:.5f}")
            log(current.iteration, _curves(current.history[-1], score))
            if score is not None:
                progress.note(f"{progress.text}: {progress.latest}, validation {_score_text(score)}")

        try:
            with signals_wait_for_steps() as signals:
                train(
                    state,
                    settings,
                    patches=PatchSource(images.training, device=device),
                    validation_images=images.validation,
                    task=task,
                    network_input=network_input,
                    teacher=teacher,
                    compiled=request.computing.compiles_on(device.type),
                    ranks=ranks,
                    max_seconds=float("inf") if request.max_minutes is None else 60 * request.max_minutes,
                    save=save,
                    save_every_seconds=SAVE_EVERY_SECONDS,
                    report=report,
                    step_done=step_done,
                    after_step=lambda: signals.step_ended(save),
                    clock=clock,
                )
        except FloatingPointError as error:
            raise UserError(f"{error}; the last checkpoint is kept: lower --learning-rate and train again") from error
        except STOPS:
            if kept is not None:
                progress.note(f"{checkpoint}: iteration {kept} is kept; go on with --resume")
            raise
    return _summary(state, settings, request.out)


def _planned_minutes(request: TrainRequest, state: TrainingState) -> float | None:
    """The time that the learning rate falls over, earlier runs included; None where it falls over iterations."""
    if request.settings.iterations is not None or request.max_minutes is None:
        return None
    return round(state.seconds / 60 + request.max_minutes, 2)


def _check_resumable(content: dict[str, Any], recorded: Mapping[str, Any], genotype: Genotype, path: Path) -> None:
    if content.get("format") != "hinas-training":
        raise UserError(f"{path}: not a checkpoint of hinas-train")
    if content["genotype"] != genotype.identity:
        raise UserError(
            f"{path}: a checkpoint of genotype {content['genotype']}, not of {genotype.identity}; choose another --out"
        )
    before = {**_BEFORE_THERE_WAS, **content["settings"]}
    if before["quantised_share"] is None:
        # Earlier versions recorded what was asked for, not what was drawn.
        usual = configured_task(genotype.task.name, TaskOptions(scale=genotype.task.scale))
        before["quantised_share"] = usual.drawn_quantised_share
    # How long, how fast and how often to look may change between runs; history.csv keeps the learning rates used.
    free = {"iterations", "learning_rate", "weight_decay", "warmup", "schedule", "validation_every", "log_every"}
    # The same function, up to rounding.
    free |= {"convolutions"}
    # Where there is nothing to choose, nothing depends on what earlier versions took and recorded nevertheless.
    free |= {name for name in ("sigma_range", "quantised_share") if recorded[name] is None}
    for name, now in recorded.items():
        then = before.get(name)
        if name not in free and now != then:
            raise UserError(f"{path}: trained with {name.replace('_', ' ')} {then}, asked to go on with {now}")


def _write_history(history: list[HistoryRow], path: Path) -> None:
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=[item.name for item in fields(HistoryRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)


def _curves(row: HistoryRow, score: ValidationScore | None) -> Mapping[str, float | None]:
    cases = {} if score is None else score.psnr_db_by_case
    return {
        "loss": row.loss,
        "learning_rate": row.learning_rate,
        "validation/psnr_db": row.psnr_db,
        "validation/ssim": row.ssim,
        **{f"validation/psnr_db_{case}": psnr_db for case, psnr_db in cases.items()},
    }


def _score_text(score: ValidationScore) -> str:
    cases = ", ".join(f"{psnr:.2f} dB at {case}" for case, psnr in score.psnr_db_by_case.items())
    return f"{cases}, SSIM {score.ssim:.4f}"


def _summary(state: TrainingState, settings: TrainingSettings, out: Path) -> str:
    last = state.history[-1] if state.history else None
    score = f", validation {last.psnr_db:.2f} dB" if last and last.psnr_db is not None else ""
    weights, done = out / "weights.safetensors", state.iteration
    if settings.iterations is None:
        return f"{weights}: {done} iterations in {duration_text(state.seconds)}{score}"
    more = "" if done >= settings.iterations else "; go on with --resume"
    return f"{weights}: {done} of {settings.iterations} iterations{score}{more}"
