"""Merge a 1x1 convolution into the convolutions whose sum it reads.

A state x is the sum of convolutions that nothing else reads; 1x1 convolutions W x + b read it. Then x' = W x + b can be
computed directly: each convolution of the sum takes W into its own weights, and W is gone.

`merge_sole_readers`: W alone reads x, and nothing is lost.
`change_basis`: a second one, V x + c, reads x too and becomes V W^-1 (x' - b) + c. That costs digits: V W^-1 enlarges
what W shrinks, with its rounding errors.
"""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..graph.convolutions import Convolution, all_known, convolution, given, readers, replace, set_weights

LARGEST_CONDITION = 1e4
"""Of the matrices whose inverses are taken: the ratio of the largest and the smallest singular value.

A state that flows into another one of changed basis inherits that one's number as a factor: rounding errors of V W^-1
pass both. The outputs of the two bundled networks (twelve and sixteen cells) then move by 1e-6 and 1.5e-5 in fp32, a
250th of a grey level; with 1e3 by 8e-7 and 4e-6, with 1e6 by 1e-5 both. bf16 rounds 65,000 times as coarsely: there a
change of basis cost 8.6 dB.
"""


def merge_sole_readers(model: ir.Model) -> int:
    """Merge each 1x1 convolution that alone reads a sum of convolutions, and does not widen it, into them."""
    places = 0
    for terms, matrices in _states(model.graph):
        outputs, inputs = matrices[0].weights.shape[:2]
        if len(matrices) == 1 and outputs <= inputs:
            _take_in(terms, matrices[0])
            places += 1
    return places


def change_basis(model: ir.Model) -> int:
    """Where two 1x1 convolutions read a sum of convolutions, merge the better conditioned into it.

    One that is a term of a sum itself stays: merged, it would hand this state's basis on to the next one.
    """
    places = 0
    inherited: dict[ir.Node, float] = {}
    for terms, matrices in _states(model.graph):
        if len(matrices) != 2:
            continue
        pairs = [(matrices[0], matrices[1]), (matrices[1], matrices[0])]
        conditions = [
            float(np.linalg.cond(_matrix(merged))) * inherited.get(other.node, 1.0)
            if _is_square(merged) and not any(reader.op_type == "Add" for reader in readers(merged.output))
            else np.inf
            for merged, other in pairs
        ]
        condition = min(conditions)
        if condition > LARGEST_CONDITION:
            continue
        merged, other = pairs[conditions.index(condition)]
        matrix = _matrix(other) @ np.linalg.inv(_matrix(merged))
        set_weights(other, matrix[:, :, None, None], other.bias - matrix @ merged.bias)
        _take_in(terms, merged)
        inherited |= {term.node: condition for term in terms}
        places += 1
    return places


def _states(graph: ir.Graph) -> Iterator[tuple[list[Convolution], list[Convolution]]]:
    """(the convolutions it is the sum of, the 1x1 convolutions that read it) of each state, the last state first."""
    for node in reversed(list(graph)):
        if node.op_type not in ("Conv", "Add") or node.graph is None or node.outputs[0].is_graph_output():
            continue
        terms, matrices = _terms(node), all_known(map(convolution, readers(node.outputs[0])))
        if terms and matrices and all(item.is_pointwise for item in matrices):
            yield terms, matrices


def _terms(node: ir.Node | None) -> list[Convolution]:
    """The convolutions that a node's output is the sum of; none where something else takes part."""
    if node is not None and node.op_type == "Add":
        sums = [given(node, index) for index in range(2)]
        if any(len(value.uses()) > 1 for value in sums):
            return []
        parts = [_terms(value.producer()) for value in sums]
        return parts[0] + parts[1] if all(parts) else []
    found = convolution(node)
    return [found] if found is not None and found.group == 1 else []


def _matrix(found: Convolution) -> NDArray[np.float64]:
    return found.weights[:, :, 0, 0]


def _is_square(found: Convolution) -> bool:
    return found.weights.shape[0] == found.weights.shape[1]


def _take_in(terms: list[Convolution], merged: Convolution) -> None:
    matrix = _matrix(merged)
    for index, term in enumerate(terms):
        bias = matrix @ term.bias + (merged.bias if index == 0 else 0)
        set_weights(term, np.einsum("oc,cikl->oikl", matrix, term.weights), bias)
    replace(merged.node, merged.source)
