"""Costs counted from a graph agree with those counted by hand."""

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.export.graph.graph_cost import cost_of_graph
from onnx import TensorProto, helper, numpy_helper


def _model(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    given = helper.make_tensor_value_info("noisy", TensorProto.FLOAT, ["n", 4, "h", "w"])
    result = helper.make_tensor_value_info("denoised", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "costs", [given], [result], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_dense_strided_and_depthwise_convolutions() -> None:
    constants = {
        "dense": np.zeros((8, 4, 3, 3), np.float32),
        "bias": np.zeros(8, np.float32),
        "depthwise": np.zeros((8, 1, 3, 3), np.float32),
        "shape": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["noisy", "dense", "bias"], ["half"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["half", "depthwise"], ["denoised"], group=8, pads=[1, 1, 1, 1]),
    ]
    cost = cost_of_graph(_model(nodes, constants))
    assert cost.parameters == 8 * 4 * 9 + 8 + 8 * 9
    assert cost.macs_per_pixel == pytest.approx((8 * 4 * 9 + 8 * 9) / 4)


def test_zeros_that_fill_a_block_do_not_count() -> None:
    padded = np.zeros((16, 4, 3, 3), np.float32)
    padded[:5, :3] = 1
    nodes = [helper.make_node("Conv", ["noisy", "padded"], ["denoised"], pads=[1, 1, 1, 1])]
    cost = cost_of_graph(_model(nodes, {"padded": padded}))
    assert cost.parameters == 5 * 3 * 9
    assert cost.macs_per_pixel == pytest.approx(5 * 3 * 9)


def test_quantised_weights_count_and_their_scales_do_not() -> None:
    constants = {
        "whole": np.full((8, 4, 3, 3), 7, np.int8),
        "scales": np.full(8, 0.1, np.float32),
        "zeros": np.zeros(8, np.int8),
        "bias": np.ones(8, np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["whole", "scales", "zeros"], ["weights"], axis=0),
        helper.make_node("Conv", ["noisy", "weights", "bias"], ["denoised"], pads=[1, 1, 1, 1]),
    ]
    cost = cost_of_graph(_model(nodes, constants))
    assert cost.parameters == 8 * 4 * 9 + 8
    assert cost.macs_per_pixel == 8 * 4 * 9


def test_a_graph_that_does_not_run_is_a_users_error() -> None:
    nodes = [helper.make_node("Conv", ["noisy", "wrong"], ["denoised"])]
    with pytest.raises(UserError, match="ONNX Runtime cannot run the model"):
        cost_of_graph(_model(nodes, {"wrong": np.zeros((8, 3, 3, 3), np.float32)}))
