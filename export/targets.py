"""The engines a model can be rewritten for, by name. Standard library only."""

from pathlib import Path
from typing import Literal, get_args

from ..command_line import chosen_names
from ..runtime.model.manifest import Precision

Target = Literal["ort", "openvino", "tensorrt"]
"""`ort`: ONNX Runtime on the processor, in fp32; `openvino`: on the processor, in fp32 or bf16; `tensorrt`: GPUs."""
TARGETS: tuple[Target, ...] = get_args(Target)


def targets_of(text: str) -> tuple[Target, ...]:
    """Read names separated by commas, each once; UserError for a name that is no target."""
    return chosen_names("--target", text, TARGETS)


def file_of(variant: tuple[Target, Precision], first_variant: tuple[Target, Precision], first: Path) -> Path:
    """Where a model goes: `first` for the first target and precision; what differs from them goes before the suffix."""
    differing = [name for name, usual in zip(variant, first_variant, strict=True) if name != usual]
    return first.with_suffix("".join(f".{name}" for name in differing) + first.suffix)


PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8")


def precisions_of(text: str) -> tuple[Precision, ...]:
    """Read names separated by commas, each once; UserError for a name that is no precision."""
    return chosen_names("--precision", text, PRECISIONS)
