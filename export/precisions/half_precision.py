"""fp16 and bf16 in the graph itself: every tensor typed, casts where the types meet.

Why no library does this: onnxruntime.transformers.float16 (1.31) gave graphs that the checker refuses (not sorted),
clamps weights beyond fp16 without a word, and knows no bf16; onnxconverter-common is its ancestor and no longer kept.

What stays in fp32: inputs and outputs; what takes the picture itself to the output, the node that reads an input and
writes an output (`denoised = noisy - noise`) or a fixed enlargement and the nodes behind it, so that the picture is
never rounded to 8 or 11 bits; the layers to keep; layers whose weights the format cannot
hold. A node that is no layer (an activation, an addition) stays in fp32 where it touches such a layer, directly or over
others of its kind, so that what is kept is not rounded again.
"""

from collections.abc import Iterable, Iterator

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
from onnx import version_converter
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveUnusedNodesPass

from ..graph.convolutions import graph_of
from ..graph.graph_cost import LAYERS

BF16_OPSET = 22
"""The first in which convolutions take bf16; TensorRT 10 and 11 take it too. Their meaning is that of opset 18."""


def fp16(model: onnx.ModelProto, keep: frozenset[str]) -> onnx.ModelProto:
    """A model in fp16 (11 bits, up to 65504); the nodes named in `keep` stay in fp32. The given model stays."""
    return _lowered(model, ir.DataType.FLOAT16, keep)


def bf16(model: onnx.ModelProto, keep: frozenset[str]) -> onnx.ModelProto:
    """A model in bf16 (8 bits, fp32's range), of opset 22; the nodes named in `keep` stay in fp32."""
    newer = version_converter.convert_version(model, BF16_OPSET)
    return _lowered(newer, ir.DataType.BFLOAT16, keep)


