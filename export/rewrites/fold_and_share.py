"""Compute what is constant not at all, and what is computed twice once: the libraries' own passes."""

import onnx_ir as ir
import onnxscript.optimizer
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, RemoveUnusedNodesPass


def fold_and_share(model: ir.Model) -> int:
    """Fold constants, share equal nodes such as the activations of one map; places are the nodes that went."""
    before = len(model.graph)
    onnxscript.optimizer.fold_constants(model)
    CommonSubexpressionEliminationPass()(model)
    RemoveUnusedNodesPass()(model)
    return before - len(model.graph)
