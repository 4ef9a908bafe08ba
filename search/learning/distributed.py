"""Several processes that learn together, as torchrun starts them: each takes its share of every batch.

Every process draws the same global batch from the same seed and computes on its own rows; gradients, losses and batch
statistics are averaged over all of them. So the result is that of one process with the same batch.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ...errors import UserError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process among those that learn together; alone unless told otherwise."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def share(self, batch_B: Tensor) -> Tensor:
        """This process's rows of a global batch, whose size is a multiple of `count`."""
        return batch_B.chunk(self.count)[self.rank] if self.count > 1 else batch_B

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a value over all processes; the gradient is this process's own.

        Averaged over processes, as gradients are, that is the gradient of the mean.
        """
        if self.count == 1:
            return value
        total = value.detach().clone()
        torch.distributed.all_reduce(total)
        return value + (total / self.count - value.detach())

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its mean over all processes."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.count == 1 or not gradients:
            return
        # One message instead of hundreds.
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient) / self.count)

    def gathered(self, values: Mapping[int, Value]) -> dict[int, Value]:
        """What all processes have together, each value under a key that no other process has."""
        if self.count == 1:
            return dict(values)
        parts: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(parts, dict(values))
        return {key: value for part in parts for key, value in part.items()}

    def agreed(self, decision: Value) -> Value:
        """What the first process decided, or measured."""
        if self.count == 1:
            return decision
        decisions: list[Value] = [decision]
        torch.distributed.broadcast_object_list(decisions, src=0)
        return decisions[0]


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the other processes for the time of a block: NCCL on CUDA, gloo on the CPU. Alone without torchrun."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(rank=torch.distributed.get_rank(), count=count)
    finally:
        torch.distributed.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """The CUDA device of this process where torchrun started several on a machine; else `device` as it is."""
    local = os.environ.get("LOCAL_RANK")
    if device.type != "cuda" or local is None or device.index is not None:
        return device
    if int(local) >= torch.cuda.device_count():
        raise UserError(
            f"torchrun: process {local} of this machine has no GPU of its own, torch sees {torch.cuda.device_count()};"
            " lower --nproc-per-node"
        )
    return torch.device("cuda", int(local))


def check_batch(batch: int, ranks: Ranks) -> None:
    """UserError where the processes' shares of a batch would differ."""
    if batch % ranks.count:
        raise UserError(f"--batch: got {batch}, expected a multiple of {ranks.count}, the number of processes")


def batch_mean(values_BFHW: Tensor) -> Tensor:
    """(F,) the mean over the global batch and all its pixels; gradients flow to every process's rows."""
    mean = values_BFHW.mean((0, 2, 3))
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return mean
    from torch.distributed.nn.functional import all_reduce

    # The group of the moment: the default is that of the moment in which the module was imported.
    return all_reduce(mean, group=torch.distributed.group.WORLD) / torch.distributed.get_world_size()
