"""How a graph that was not made for hinas gets its noise level: nodes from `sigma` to a map in 0..1."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

PREFIX = "level_"
"""Of the names of all values and constants made here."""


def level_nodes() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes and constants that make `level_scalar` (N, 1, 1, 1) in 0..1 of `sigma` (N,) in grey levels 0..255."""
    nodes = [
        helper.make_node("Reshape", ["sigma", f"{PREFIX}rank4"], [f"{PREFIX}grey"]),
        helper.make_node("Mul", [f"{PREFIX}grey", f"{PREFIX}unit"], [f"{PREFIX}scalar"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([-1, 1, 1, 1], np.int64), f"{PREFIX}rank4"),
        numpy_helper.from_array(np.array(1 / 255, np.float32), f"{PREFIX}unit"),
    ]
    return nodes, constants


def map_nodes(like: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes and constants that spread `level_scalar` to `level_map` (N, 1, H, W), with H and W those of `like`."""
    names = {part: f"{PREFIX}{part}" for part in ("shape", "sides", "spread", "two", "four", "ones")}
    nodes = [
        helper.make_node("Shape", [like], [names["shape"]]),
        helper.make_node("Slice", [names["shape"], names["two"], names["four"]], [names["sides"]]),
        helper.make_node("Concat", [names["ones"], names["sides"]], [names["spread"]], axis=0),
        helper.make_node("Expand", [f"{PREFIX}scalar", names["spread"]], [f"{PREFIX}map"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(values, np.int64), names[part])
        for part, values in (("two", [2]), ("four", [4]), ("ones", [1, 1]))
    ]
    return nodes, constants
