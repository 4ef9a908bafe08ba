"""The kinds of model file that can be asked for: target engine, precision, interface. Standard library only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

from ...command_line import chosen_names
from ...errors import UserError
from ...runtime.model.int8_files import int8_file
from ...runtime.model.manifest import Io, Precision

Target = Literal["ort", "openvino", "tensorrt"]
"""`ort`: ONNX Runtime on the processor, in fp32; `openvino`: on the processor, in fp32 or bf16; `tensorrt`: GPUs."""
TARGETS: tuple[Target, ...] = get_args(Target)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def targets_of(text: str) -> tuple[Target, ...]:
    """Read names separated by commas, each once; UserError for a name that is no target."""
    return chosen_names("--target", text, TARGETS)


def precisions_of(text: str) -> tuple[Precision, ...]:
    """Read names separated by commas, each once; UserError for a name that is no precision."""
    return chosen_names("--precision", text, PRECISIONS)


_NOT_RUN: Mapping[tuple[Target, Precision], str] = {
    ("ort", "bf16"): "ONNX Runtime has no bf16 convolutions on a processor; take --target openvino, or fp32 or int8",
}
"""What the library of a target cannot run, and what to take instead."""


def require_runnable(targets: Iterable[Target], precisions: Iterable[Precision]) -> None:
    """Raise UserError for the first precision that the library of a target cannot run."""
    for target, precision in product(targets, precisions):
        if advice := _NOT_RUN.get((target, precision)):
            raise UserError(f"--target {target} --precision {precision}: {advice}")


def file_of(variant: tuple[Target, Precision], first_variant: tuple[Target, Precision], first: Path) -> Path:
    """Where a model goes: `first` for the first target and precision; what differs from them goes before the suffix.

    int8 for a processor is named in full, as hinas-denoise looks for it.
    """
    target, precision = variant
    if variant != first_variant and precision == "int8" and target != "tensorrt":
        return int8_file(first, target)
    differing = [name for name, usual in zip(variant, first_variant, strict=True) if name != usual]
    return first.with_suffix("".join(f".{name}" for name in differing) + first.suffix)


@dataclass(frozen=True, kw_only=True)
class FixedShape:
    """The one input shape a model takes."""

    batch: int
    """Windows in one run."""
    height: int
    """Pixels; a multiple of the alignment."""
    width: int
    """Pixels; a multiple of the alignment."""


Sizes = Literal["aligned", "any"]
"""`aligned`: H and W are multiples of the network's alignment; `any`: the graph pads and crops."""


@dataclass(frozen=True, kw_only=True)
class ModelInterface:
    """The type, layout and size of a model's inputs and outputs; the default is what the runtime takes."""

    io: Io = "float"
    """`float`: (N, C, H, W), 0..1; `uint8`: (N, H, W, C)."""
    sizes: Sizes = "aligned"
    shape: FixedShape | None = None
    """The one shape of all inputs; None: any."""

    def text(self, alignment: int) -> str:
        """For a person, of a network of this alignment."""
        axes = "(N, H, W, C), 0..255" if self.io == "uint8" else "(N, C, H, W), 0..1"
        return f"{self.io} {axes}, {self.sizes_text(alignment)}"

    def sizes_text(self, alignment: int) -> str:
        """Which sizes it takes, of a network of this alignment."""
        if self.shape is not None:
            return f"{self.shape.batch} x {self.shape.width}x{self.shape.height} alone"
        if alignment == 1 or self.sizes == "any":
            return "any size"
        return f"any H and W that are multiples of {alignment}"

    def require_aligned(self, alignment: int) -> None:
        """Raise UserError where a network of this alignment cannot take the shape."""
        if self.shape is not None and (self.shape.height % alignment or self.shape.width % alignment):
            raise UserError(
                f"--tile {self.shape.width}x{self.shape.height}: this network takes widths and heights that are "
                f"multiples of {alignment}"
            )


FOR_THE_RUNTIME = ModelInterface()
