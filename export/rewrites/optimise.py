"""Which rewrites a model gets for which target, by one table; same model, same result.

A target is an engine, not a machine: the table rests on measurements of the engine, never on the machine that exports.
`tools/measure_rewrites.py` repeats them. The gains quoted are times as fast as without the rewrite, on one core with
AVX-512 and bf16 at 481x321, in ONNX Runtime / OpenVINO fp32 / OpenVINO bf16.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx
import onnx_ir as ir
import onnxscript.optimizer
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, RemoveUnusedNodesPass

from ...runtime.model.manifest import Precision
from ..graph.variants import PRECISIONS, TARGETS, Target
from .blocked_layout import carry_leaky_relus, pad_channels
from .fill_output_blocks import fill_output_blocks
from .merge_pointwise import change_basis, merge_sole_readers
from .split_concat import split_concatenations


@dataclass(frozen=True)
class Rule:
    """A rewrite and the targets it is for."""

    rewrite: Callable[[ir.Model], int]
    """Edits a model in place and returns in how many places."""
    targets: tuple[Target, ...]
    reason: str
    """What was measured, or why a target goes without."""
    precisions: tuple[Precision, ...] = PRECISIONS
    """Those the model may be written in afterwards."""

    @property
    def name(self) -> str:
        """The rewrite's name in reports."""
        return self.rewrite.__name__


def fold_and_share(model: ir.Model) -> int:
    """Fold constants, share equal nodes such as the activations of one map; places are the nodes that went."""
    before = len(model.graph)
    onnxscript.optimizer.fold_constants(model)
    CommonSubexpressionEliminationPass()(model)
    RemoveUnusedNodesPass()(model)
    return before - len(model.graph)


RULES = (
    Rule(
        merge_sole_readers,
        TARGETS,
        "Less work and nothing lost. A chain of ten cells with one such place: 1.01 / 1.01 / 1.01.",
    ),
    Rule(
        split_concatenations,
        ("ort", "openvino"),
        "1.02 / 1.00 / 1.02 for a chain, whose end part concatenates; 1.01 to 1.03 / 1.01 to 1.04 / 1.05 for cells of "
        "three and four nodes. Not measured with TensorRT.",
    ),
    Rule(
        fold_and_share,
        TARGETS,
        "The exporter leaves nothing to fold, but split concatenations repeat activations. 0.99 / 1.00 / 1.00: too few "
        "to see; it keeps later rewrites from treating them twice.",
    ),
    Rule(
        change_basis,
        ("ort",),
        "1.03 to 1.04 / 1.02 / 1.02 for chains of ten and sixteen cells, where four and six of the squeezes go; 1.07 "
        "with seven. In bf16, which OpenVINO and TensorRT compute in, the result is worthless.",
        precisions=("fp32",),
    ),
    Rule(
        fill_output_blocks,
        ("ort", "openvino"),
        "Four outputs: 1.02 / 1.01 / 1.01; one output at full resolution of 64 or 128 channels: that convolution "
        "1.6 to 1.8 / 1.4 to 1.6 / 1.4. A 1x1 convolution and a fixed 3x3 one that gathers: 0.9 to 1.6 / 1.0 to 1.5 / "
        "1.0 to 1.8, and they round once more. Not measured with TensorRT.",
    ),
    Rule(
        pad_channels,
        ("ort",),
        "Widths 20, 30 and 40: 1.1 to 1.2, 12 and 18: 1.07, 24 and 36: 1.0; OpenVINO pads itself and lost 8 %.",
    ),
    Rule(
        carry_leaky_relus,
        ("ort",),
        "1.05 for five cells of three nodes, 1.00 to 1.08 for others; OpenVINO keeps its layout anyway and lost 2 %.",
    ),
)
"""In the order they are applied."""


@dataclass(frozen=True)
class Stage:
    """A model after one more rewrite."""

    rewrite: str
    places: int
    """Where it applied; 0: the model is the one before."""
    model: onnx.ModelProto


def stages(model: onnx.ModelProto, rules: tuple[Rule, ...]) -> Iterator[Stage]:
    """Apply rules one after the other to a copy of a model."""
    for rule in rules:
        edited = ir.from_proto(model)
        places = rule.rewrite(edited)
        if places:
            RemoveUnusedNodesPass()(edited)
            model = ir.to_proto(edited)
            del model.graph.value_info[:]
        yield Stage(rule.name, places, model)


def optimised(
    model: onnx.ModelProto, target: Target, precision: Precision = "fp32"
) -> tuple[onnx.ModelProto, dict[str, int]]:
    """A model rewritten for a target and a precision that it is written in later; the given model stays.

    With it: in how many places each rewrite applied.
    """
    places: dict[str, int] = {}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for stage in stages(model, rules_for(target, precision)):
        places[stage.rewrite] = stage.places
        result.CopyFrom(stage.model)
    return result, places


def rules_for(target: Target, precision: Precision = "fp32") -> tuple[Rule, ...]:
    """The rules of a target and a precision, in order."""
    return tuple(rule for rule in RULES if target in rule.targets and precision in rule.precisions)
