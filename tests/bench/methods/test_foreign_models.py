"""Denoisers from elsewhere: every documented form runs as it should, every other is refused with its inputs named."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.bench.methods.foreign_models import in_own_form
from hinas.bench.methods.lower_precision import manifest_of
from hinas.bench.methods.network_files import network_files
from hinas.bench.methods.open_networks import Variants, open_networks
from hinas.errors import UserError
from hinas.runtime.denoiser import Denoiser
from onnx import TensorProto, helper, numpy_helper

FREE = ("N", "H", "W")


def _model(
    *inputs: tuple[str, list[Any]],
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray] | None = None,
    kind: int = TensorProto.FLOAT,
    outputs: tuple[str, ...] = ("y",),
    opset: int = 13,
) -> onnx.ModelProto:
    given = [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs]
    made = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    stored = [numpy_helper.from_array(values, name) for name, values in (constants or {}).items()]
    graph = helper.make_graph(nodes, "foreign", given, made, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def _image(channels: int) -> list[Any]:
    return ["N", channels, "H", "W"]


def _less(image: str, level: str) -> list[onnx.NodeProto]:
    return [helper.make_node("Sub", [image, level], ["y"])]


BLIND = _model(
    ("x", _image(3)),
    nodes=[helper.make_node("Mul", ["x", "half"], ["y"])],
    constants={"half": np.array([0.5], np.float32)},
)
# Inner names are those of hinas's own interface.
SCALAR = _model(("noisy", _image(1)), ("denoised", [1, 1, 1, 1]), nodes=_less("noisy", "denoised"))
MAP = _model(("x", _image(3)), ("sigma", ["N", 1, "H", "W"]), nodes=_less("x", "sigma"))
LIST = _model(
    ("x", _image(1)),
    ("level", ["N"]),
    nodes=[helper.make_node("Reshape", ["level", "shape"], ["l"]), *_less("x", "l")],
    constants={"shape": np.array([-1, 1, 1, 1])},
)
COLUMN = _model(
    ("x", _image(1)),
    ("level", ["N", 1]),
    nodes=[helper.make_node("Reshape", ["level", "shape"], ["l"]), *_less("x", "l")],
    constants={"shape": np.array([-1, 1, 1, 1])},
)
CHANNEL = _model(
    ("x", _image(4)),
    nodes=[helper.make_node("Split", ["x", "parts"], ["image", "map"], axis=1), *_less("image", "map")],
    constants={"parts": np.array([3, 1])},
)


@pytest.mark.parametrize(
    ("model", "channels"), [(SCALAR, 1), (MAP, 3), (LIST, 1), (COLUMN, 1), (CHANNEL, 3), (BLIND, 3)]
)
def test_every_form_of_noise_level_reaches_the_network(model: onnx.ModelProto, channels: int, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "theirs.onnx")
    [source] = network_files([str(tmp_path / "theirs.onnx")], tmp_path)
    [network] = open_networks([source], Variants(), tmp_path)
    assert (network.model, network.manifest.channels, network.manifest.alignment) == ("theirs", channels, 1)
    assert network.source.startswith("theirs.onnx, SHA-256 ")
    image = np.random.default_rng(0).random((13, 17, 3)[: 2 if channels == 1 else 3], np.float32)
    conditioned = model is not BLIND
    result = Denoiser(network.backend)(image, sigma=51 if conditioned else None)
    expected = image - np.float32(0.2) if conditioned else image / 2
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_the_multiple_of_pixels_is_found_by_trying() -> None:
    kernel = np.ones((1, 1, 4, 4), np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["small"], strides=[4, 4]),
        helper.make_node("ConvTranspose", ["small", "k"], ["large"], strides=[4, 4]),
        helper.make_node("Add", ["x", "large"], ["y"]),
    ]
    wrapped = in_own_form(_model(("x", _image(1)), nodes=nodes, constants={"k": kernel}))
    assert manifest_of(wrapped).alignment == 4


def test_the_scale_of_a_super_resolution_network_is_found_by_trying(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["wide"]),
        helper.make_node("DepthToSpace", ["wide"], ["y"], blocksize=3),
    ]
    constants = {"k": np.ones((9, 1, 1, 1), np.float32)}
    onnx.save(_model(("x", _image(1)), nodes=nodes, constants=constants), tmp_path / "theirs.onnx")
    [network] = open_networks(network_files([str(tmp_path / "theirs.onnx")], tmp_path), Variants(), tmp_path)
    assert (network.manifest.scale, network.manifest.alignment) == (3, 1)
    assert network.facts["task"] == "super-resolution x3"
    noisy = np.random.default_rng(0).random((1, 1, 5, 7), np.float32)
    np.testing.assert_array_equal(network.backend.run(noisy, None), noisy.repeat(3, axis=2).repeat(3, axis=3))


TWICE = [helper.make_node("Concat", ["x", "x"], ["y"], axis=2)]
BAKED = [helper.make_node("Reshape", ["x", "flat"], ["f"]), helper.make_node("Reshape", ["f", "square"], ["y"])]
BAKED_SHAPE = {"flat": np.array([1, 4096]), "square": np.array([1, 1, 64, 64])}
SAME = [helper.make_node("Identity", ["x"], ["y"])]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_model(("x", ["N", 1, 64, 64]), nodes=BAKED, constants=BAKED_SHAPE), "takes images of 64 x 64 pixels alone"),
        (_model(("x", _image(5)), nodes=SAME), r"inputs x float \(\?, 5, \?, \?\); outputs y float .*expected float32"),
        (_model(("x", ["N", "H", "W", 3]), nodes=SAME), r"inputs x float \(\?, \?, \?, 3\); "),
        (_model(("x", _image(1)), nodes=SAME, kind=TensorProto.FLOAT16), "x is float16, not float32"),
        (_model(("x", _image(1)), ("a", ["N"]), ("b", ["N"]), nodes=SAME), "no denoiser that hinas can feed"),
        (_model(("x", _image(1)), nodes=TWICE), "does not turn images into images of their size"),
        (_model(("x", _image(1)), nodes=[helper.make_node("Nonsense", ["x"], ["y"])]), "does not load it"),
    ],
)
def test_what_cannot_be_run_is_named(model: onnx.ModelProto, message: str, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "theirs.onnx")
    with pytest.raises(UserError, match=rf"theirs\.onnx: .*({message})"):
        network_files([str(tmp_path / "theirs.onnx")], tmp_path)
