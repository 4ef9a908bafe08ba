"""Training one candidate to the end of a round, from where its last round began to slow down."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..images.training_images import PatchSource
from ..learning.choices import Arithmetic
from ..learning.distributed import Ranks
from ..learning.metrics import ValidationScore, validate
from ..learning.weights import load_weights, save_weights
from ..runs.checkpoint import load_checkpoint, save_checkpoint
from ..runs.step_signals import signals_wait_for_steps
from ..spaces.halving_schedule import HalvingSchedule
from ..tasks.interface import Task
from ..training.train_loop import train
from ..training.training_record import recorded_task, training_record
from ..training.training_settings import TrainingSettings
from ..training.training_state import TrainingState, new_state, restore_state, state_content
from ..winograd.compiled import Transforms
from ..winograd.convolution import with_winograd
from .candidates import Candidate

_SAVE_EVERY_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """What all candidates are trained on, alike: patches and noise are the same for each, iteration by iteration."""

    schedule: HalvingSchedule
    task: Task
    patches: PatchSource
    validation_images: Sequence[np.ndarray]
    device: torch.device
    arithmetic: Arithmetic
    compiled: bool
    transforms: Transforms | None
    """Of Winograd's convolutions; None: convolutions are torch's."""
    seed: int
    images: int
    """How many were trained on, for the record."""


def finished_scores(checkpoint: Path, trainer: Trainer) -> list[ValidationScore]:
    """The score of each round that the candidate of a checkpoint has finished; none where there is no checkpoint."""
    if not checkpoint.exists():
        return []
    return [ValidationScore(**score) for score in load_checkpoint(checkpoint, device=trainer.device)["scores"]]


def _opened_state(candidate: Candidate, trainer: Trainer, checkpoint: Path) -> TrainingState:
    """What the checkpoint says, or the state before the first iteration where there is none."""
    torch.manual_seed(trainer.seed)
    settings = _settings(trainer, trainer.schedule.iterations[0])
    network = candidate.genotype.built()
    if candidate.inherited is not None:
        load_weights(network, candidate.inherited, identity=candidate.genotype.identity)
    state = new_state(network, settings, device=trainer.device)
    if checkpoint.exists():
        restore_state(state, load_checkpoint(checkpoint, device=trainer.device))
    if trainer.transforms is not None:
        state.network = with_winograd(state.network, trainer.transforms)
    return state


def train_round(
    candidate: Candidate,
    trainer: Trainer,
    checkpoint: Path,
    weights: Path,
    *,
    round_index: int,
    max_seconds: float,
    step_done: Callable[[int], None],
) -> ValidationScore | None:
    """Train a candidate to the end of a round and score it; None where the time is over before.

    The checkpoint stays at the place where the rate begins to fall; `weights` gets the averaged weights of the end.
    `step_done` is told how many iterations more are done. A training that diverges scores -inf dB.
    """
    state, scores = _opened_state(candidate, trainer, checkpoint), finished_scores(checkpoint, trainer)
    total = trainer.schedule.iterations[round_index]
    settings = _settings(trainer, total)
    recorded = {**asdict(settings), **recorded_task(candidate.genotype.network_input, trainer.task)}
    recorded["convolutions"] = "direct" if trainer.transforms is None else "winograd"

    def save() -> None:
        content = state_content(state, recorded, candidate.genotype.identity)
        save_checkpoint({**content, "scores": [asdict(one) for one in scores]}, checkpoint)

    seconds_before = state.seconds
    num_level = total - total // 5
    level = replace(settings, iterations=num_level, schedule="constant")
    try:
        _train(state, level, candidate, trainer, max_seconds=max_seconds, save=save, step_done=step_done)
        if state.iteration < num_level:
            return None
        # The fall is of a copy: the next round goes on from before it.
        falling = _opened_state(candidate, trainer, checkpoint)
        left = max_seconds - (state.seconds - seconds_before)
        _train(falling, settings, candidate, trainer, max_seconds=left, save=lambda: None, step_done=step_done)
    except FloatingPointError:
        score = ValidationScore(psnr_db=-math.inf, ssim=0.0, psnr_db_by_case={})
        scores.append(score)
        save()
        return score
    if falling.iteration < total:
        return None
    score = validate(
        falling.average,
        trainer.validation_images,
        task=trainer.task,
        network_input=candidate.genotype.network_input,
        device=trainer.device,
    )
    record = training_record(falling, recorded, trainer.task, images=trainer.images, device=trainer.device)
    save_weights(falling.average, weights, identity=candidate.genotype.identity, training=record)
    scores.append(score)
    save()
    return score


def _settings(trainer: Trainer, iterations: int) -> TrainingSettings:
    schedule = trainer.schedule
    return TrainingSettings(
        iterations=iterations,
        batch=schedule.batch,
        crop=schedule.crop,
        learning_rate=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        warmup=min(500, max(1, schedule.first_iterations // 10)),
        schedule="trapezoid",
        pixel_loss=schedule.pixel_loss,
        seed=trainer.seed,
        precision=trainer.arithmetic,
        log_every=20,
    )


def _train(
    state: TrainingState,
    settings: TrainingSettings,
    candidate: Candidate,
    trainer: Trainer,
    *,
    max_seconds: float,
    save: Callable[[], None],
    step_done: Callable[[int], None],
) -> None:
    with signals_wait_for_steps() as signals:
        train(
            state,
            settings,
            patches=trainer.patches,
            validation_images=(),
            task=trainer.task,
            network_input=candidate.genotype.network_input,
            compiled=trainer.compiled,
            # Every process trains networks of its own.
            ranks=Ranks(),
            max_seconds=max_seconds,
            save=save,
            save_every_seconds=_SAVE_EVERY_SECONDS,
            report=lambda *_: None,
            step_done=lambda _: step_done(1),
            after_step=lambda: signals.step_ended(save),
        )
