"""Networks as other projects export them: graphs that hinas did not write."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FREE = ["N", 1, "H", "W"]
COLOUR = ["N", 3, "H", "W"]


@dataclass
class Net:
    """A graph as it grows; `x` is the image."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str | np.ndarray, **attributes: Any) -> str:
        names = []
        for item in inputs:
            if isinstance(item, np.ndarray):
                name = f"c{len(self.constants)}"
                self.constants[name] = item
                names.append(name)
            else:
                names.append(item)
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def conv(self, value: str, channels: tuple[int, int], side: int = 3, **attributes: Any) -> str:
        random = np.random.default_rng(len(self.nodes))
        shape = (channels[1], channels[0], side, side)
        kernel = (random.standard_normal(shape) * np.sqrt(1 / np.prod(shape[1:]))).astype(np.float32)
        return self.add("Conv", value, kernel, **{"pads": [side // 2] * 4, **attributes})

    def up(self, value: str, channels: tuple[int, int]) -> str:
        random = np.random.default_rng(len(self.nodes))
        kernel = (random.standard_normal((*channels, 2, 2)) * 0.3).astype(np.float32)
        return self.add("ConvTranspose", value, kernel, strides=[2, 2])

    def model(
        self, output: str, *inputs: tuple[str, list[Any]], opset: int = 17, kind: int = TensorProto.FLOAT
    ) -> onnx.ModelProto:
        given = [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs or [("x", FREE)]]
        made = [helper.make_tensor_value_info(output, kind, None)]
        stored = [numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        graph = helper.make_graph(self.nodes, "theirs", given, made, stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def dncnn_graph(depth: int = 4) -> tuple[Net, str]:
    net = Net()
    value = net.add("Relu", net.conv("x", (1, 4)))
    for _ in range(depth - 2):
        value = net.add("Relu", net.conv(value, (4, 4)))
    return net, net.conv(value, (4, 1))


def dncnn(opset: int = 17) -> onnx.ModelProto:
    net, noise = dncnn_graph()
    return net.model(net.add("Sub", "x", noise), opset=opset)


def ffdnet(level: list[Any], *, has_own_unshuffle: bool = False) -> onnx.ModelProto:
    """At half resolution with a noise map; a level that is one number is spread, and padded images are cropped."""
    net = Net()
    if has_own_unshuffle:
        half = net.add("Concat", *(_phase(net, row, column) for row in (0, 1) for column in (0, 1)), axis=1)
    else:
        half = net.add("SpaceToDepth", "x", blocksize=2)
    told = "level"
    if level[1:] == [1, 1, 1]:
        sides = net.add("Slice", net.add("Shape", half), np.array([2]), np.array([4]))
        told = net.add("Expand", "level", net.add("Concat", np.array([1, 1]), sides, axis=0))
    value = net.add("Relu", net.conv(net.add("Concat", half, told, axis=1), (5, 6)))
    value = net.conv(net.add("Relu", net.conv(value, (6, 6))), (6, 4))
    return net.model(net.add("DepthToSpace", value, blocksize=2, mode="CRD"), ("x", FREE), ("level", level))


def _phase(net: Net, row: int, column: int) -> str:
    end = np.array([1 << 30, 1 << 30])
    return net.add("Slice", "x", np.array([row, column]), end, np.array([2, 3]), np.array([2, 2]))


def unet() -> onnx.ModelProto:
    """Strided convolutions down, transposed ones up; the image comes with a map of the noise as its last channel."""
    net = Net()
    full = net.conv("x", (4, 4))
    half = net.add("Relu", net.conv(full, (4, 6), side=2, strides=[2, 2], pads=[0] * 4))
    low = net.conv(net.add("Relu", net.conv(half, (6, 8), side=4, strides=[2, 2], pads=[1] * 4)), (8, 8))
    half = net.conv(net.add("Add", half, net.up(low, (8, 6))), (6, 6))
    value = net.add("Concat", net.up(half, (6, 4)), full, axis=1)
    return net.model(net.conv(value, (8, 3)), ("x", ["N", 4, "H", "W"]))


def bilinear() -> onnx.ModelProto:
    net = Net()
    small = net.conv(net.add("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2]), (1, 4))
    scales = np.array([1, 1, 2, 2], np.float32)
    large = net.add("Resize", small, "", scales, mode="linear")
    return net.model(net.conv(large, (4, 1)))


def reflecting() -> onnx.ModelProto:
    net = Net()
    padded = net.add("Pad", "x", np.array([0, 0, 2, 2, 0, 0, 2, 2]), mode="reflect")
    value = net.conv(net.conv(padded, (1, 4), pads=[0] * 4), (4, 1), pads=[0] * 4)
    return net.model(value)


def windows() -> onnx.ModelProto:
    """Attention of 4 pixels in a row, all cut from one start, by Reshape, MatMul and Softmax."""
    net = Net()
    rows = net.add("Transpose", "x", perm=[0, 2, 3, 1])
    cut = net.add("Reshape", rows, np.array([0, 0, -1, 4]))
    scores = net.add("MatMul", net.add("Unsqueeze", cut, np.array([4])), net.add("Unsqueeze", cut, np.array([3])))
    mixed = net.add("MatMul", net.add("Softmax", scores, axis=-1), net.add("Unsqueeze", cut, np.array([4])))
    whole = net.add("Reshape", mixed, net.add("Shape", "x"))
    return net.model(net.add("Add", whole, "x"))


def excited() -> onnx.ModelProto:
    """Channel attention: a mean over the whole image weighs the channels."""
    net = Net()
    value = net.conv("x", (3, 4))
    weights = net.add("Sigmoid", net.conv(net.add("GlobalAveragePool", value), (4, 4), side=1))
    return net.model(net.conv(net.add("Mul", value, weights), (4, 3)), ("x", COLOUR))


def rolled() -> onnx.ModelProto:
    """One column goes from the right end to the left one, as where attention shifts its windows."""
    net = Net()
    axis, end = np.array([3]), np.array([1 << 30])
    last = net.add("Slice", "x", np.array([-1]), end, axis)
    return net.model(net.add("Concat", last, net.add("Slice", "x", np.array([0]), np.array([-1]), axis), axis=3))


def placed() -> onnx.ModelProto:
    """What it adds differs from place to place; it is fixed to one size."""
    net = Net()
    ramp = np.linspace(0, 0.5, 64, dtype=np.float32).reshape(1, 1, 1, 64)
    row = net.add("Slice", ramp, np.array([0]), net.add("Slice", net.add("Shape", "x"), np.array([3]), np.array([4])))
    return net.model(net.add("Add", "x", row), ("x", [1, 1, 64, 64]))
