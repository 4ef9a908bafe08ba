"""Where int8 costs most: the convolutions at a network's two ends, kept in float before any measurement."""

from collections import defaultdict
from math import prod

import onnx


def both_ends(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the convolutions at the image's end of a graph and at the output's.

    At the image's end those with no convolution before them; at the output's those with no more than one dense
    convolution of several pixels from there to the output, themselves included: the last one, and the pointwise and
    depthwise ones before it. They are a small part of the work and most of int8's loss.
    """
    weights = {item.name: tuple(item.dims) for item in model.graph.initializer}
    behind_convolution: set[str] = set()
    names: set[str] = set()
    for node in model.graph.node:
        reached = behind_convolution.intersection(node.input)
        if node.op_type == "Conv" and not reached:
            names.add(node.name)
        if node.op_type == "Conv" or reached:
            behind_convolution.update(node.output)
    dense_ahead: dict[str, int] = defaultdict(int)
    for node in reversed(model.graph.node):
        count = max(dense_ahead[name] for name in node.output)
        if node.op_type == "Conv":
            channels, *kernel = weights[node.input[1]][1:]
            count += channels > 1 and prod(kernel) > 1
            if count <= 1:
                names.add(node.name)
        for name in node.input:
            dense_ahead[name] = max(dense_ahead[name], count)
    return frozenset(names)
