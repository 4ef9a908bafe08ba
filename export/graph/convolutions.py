"""A graph's convolutions as numbers: read them, change their weights, put new ones in.

Shapes: O outputs, I inputs of each group, KK kernel rows and columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Item = TypeVar("Item")

BLOCK = 16
"""Channels that processors compute together: AVX-512 holds 16 float32. With AVX2 it is 8, of which 16 is a multiple."""
POINTWISE_ACTIVATIONS = ("Relu", "LeakyRelu")
"""Operators that act on every value alone and keep zero: they commute with concatenation and with padded channels."""


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A 2-D convolution with constant weights."""

    node: ir.Node
    weights: NDArray[np.float64]
    """(O, I, K, K)."""
    bias: NDArray[np.float64]
    """(O,), zeros where the node has none."""
    group: int
    attributes: Mapping[str, Any]
    """Strides, pads and dilations as the node has them."""

    @property
    def source(self) -> ir.Value:
        """What it reads."""
        return given(self.node, 0)

    @property
    def output(self) -> ir.Value:
        """What it computes."""
        return self.node.outputs[0]

    @property
    def is_plain(self) -> bool:
        """Whether one dense kernel visits every pixel: neither groups nor strides nor dilation."""
        steps = (*self.attributes["strides"], *self.attributes["dilations"])
        return self.group == 1 and set(steps) == {1}

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a matrix applied to each pixel's channels."""
        return self.is_plain and self.weights.shape[2:] == (1, 1) and not any(self.attributes["pads"])

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is convolved alone, one output for each."""
        return self.group > 1 and self.weights.shape[:2] == (self.group, 1)


def convolution(node: ir.Node | None) -> Convolution | None:
    """The node as numbers; None where it is no convolution with constant weights and explicit padding."""
    if node is None or node.op_type != "Conv":
        return None
    attributes = {name: item.value for name, item in node.attributes.items()}
    constants = [None if value is None else value.const_value for value in node.inputs[1:]]
    if None in constants or attributes.get("auto_pad", "NOTSET") != "NOTSET":
        return None
    weights, *bias = [item.numpy().astype(np.float64) for item in constants if item is not None]
    return Convolution(
        node=node,
        weights=weights,
        bias=bias[0] if bias else np.zeros(len(weights)),
        group=attributes.get("group", 1),
        attributes={
            "strides": tuple(attributes.get("strides", (1, 1))),
            "pads": tuple(attributes.get("pads", (0, 0, 0, 0))),
            "dilations": tuple(attributes.get("dilations", (1, 1))),
        },
    )


def readers(value: ir.Value) -> list[ir.Node]:
    """The nodes that read a value, each once, in a fixed order."""
    return list(dict.fromkeys(node for node, _ in value.uses()))


def given(node: ir.Node, index: int) -> ir.Value:
    """An input that the node must have."""
    value = node.inputs[index]
    assert value is not None, f"{node.name} lacks input {index}"
    return value


def channels_of(value: ir.Value) -> int | None:
    """How many channels a feature map has, followed back to the convolutions it comes from; None: unknown."""
    node = value.producer()
    if node is None:
        return None
    if (found := convolution(node)) is not None:
        return len(found.weights)
    if node.op_type == "Concat" and node.attributes["axis"].as_int() == 1:
        parts = all_known(channels_of(given(node, index)) for index in range(len(node.inputs)))
        return None if parts is None else sum(parts)
    if node.op_type in (*POINTWISE_ACTIVATIONS, "Add", "Resize"):
        return channels_of(given(node, 0))
    return None


def all_known(items: Iterable[Item | None]) -> list[Item] | None:
    """The items as a list; None where one is unknown."""
    found = list(items)
    known = [item for item in found if item is not None]
    return known if len(known) == len(found) else None


def insert(before: ir.Node, operator: str, inputs: Sequence[ir.Value], **attributes: Any) -> ir.Value:
    """Put a new node into the graph in front of another; returns its output."""
    node = ir.node(operator, inputs, attributes)
    graph_of(before).insert_before(before, node)
    return node.outputs[0]


def insert_convolution(
    before: ir.Node,
    source: ir.Value,
    weights_OIKK: NDArray[np.float64],
    bias_O: NDArray[np.float64] | None,
    **attributes: Any,
) -> ir.Value:
    """Put a new convolution into the graph in front of a node; returns its output. Weights become float32."""
    constants = [array.astype(np.float32) for array in (weights_OIKK, bias_O) if array is not None]
    inputs = [source, *(constant(graph_of(before), array) for array in constants)]
    return insert(before, "Conv", inputs, kernel_shape=weights_OIKK.shape[2:], **attributes)


def set_weights(found: Convolution, weights_OIKK: NDArray[np.float64], bias_O: NDArray[np.float64]) -> None:
    """Give a convolution other weights, rounded to float32; kernel size and padding stay."""
    graph = graph_of(found.node)
    found.node.resize_inputs(3)
    found.node.replace_input_with(1, constant(graph, weights_OIKK.astype(np.float32)))
    found.node.replace_input_with(2, constant(graph, bias_O.astype(np.float32)))


def constant(graph: ir.Graph, array: NDArray[Any]) -> ir.Value:
    """A new constant of the graph, under a name of its own."""
    number = len(graph.initializers)
    while (name := f"constant_{number}") in graph.initializers:
        number += 1
    value = ir.Value(name=name, const_value=ir.tensor(np.ascontiguousarray(array), name=name))
    graph.register_initializer(value)
    return value


def replace(old: ir.Node, new: ir.Value) -> None:
    """Let all readers of a node's output read another value, and remove the node; an output keeps its name."""
    value = old.outputs[0]
    if value.is_graph_output():
        value.name, new.name = None, value.name
        new.type, new.shape = value.type, value.shape
    value.replace_all_uses_with(new, replace_graph_outputs=True)
    graph_of(old).remove(old, safe=True)


def graph_of(node: ir.Node) -> ir.Graph:
    """The graph a node stands in."""
    graph = node.graph
    assert isinstance(graph, ir.Graph), f"{node.name} stands in no graph"
    return graph
