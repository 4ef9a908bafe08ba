"""The inputs of a graph, and the shapes that it states."""

import onnx

Shape = tuple[int | None, ...]
"""Lengths of axes; None: free."""


def fed(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs without the constants that old files list among them."""
    constants = {item.name for item in graph.initializer}
    return [item for item in graph.input if item.name not in constants]


def shape_of(item: onnx.ValueInfoProto) -> Shape:
    """Lengths of the axes; None: free."""
    lengths = item.type.tensor_type.shape.dim
    return tuple(length.dim_value if length.HasField("dim_value") else None for length in lengths)
