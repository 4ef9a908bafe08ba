"""Networks as ONNX graphs with random weights, written down layer by layer: for timing only."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...runtime.manifest import ModelManifest

_OPSET = 18


class GraphBuilder:
    """A growing graph from `noisy` to `denoised`. Tensors are known by name; every method returns its result's."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Any operator with one output."""
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], name=f"n{len(self._nodes)}", **attributes))
        return output

    def conv(self, value: str, num_in: int, num_out: int, *, kernel: int = 3, groups: int = 1, stride: int = 1) -> str:
        """A convolution with bias; the size stays, or is divided by the stride."""
        shape = (num_out, num_in // groups, kernel, kernel)
        pad = (kernel - stride + 1) // 2
        weights = self._weight(shape, num_in // groups * kernel**2)
        bias = self._weight((num_out,), 1)
        return self.node("Conv", value, weights, bias, group=groups, strides=[stride] * 2, pads=[pad] * 4)

    def upward_conv(self, value: str, num_in: int, num_out: int) -> str:
        """A transposed 2x2 convolution that doubles the size."""
        return self.node("ConvTranspose", value, self._weight((num_in, num_out, 2, 2), num_in), strides=[2, 2])

    def norm(self, value: str, channels: int) -> str:
        """Batch normalisation with statistics that change nothing."""
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        return self.node("BatchNormalization", value, *(self._constant(item) for item in (ones, zeros, zeros, ones)))

    def relu(self, value: str) -> str:
        """The usual activation."""
        return self.node("Relu", value)

    def model(self, result: str, *, alignment: int = 1) -> onnx.ModelProto:
        """The finished model, a hinas model file that says it is for timing."""
        self._nodes.append(helper.make_node("Identity", [result], ["denoised"], name="end"))
        given = helper.make_tensor_value_info("noisy", TensorProto.FLOAT, ["B", self.channels, "H", "W"])
        made = helper.make_tensor_value_info("denoised", TensorProto.FLOAT, ["B", self.channels, "height", "width"])
        graph = helper.make_graph(self._nodes, "known", [given], [made], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
        manifest = ModelManifest(
            channels=self.channels, halo=0, alignment=alignment, conditioned=False, weights="random", genotype="{}"
        )
        helper.set_model_props(model, manifest.to_metadata())
        return model

    def _weight(self, shape: tuple[int, ...], num_summed: int) -> str:
        # Scaled so that values neither grow nor die: denormal numbers would be slow.
        return self._constant(self._random.standard_normal(shape).astype(np.float32) / np.float32(num_summed**0.5))

    def _constant(self, values: np.ndarray) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name
