"""Let the last convolution compute a square of neighbouring pixels at once, so that its outputs fill a block.

Processors compute 16 output channels at a time; a last convolution with 1 or 4 outputs wastes the rest. A square of
s x s pixels has s*s times the outputs: one convolution of stride s whose kernel is s - 1 wider, each output the same
kernel at its own place among zeros. `DepthToSpace` lays the squares out. No product is added, only zeros.
"""

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..graph.convolutions import (
    BLOCK,
    Convolution,
    constant,
    convolution,
    graph_of,
    insert,
    insert_convolution,
    readers,
    replace,
)

_LARGEST_SQUARE = 4


def fill_output_blocks(model: ir.Model) -> int:
    """Rewrite the convolution that ends the network, directly or through a `DepthToSpace`, where that saves work.

    The network must give back images of the size of its first input: the last, partly filled squares are cut to it.
    """
    graph = model.graph
    image = graph.inputs[0]
    if graph.outputs[0].shape is None or image.shape is None or graph.outputs[0].shape[2:] != image.shape[2:]:
        return 0
    for node in list(graph):
        shuffle = _shuffle_behind(node)
        end = node if shuffle is None else shuffle
        block = 1 if shuffle is None else shuffle.attributes["blocksize"].as_int()
        found = convolution(node)
        if found is not None and _keeps_size(found) and _ends_the_network(end) and (side := _best_square(found)) > 1:
            squares = _in_squares(found, side, block, before=end)
            shuffled = insert(end, "DepthToSpace", [squares], blocksize=side * block, mode="CRD")
            size = insert(end, "Shape", [image], start=2, end=4)
            zero, axes = constant(graph, np.zeros(2, np.int64)), constant(graph, np.array([2, 3]))
            replace(end, insert(end, "Slice", [shuffled, zero, size, axes]))
            return 1
    return 0


def _keeps_size(found: Convolution) -> bool:
    rows, columns = found.weights.shape[2:]
    return found.is_plain and rows == columns and found.attributes["pads"] == (rows // 2,) * 4 and rows % 2 == 1


def _shuffle_behind(node: ir.Node) -> ir.Node | None:
    behind = readers(node.outputs[0])
    if len(behind) != 1 or behind[0].op_type != "DepthToSpace" or behind[0].attributes["mode"].as_string() != "CRD":
        return None
    return behind[0]


def _ends_the_network(node: ir.Node) -> bool:
    """Whether a node's output is the network's, or is only added to its input or subtracted from it to give that."""
    value = node.outputs[0]
    image = graph_of(node).inputs[0]
    return value.is_graph_output() or all(
        reader.op_type in ("Add", "Sub") and image in reader.inputs and reader.outputs[0].is_graph_output()
        for reader in readers(value)
    )


def _best_square(found: Convolution) -> int:
    """The side of the square with the fewest multiply-adds per pixel, blocks of outputs counted whole."""
    outputs, _, kernel, _ = found.weights.shape

    def cost(side: int) -> float:
        return math.ceil(outputs * side**2 / BLOCK) * ((kernel + side - 1) / side) ** 2

    return min(range(1, _LARGEST_SQUARE + 1), key=cost)


def _in_squares(found: Convolution, side: int, block: int, *, before: ir.Node) -> ir.Value:
    """The convolution's outputs of side x side pixels as channels, in the order `DepthToSpace` reads them.

    `block`: pixels of the image per pixel of the map, along one side, that the convolution's own outputs hold.
    """
    outputs, inputs, kernel, _ = found.weights.shape
    colours, wide = outputs // block**2, kernel + side - 1
    weights = np.zeros((colours, side, block, side, block, inputs, wide, wide))
    own: NDArray[np.float64] = found.weights.reshape(colours, block, block, inputs, kernel, kernel)
    for row in range(side):
        for column in range(side):
            weights[:, row, :, column, :, :, row : row + kernel, column : column + kernel] = own
    bias = np.broadcast_to(found.bias.reshape(colours, 1, block, 1, block), weights.shape[:5])
    first, last = kernel // 2, kernel // 2 + side - 1
    return insert_convolution(
        before,
        found.source,
        weights.reshape(-1, inputs, wide, wide),
        bias.reshape(-1),
        strides=(side, side),
        pads=(first, first, last, last),
    )
