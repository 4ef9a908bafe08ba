"""Whether a training computes by Winograd's algorithm, and what stands against it."""

import torch

from ...errors import UserError
from ..learning.choices import Arithmetic
from ..learning.computing import Computing
from .compiled import Transforms, compiled_transforms


def chosen_transforms(computing: Computing, device: torch.device, arithmetic: Arithmetic) -> Transforms | None:
    """The compiled transforms where --convolutions winograd asks for them, else None.

    UserError where they do not compute what else was asked for, or cannot be compiled.
    """
    if computing.convolutions == "direct":
        return None
    if device.type != "cpu":
        raise UserError(f"--convolutions winograd: for the CPU only, but this trains on {device}; take direct")
    if arithmetic != "fp32":
        raise UserError(f"--convolutions winograd: in fp32 only, not in {arithmetic}; give --precision fp32")
    if computing.compiles_on(device.type):
        raise UserError("--convolutions winograd: not with --compile; leave one of them out")
    return compiled_transforms()
