"""Which nodes of a graph an engine runs as one kernel.

The rule, a simplification of what TensorRT and ONNX Runtime do:
- Nodes that only look at the same values otherwise (Reshape, Identity, ...) cost nothing, nor do QuantizeLinear and
  DequantizeLinear: they become part of what they stand beside.
- An elementwise node (activation, addition, ...) joins the kernel that made one of its operands, if nobody else reads
  that operand and it has as many values as the result. Of several such kernels it joins the last: the others have
  run by then. So a convolution takes its bias, its activation and a residual sum along, and only what it reads besides
  and writes at the end moves through memory.
- Every other node is a kernel of its own; Concat, Slice, Transpose and their like copy.
"""

from collections import Counter
from dataclasses import dataclass, field

import onnx

from .static_graph import StaticGraph

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
    """The one tensor that leaves it."""


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
