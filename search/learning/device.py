"""Choose the device and the arithmetic a network trains in, and refuse what the machine does not have."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch

from ...errors import UserError


def chosen_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU; a device asked for by name that is missing is a UserError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device: got {name!r}, expected auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device: got {name!r}, expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices; use --device cpu")
    return device


def chosen_precision(name: str, device: torch.device) -> Literal["fp32", "bf16"]:
    """`auto` is bf16 where the device has instructions for it, else fp32."""
    if name == "fp32":
        return "fp32"
    has_bf16 = torch.cuda.is_bf16_supported(False) if device.type == "cuda" else _cpu_has_bf16()
    if name == "bf16" and not has_bf16:
        raise UserError(f"--precision bf16: {device} has no bf16 instructions; use --precision fp32")
    return "bf16" if has_bf16 else "fp32"


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Inside, the processor takes numbers below 1.2e-38 as 0, in this thread and in those begun there.

    The momenta of filters that have died fall to such numbers after some 1700 steps, and processors are slow with them:
    a step of Muon took 16 times as long.
    """
    # As others may have set it; torch cannot be asked.
    before = bool((torch.full((64,), 1e-30) * 1e-10).max() == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _cpu_has_bf16() -> bool:
    capabilities = torch.backends.cpu.get_cpu_capability()
    if "AVX512" not in capabilities:
        return False
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Compute convolutions in `precision`, fp32 or bf16; parameters stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
