"""The engines a model can be rewritten for, by name. Standard library only."""

from pathlib import Path
from typing import Literal, get_args

from ..errors import UserError

Target = Literal["ort", "openvino", "tensorrt"]
"""`ort`: ONNX Runtime on the processor, in fp32; `openvino`: on the processor, in fp32 or bf16; `tensorrt`: GPUs."""
TARGETS: tuple[Target, ...] = get_args(Target)


def targets_of(text: str) -> tuple[Target, ...]:
    """Read names separated by commas, each once; UserError for a name that is no target."""
    known: dict[str, Target] = {target: target for target in TARGETS}
    names = [name.strip() for name in text.split(",")]
    if len(set(names) & set(known)) < len(names):
        raise UserError(f"--target: got {text!r}, expected one or more of {', '.join(TARGETS)}, each once")
    return tuple(known[name] for name in names)


def file_of(target: Target, targets: tuple[Target, ...], first: Path) -> Path:
    """Where a target's model goes: the first target's is `first`, another's has its name before the suffix."""
    return first if target == targets[0] else first.with_suffix(f".{target}{first.suffix}")
