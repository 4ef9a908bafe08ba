"""Nodes that make of `sigma`, the noise level in grey levels, what a network's noise input is given."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

NodesAndConstants = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]
LEVEL = "level_"
"""Begins the names of all values and constants that carry the noise level."""


def level_nodes(factor: float = 1 / 255) -> NodesAndConstants:
    """Nodes and constants that make `level_scalar` (N, 1, 1, 1), `factor` times `sigma` (N,) in grey levels 0..255."""
    nodes = [
        helper.make_node("Reshape", ["sigma", f"{LEVEL}rank4"], [f"{LEVEL}grey"]),
        helper.make_node("Mul", [f"{LEVEL}grey", f"{LEVEL}unit"], [f"{LEVEL}scalar"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([-1, 1, 1, 1], np.int64), f"{LEVEL}rank4"),
        numpy_helper.from_array(np.array(factor, np.float32), f"{LEVEL}unit"),
    ]
    return nodes, constants


def map_nodes(like: str, *, reduced: int = 1) -> NodesAndConstants:
    """Nodes and constants that spread `level_scalar` to `level_map` (N, 1, H, W), with H and W those of `like`.

    `reduced`: H and W are this many times smaller.
    """
    names = {part: f"{LEVEL}{part}" for part in ("shape", "sides", "spread", "two", "four", "ones")}
    nodes = [
        helper.make_node("Shape", [like], [names["shape"]]),
        helper.make_node("Slice", [names["shape"], names["two"], names["four"]], [names["sides"]]),
    ]
    constants = [
        numpy_helper.from_array(np.array(values, np.int64), names[part])
        for part, values in (("two", [2]), ("four", [4]), ("ones", [1, 1]))
    ]
    sides = names["sides"]
    if reduced > 1:
        constants.append(numpy_helper.from_array(np.array([reduced], np.int64), f"{LEVEL}reduced"))
        nodes.append(helper.make_node("Div", [sides, f"{LEVEL}reduced"], [f"{LEVEL}fewer"]))
        sides = f"{LEVEL}fewer"
    nodes += [
        helper.make_node("Concat", [names["ones"], sides], [names["spread"]], axis=0),
        helper.make_node("Expand", [f"{LEVEL}scalar", names["spread"]], [f"{LEVEL}map"]),
    ]
    return nodes, constants
