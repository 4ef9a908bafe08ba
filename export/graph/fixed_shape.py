"""A model for inputs of one shape alone: what is computed from shapes becomes constant and goes."""

import onnx
import onnx_ir as ir
import onnxscript.optimizer
from onnx_ir.passes import Sequential
from onnx_ir.passes.common import (
    CommonSubexpressionEliminationPass,
    DeduplicateInitializersPass,
    LiftConstantsToInitializersPass,
    RemoveUnusedNodesPass,
    ShapeInferencePass,
)

from .variants import FixedShape


def with_fixed_shape(model: onnx.ModelProto, shape: FixedShape) -> onnx.ModelProto:
    """A copy of a model with `noisy` (N, C, H, W) in which N, H and W are numbers; its function stays the same."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for item in fixed.graph.input:
        lengths = item.type.tensor_type.shape.dim
        lengths[0].dim_value = shape.batch
        if item.name == "noisy":
            lengths[2].dim_value, lengths[3].dim_value = shape.height, shape.width
    for item in fixed.graph.output:
        item.type.tensor_type.ClearField("shape")
    edited = ir.from_proto(fixed)
    # A folded shape makes the shapes behind it known, so that more can be folded.
    before = len(edited.graph) + 1
    while len(edited.graph) < before:
        before = len(edited.graph)
        ShapeInferencePass()(edited)
        onnxscript.optimizer.fold_constants(edited)
        Sequential(CommonSubexpressionEliminationPass(), RemoveUnusedNodesPass())(edited)
    tidy = Sequential(
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        DeduplicateInitializersPass(),
        RemoveUnusedNodesPass(),
        ShapeInferencePass(),
    )
    tidy(edited)
    result = ir.to_proto(edited)
    del result.graph.value_info[:]
    return result
