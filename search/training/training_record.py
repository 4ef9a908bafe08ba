"""What a weights file, and with it a model file, says of its training."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import torch

from ... import __version__
from ...network_input import NetworkInput
from ..tasks.interface import Task
from .training_state import TrainingState


def recorded_task(network_input: NetworkInput, task: Task) -> dict[str, Any]:
    """What a record says of the task that a network with these inputs was trained for, whatever was asked for by name.

    The range is of the strengths that were drawn, or that the network was told; None where neither was, so that a model
    file is for any strength. None is the share of a task that has none to choose.
    """
    drawn_or_told = task.draws_level_range or network_input.conditioned
    return {
        "task": task.name,
        "sigma_range": list(task.level_range) if task.level_range is not None and drawn_or_told else None,
        "quantised_share": task.drawn_quantised_share,
    }


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
