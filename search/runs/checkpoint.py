"""Checkpoints that survive an interruption: written whole, read back without running code from the file."""

from pathlib import Path
from typing import Any

import torch

from ...atomic_files import written_whole
from ...errors import UserError


def save_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Write a dictionary of tensors and plain values, whole or not at all."""
    with written_whole(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path, *, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; UserError where it is missing or damaged."""
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no checkpoint to resume from; start without --resume") from error
    except Exception as error:  # Bytes that are no checkpoint make the reader fail in any way.
        raise UserError(f"{path}: a damaged checkpoint ({error}); delete it and start again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a checkpoint of hinas")
    return content
