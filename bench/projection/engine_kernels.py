"""Which nodes of a graph an engine runs as one kernel, and what each kernel computes and moves.

The rule, a simplification of what TensorRT and ONNX Runtime do:
- Nodes that only look at the same values otherwise (Reshape, Identity, ...) cost nothing, nor do QuantizeLinear and
  DequantizeLinear: they become part of what they stand beside.
- An elementwise node (activation, addition, ...) joins the kernel that made one of its operands, if nobody else reads
  that operand and it has as many values as the result. Of several such kernels it joins the last: the others have
  run by then. So a convolution takes its bias, its activation and a residual sum along, and only what it reads besides
  and writes at the end moves through memory.
- Every other node is a kernel of its own; Concat, Slice, Transpose and their like copy.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import onnx

from ...export.graph.graph_cost import LAYERS
from ..latency.timed_method import Size
from .static_graph import StaticGraph, static_graph

Kind = Literal["dense", "pointwise", "grouped", "other"]
"""dense: convolutions of 3x3 and more; pointwise: of 1x1, and matrix products; grouped: depthwise and its like."""
_READS_WHAT_IT_WRITES = ("Gather", "Slice", "Split")
_PICTURE_BYTES = 4
"""Input and output of a network are float32 in every precision."""
_VIEWS = (
    "DequantizeLinear",
    "Dropout",
    "Flatten",
    "Identity",
    "QuantizeLinear",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
)
_ELEMENTWISE = (
    "Abs",
    "Add",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Div",
    "Elu",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "Relu",
    "Round",
    "Sigmoid",
    "Sqrt",
    "Sub",
    "Tanh",
)


@dataclass(kw_only=True)
class Kernel:
    """Nodes that run as one."""

    nodes: list[onnx.NodeProto]
    """The first is what the kernel does; the others are elementwise."""
    reads: list[str] = field(default_factory=list)
    """Tensors from outside, constants among them, views seen through; twice read, twice listed."""
    writes: str
    """The tensor that leaves it, the first of several."""


def kernels_of(graph: StaticGraph) -> list[Kernel]:
    """Group the nodes of a graph; every node that is no view is in exactly one kernel."""
    source: dict[str, str] = {}

    def seen_through(name: str) -> str:
        return source.get(name, name)

    working: list[onnx.NodeProto] = []
    for node in graph.nodes:
        if node.op_type in _VIEWS:
            source[node.output[0]] = seen_through(node.input[0])
        else:
            working.append(node)
    readers = Counter(seen_through(name) for node in working for name in node.input if name)
    readers.update(seen_through(name) for name in graph.outputs)

    kernels: list[Kernel] = []
    made_by: dict[str, int] = {}
    for node in working:
        inputs = [seen_through(name) for name in node.input if name]
        output = node.output[0]
        joined = [
            made_by[name]
            for name in inputs
            if node.op_type in _ELEMENTWISE
            and name in made_by
            and readers[name] == inputs.count(name)
            and graph.values(name) == graph.values(output)
        ]
        if joined:
            index = max(joined)
            kernel = kernels[index]
            kernel.nodes.append(node)
            kernel.reads += [name for name in inputs if name != kernel.writes]
            kernel.writes = output
        else:
            index = len(kernels)
            kernels.append(Kernel(nodes=[node], reads=inputs, writes=output))
        made_by[output] = index
    return kernels


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelWork:
    """One kernel's work."""

    name: str
    """Of its first node, or of what it writes where nodes have no names."""
    operator: str
    """Its nodes' operators, joined by +."""
    kind: Kind
    macs: int
    """Multiply-adds as the graph states them; additions and activations are not counted."""
    in_channels: int
    """Each output value sums over; 0 where there are no multiply-adds."""
    out_channels: int
    bytes_read: int
    """Weights and biases among them."""
    bytes_written: int

    @property
    def bytes(self) -> int:
        """All that moves through memory."""
        return self.bytes_read + self.bytes_written


def layers_of(model: onnx.ModelProto, size: Size, *, value_bytes: int) -> list[KernelWork]:
    """The kernels of a model for one image of `size`, batch 1, in the order they run.

    `value_bytes`: of one value of a feature map or a weight. Raises NoProjectionError as `static_graph` does.
    """
    graph = static_graph(model, size)
    return [_layer(kernel, graph, value_bytes) for kernel in kernels_of(graph)]


def _layer(kernel: Kernel, graph: StaticGraph, value_bytes: int) -> KernelWork:
    first = kernel.nodes[0]

    def moved(name: str) -> int:
        width = _PICTURE_BYTES if name in graph.inputs or name in graph.outputs else value_bytes
        return width * graph.values(name)

    # A Split has several outputs; the first, or what was made of it, is what the kernel is said to write.
    written = moved(kernel.writes) + sum(moved(name) for node in kernel.nodes for name in node.output[1:] if name)
    read = sum(moved(name) for name in kernel.reads)
    if first.op_type in _READS_WHAT_IT_WRITES:
        read = written
    kind, macs, in_channels, out_channels = _work(first, graph)
    return KernelWork(
        name=first.name or kernel.writes,
        operator="+".join(node.op_type for node in kernel.nodes),
        kind=kind,
        macs=macs,
        in_channels=in_channels,
        out_channels=out_channels,
        bytes_read=read,
        bytes_written=written,
    )


def _work(node: onnx.NodeProto, graph: StaticGraph) -> tuple[Kind, int, int, int]:
    """(kind, multiply-adds, channels summed over, channels made)."""
    if node.op_type not in LAYERS:
        return "other", 0, 0, 0
    given, weights, output = (graph.shapes[name] for name in (node.input[0], node.input[1], node.output[0]))
    if node.op_type in ("Conv", "ConvTranspose"):
        groups = next((item.i for item in node.attribute if item.name == "group"), 1)
        kind: Kind = "grouped" if groups > 1 else "pointwise" if math.prod(weights[2:]) == 1 else "dense"
        places = math.prod(output) if node.op_type == "Conv" else math.prod(given)
        return kind, places * math.prod(weights[1:]), given[1] // groups, output[1] // groups
    transposed = any(item.name == "transA" and item.i for item in node.attribute)
    depth = given[-2] if transposed else given[-1]
    return "pointwise", math.prod(output) * depth, depth, output[-1]
