"""What a weights file, and with it a model file, says of its training."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import torch

from ... import __version__
from ...network_input import NetworkInput
from ..tasks.interface import Task, TaskOptions
from .train_loop import TrainingState


def recorded_task(task: Task, options: TaskOptions) -> dict[str, Any]:
    """What a record of a training says of its task."""
    return {
        "task": task.name,
        "sigma_range": None if task.level_range is None else list(task.level_range),
        "quantised_share": options.quantised_share,
    }


def recorded_levels(task: Task, network_input: NetworkInput) -> list[float] | None:
    """The strengths in grey levels that a network is trained for: those drawn, or those it is told; None: neither.

    A model file that says None is of any strength, one that names a range is used within it.
    """
    if task.level_range is None or not (task.draws_level_range or network_input.conditioned):
        return None
    return list(task.level_range)


def training_record(
    state: TrainingState, settings: Mapping[str, Any], task: Task, *, images: int, device: torch.device
) -> dict[str, Any]:
    """Data, iterations, settings, learning curve and validation score as plain values."""
    validated = [row for row in state.history if row.psnr_db is not None]
    record: dict[str, Any] = {
        "hinas": __version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "images": images,
        "iterations_done": state.iteration,
        "seconds": round(state.seconds),
        "settings": dict(settings),
        "learning_curve": [[row.iteration, row.learning_rate, round(row.psnr_db or 0, 3)] for row in validated],
    }
    if state.started_from is not None:
        record["started_from"] = state.started_from
    if validated:
        record["validation"] = {
            "protocol": task.validation_protocol,
            "psnr_db": round(validated[-1].psnr_db or 0, 3),
            "ssim": round(validated[-1].ssim or 0, 4),
        }
    return record