def beyond_fp16(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the nodes that `fp16` leaves in fp32 because of their constants."""
    return _beyond(model, ir.DataType.FLOAT16)


def beyond_bf16(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the nodes that `bf16` leaves in fp32 because of their constants."""
    return _beyond(model, ir.DataType.BFLOAT16)


def _beyond(model: onnx.ModelProto, low: ir.DataType) -> frozenset[str]:
    graph = _typed(model).graph
    return frozenset(node.name or "" for node in graph if not _fits_into(node, low))


def _typed(model: onnx.ModelProto) -> ir.Model:
    """A copy in which every value has a type, and every constant is an initializer.

    Networks from elsewhere hold nodes Constant, whose value would keep its type when their result is given another.
    """
    edited = ir.from_proto(onnx.shape_inference.infer_shapes(model, strict_mode=True))
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(edited)
    return edited


def _lowered(model: onnx.ModelProto, low: ir.DataType, keep: frozenset[str]) -> onnx.ModelProto:
    edited = _typed(model)
    graph = edited.graph
    unknown = keep - {node.name for node in graph}
    if unknown:
        raise ValueError(f"no node is called {', '.join(sorted(unknown))}")
    full = _full_precision(graph, low, keep)
    lowered = [node for node in graph if node not in full and any(map(_is_float, node.outputs))]
    casts = _Casts(graph, low, frozenset(value for node in lowered for value in node.outputs if _is_float(value)))
    for node in list(graph):
        if node in lowered:
            casts.read_low(node)
        elif node.op_type not in ("Shape", "Size"):
            casts.read_full(node)
    casts.write_outputs()
    RemoveUnusedNodesPass()(edited)
    result = ir.to_proto(edited)
    del result.graph.value_info[:]
    return result


class _Casts:
    """The casts between values of both precisions, each value cast once."""

    def __init__(self, graph: ir.Graph, low: ir.DataType, lowered: frozenset[ir.Value]) -> None:
        self._graph, self._low, self._lowered = graph, low, lowered
        self._made: dict[ir.Value, ir.Value] = {}
        for value in lowered:
            value.type = ir.TensorType(low)

    def read_low(self, node: ir.Node) -> None:
        """Let a node read its data in low precision."""
        for index in _data_inputs(node):
            value = node.inputs[index]
            if value is not None and _is_float(value):
                node.replace_input_with(index, self._cast(value, self._low))

    def read_full(self, node: ir.Node) -> None:
        """Let a node read its data in fp32."""
        for index, value in enumerate(node.inputs):
            if value in self._lowered:
                node.replace_input_with(index, self._cast(value, ir.DataType.FLOAT))

    def write_outputs(self) -> None:
        """Give every output of the graph back in fp32, under its own name."""
        for index, value in enumerate(self._graph.outputs):
            if value in self._lowered:
                full = self._cast(value, ir.DataType.FLOAT)
                value.name, full.name = f"{value.name}_low", value.name
                full.shape = value.shape
                self._graph.outputs[index] = full

    def _cast(self, value: ir.Value, to: ir.DataType) -> ir.Value:
        if value not in self._made:
            self._made[value] = self._constant(value) if value.is_initializer() else self._node(value, to)
        return self._made[value]

    def _constant(self, value: ir.Value) -> ir.Value:
        assert value.const_value is not None
        array = value.const_value.numpy().astype(self._low.numpy())
        made = ir.Value(name=f"{value.name}_{_SHORT[self._low]}", const_value=ir.tensor(array))
        made.type, made.shape = ir.TensorType(self._low), value.shape
        self._graph.register_initializer(made)
        return made

    def _node(self, value: ir.Value, to: ir.DataType) -> ir.Value:
        node = ir.node("Cast", [value], {"to": to}, name=f"{value.name}_to_{_SHORT[to]}")
        made = node.outputs[0]
        made.name, made.type, made.shape = node.name, ir.TensorType(to), value.shape
        producer = value.producer()
        if producer is None:
            self._graph.insert_before(self._graph[0], node)
        else:
            self._graph.insert_after(producer, node)
        return made


_SHORT = {ir.DataType.FLOAT: "fp32", ir.DataType.FLOAT16: "fp16", ir.DataType.BFLOAT16: "bf16"}


def _full_precision(graph: ir.Graph, low: ir.DataType, keep: frozenset[str]) -> set[ir.Node]:
    """The nodes that stay in fp32."""
    layers = {node for node in graph if node.name in keep or not _fits_into(node, low)}
    ends = {node for node in graph if _reads_input(node) and any(value.is_graph_output() for value in node.outputs)}
    ends |= _enlargement(graph)
    reached = set(layers)
    waiting = list(layers)
    while waiting:
        for node in _neighbours(waiting.pop()):
            if node not in reached and node.op_type not in LAYERS:
                reached.add(node)
                waiting.append(node)
    return reached | ends


_LINEAR = frozenset({"Concat", "Conv", "DepthToSpace", "Identity", "Slice"})


def _enlargement(graph: ir.Graph) -> set[ir.Node]:
    """The one convolution by which a network's base picture is enlarged, and the nodes from there to the output."""
    behind: set[ir.Node] = set()
    node = graph.outputs[0].producer()
    while node is not None and node.op_type == "DepthToSpace":
        behind.add(node)
        node = next(_producers(node), None)
    if node is None or node.op_type != "Sub":
        return set()
    behind.add(node)
    base: set[ir.Node] = set()
    waiting = list(_producers(node))[:1]
    while waiting:
        found = waiting.pop()
        if found.op_type not in _LINEAR:
            return set()
        if found not in base:
            base.add(found)
            waiting += _producers(found)
    return behind | base if sum(found.op_type in LAYERS for found in base) == 1 else set()


def _producers(node: ir.Node) -> Iterator[ir.Node]:
    """What makes the floating-point values a node reads, in the order of its inputs."""
    for value in node.inputs:
        if value is not None and _is_float(value) and (producer := value.producer()) is not None:
            yield producer


def _neighbours(node: ir.Node) -> Iterator[ir.Node]:
    """The nodes whose floating-point results a node reads, or that make such results of its own."""
    yield from _producers(node)
    for value in node.outputs:
        if _is_float(value):
            yield from (reader for reader, _ in value.uses() if any(map(_is_float, reader.outputs)))


def _reads_input(node: ir.Node) -> bool:
    return any(value is not None and _is_float(value) and value.is_graph_input() for value in node.inputs)


def _constants(node: ir.Node) -> Iterable[ir.Value]:
    return (value for value in node.inputs if value is not None and value.is_initializer() and _is_float(value))


def _fits_into(node: ir.Node, low: ir.DataType) -> bool:
    return all(_fits(value, low) for value in _constants(node))


def _fits(value: ir.Value, low: ir.DataType) -> bool:
    """Whether a constant keeps its size and its digits: nothing overflows, and no kernel is subnormal as a whole."""
    assert value.const_value is not None
    sizes = np.abs(value.const_value.numpy())
    largest = sizes.max(initial=0.0)
    limits = ml_dtypes.finfo(low.numpy())
    return largest <= float(limits.max) and (sizes.ndim < 2 or largest == 0 or largest >= float(limits.smallest_normal))


def _is_float(value: ir.Value) -> bool:
    return value.dtype == ir.DataType.FLOAT


def _data_inputs(node: ir.Node) -> list[int]:
    """The inputs that have the type of the first one by the operator's definition: Resize's scales have not."""
    formal = onnx.defs.get_schema(node.op_type, graph_of(node).opset_imports[node.domain], node.domain).inputs
    kinds = [formal[min(index, len(formal) - 1)].type_str for index in range(len(node.inputs))]
    return [index for index, kind in enumerate(kinds) if kind == kinds[0]]
