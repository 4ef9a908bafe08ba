"""A model's graph at one image size: every tensor's shape, without running the network at that size."""

import math
from dataclasses import dataclass

import onnx

from ...errors import UserError
from ...export.graph.fixed_shape import FixedShape, with_fixed_shape
from ...runtime.model.manifest import PREFIX
from ...runtime.tiling.window_limits import rounded_up
from ..latency.timed_method import Size

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
_SHORT = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


class NoProjectionError(UserError):
    """A model whose graph cannot be read for a projection, on whatever device; it may run all the same."""


@dataclass(frozen=True, kw_only=True)
class StaticGraph:
    """Nodes in the order they run, with what is known of their tensors."""

    nodes: tuple[onnx.NodeProto, ...]
    """Those that work on pictures or feature maps; what computes shapes or constants is gone."""
    shapes: dict[str, tuple[int, ...]]
    """Of every tensor, constants among them."""
    constants: frozenset[str]
    inputs: frozenset[str]
    outputs: frozenset[str]

    def values(self, name: str) -> int:
        """Number of elements of a tensor."""
        return math.prod(self.shapes[name])


def static_graph(model: onnx.ModelProto, size: Size) -> StaticGraph:
    """The graph for one image of `size`, filled up to the model's alignment, batch 1.

    Shapes come from ONNX's shape inference with the sizes fixed and shape arithmetic folded.
    Raises NoProjectionError where a shape cannot be inferred, and for models with uint8 pixels.
    """
    metadata = {item.key: item.value for item in model.metadata_props}
    if any(item.type.tensor_type.elem_type not in _FLOATS for item in model.graph.input):
        raise NoProjectionError("a model that takes uint8 pixels cannot be projected; export it with --io float")
    alignment = int(metadata.get(PREFIX + "alignment", "1"))
    height, width = rounded_up(size.height, alignment), rounded_up(size.width, alignment)
    fixed = with_fixed_shape(model, FixedShape(batch=1, height=height, width=width))
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    described = [*graph.value_info, *graph.input, *graph.output]
    kinds = {item.name: item.type.tensor_type.elem_type for item in described}
    kinds |= {item.name: item.data_type for item in graph.initializer}
    shapes = {item.name: tuple(item.dims) for item in graph.initializer}
    for item in described:
        lengths = item.type.tensor_type.shape.dim
        if item.type.tensor_type.HasField("shape") and all(length.HasField("dim_value") for length in lengths):
            shapes[item.name] = tuple(length.dim_value for length in lengths)
    constants = {item.name for item in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if all(name in constants for name in node.input if name):
            constants.update(node.output)
        elif kinds.get(node.output[0]) in (None, *_FLOATS, *_SHORT):
            nodes.append(node)
    known = frozenset(shapes)
    for node in nodes:
        for name in (*node.input, *node.output):
            if name and name not in known:
                where = f"the shape of {name!r} at node {node.name or node.op_type!r} cannot be inferred"
                raise NoProjectionError(f"{where}; export it without --any-size, if it was exported so")
    return StaticGraph(
        nodes=tuple(nodes),
        shapes=shapes,
        constants=frozenset(constants),
        inputs=frozenset(item.name for item in graph.input),
        outputs=frozenset(item.name for item in graph.output),
    )
