"""Every graph hinas exports is one that TensorRT's parser takes, in each version."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hinas.export.freeze import frozen_model
from hinas.export.tensorrt.parser_support import for_older_parser, unsupported_nodes, with_plain_shapes
from hinas.runtime.model.bundled_models import MODELS_FOLDER, bundled_names
from hinas.runtime.model.manifest import ModelManifest
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_settings
from onnx import TensorProto, helper, numpy_helper

VERSIONS = ((8, 6), (10, 16), (11, 4))
_SMALL = {"layers": 1, "nodes": 2, "width": 4, "compact_width": 4}
RESIZING = 19
"""The seed of a random genotype that resizes; of the first ten none does."""


def _agree(first: onnx.ModelProto, second: onnx.ModelProto) -> bool:
    manifest = ModelManifest.from_metadata({item.key: item.value for item in first.metadata_props})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    side = 3 * manifest.alignment
    feeds = {"noisy": np.random.default_rng(0).random((2, manifest.channels, side, 2 * side), dtype=np.float32)}
    if manifest.conditioned:
        feeds["sigma"] = np.array([10, 50], np.float32)
    sessions = [
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for model in (first, second)
    ]
    one, other = (np.asarray(session.run(None, feeds)[0]) for session in sessions)
    return np.array_equal(one, other)


def _require_taken_by_all(model: onnx.ModelProto) -> None:
    plain = for_older_parser(model)
    onnx.checker.check_model(plain, full_check=True)
    assert not [node.name for node in plain.graph.node if node.op_type == "Shape" and node.attribute]
    assert _agree(model, plain)
    for version in VERSIONS:
        assert unsupported_nodes(plain if version[0] < 10 else model, version) == []


@pytest.mark.parametrize("name", bundled_names())
def test_the_bundled_models(name: str) -> None:
    _require_taken_by_all(onnx.load(MODELS_FOLDER / f"{name}.onnx"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3, 29, 40, RESIZING])
def test_random_genotypes(random_document: Callable[[int], dict[str, Any]], seed: int) -> None:
    content, _ = frozen_model(genotype_from_json(json.dumps(random_document(seed))), None)
    _require_taken_by_all(onnx.load_from_string(content))


def test_networks_with_deformable_convolutions() -> None:
    space = space_named("hinas")
    settings = space_settings("hinas", {**space.presets["v1"].settings, **_SMALL})
    networks = (space.random(settings, Random(seed)) for seed in range(50))
    deformable = next(network for network in networks if "def_3x3" in str(network))
    genotype = Genotype(space="hinas", task=TaskDescription(channels=1), network=deformable)
    model = onnx.load_from_string(frozen_model(genotype, None, "tensorrt")[0])
    assert {"GridSample", "Range"} <= {node.op_type for node in model.graph.node}
    assert unsupported_nodes(model, (10, 16)) == unsupported_nodes(model, (11, 4)) == []


def test_a_shape_of_some_axes_stays_what_it_is() -> None:
    def model(attributes: dict[str, Any]) -> onnx.ModelProto:
        node = helper.make_node("Shape", ["noisy"], ["denoised"], name="shape", **attributes)
        given = helper.make_tensor_value_info("noisy", TensorProto.FLOAT, ["n", 3, "h", "w"])
        result = helper.make_tensor_value_info("denoised", TensorProto.INT64, ["axes"])
        graph = helper.make_graph([node], "shapes", [given], [result])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        manifest = ModelManifest(channels=3, halo=0, conditioned=False, weights="random", genotype="{}")
        helper.set_model_props(made, manifest.to_metadata())
        return made

    for start in (None, 0, 1, 3, -1, -3, -9):
        for end in (None, 1, 2, 4, 9, -1, -3):
            given = model({name: at for name, at in (("start", start), ("end", end)) if at is not None})
            plain = with_plain_shapes(given)
            assert all(not node.attribute for node in plain.graph.node)
            assert _agree(given, plain)


def _graph(*nodes: onnx.NodeProto, types: tuple[int, int] = (TensorProto.FLOAT, TensorProto.FLOAT)) -> onnx.ModelProto:
    given = helper.make_tensor_value_info("x", types[0], [1, 4, 8, 8])
    result = helper.make_tensor_value_info("y", types[1], None)
    constants = {
        "scale": np.array(0.1, np.float32),
        "zero": np.array(0, np.int8),
        "one": np.array(1, np.int8),
        "four": np.ones(4, np.float32),
        "axis": np.array([2]),
        "shape": np.array([1, 4, 8, 8]),
        "is_black": np.array(False),
        "repeats": np.array([1, 1, 2, 2]),
        "grid": np.zeros((1, 8, 8, 2), np.float32),
        "grid_3d": np.zeros((1, 2, 8, 8, 3), np.float32),
    }
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "graph", [given], [result], initializers)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _node(operator: str, inputs: str = "x", output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), [output], name=f"the_{operator}", **attributes)


_TO_BYTES_AND_BACK = (_node("Cast", output="a", to=TensorProto.UINT8), _node("Cast", "a", to=TensorProto.FLOAT))
_FROM_BYTES_TO_BYTES = (_node("Cast", output="a", to=TensorProto.FLOAT), _node("Cast", "a", to=TensorProto.UINT8))
_QUANTISED = (_node("QuantizeLinear", "x scale zero", "q"), _node("DequantizeLinear", "q scale zero"))
_SHIFTED = (_node("QuantizeLinear", "x scale one", "q"), _node("DequantizeLinear", "q scale one"))
_CHOSEN_AXIS = _node("Identity", "axis", "chosen")
_IN_THREE = _node("Unsqueeze", "x axis", "volume")
_BYTES = (TensorProto.UINT8, TensorProto.UINT8)
_BFLOAT16 = (TensorProto.BFLOAT16, TensorProto.BFLOAT16)
_DOUBLE = (TensorProto.DOUBLE, TensorProto.DOUBLE)


@pytest.mark.parametrize(
    ("model", "version", "expected"),
    [
        (_graph(_node("Det")), (11, 4), "not an operator that TensorRT's parser is known to take"),
        (_graph(_node("Gelu", domain="com.microsoft")), (11, 4), "not an operator that TensorRT's parser is known"),
        (_graph(_node("ReduceMean")), (8, 6), "defined by opset 18, the parser takes up to 17"),
        (_graph(_node("ReduceMean")), (10, 16), None),
        (_graph(_node("Relu"), types=_BFLOAT16), (8, 6), "the parser does not take it for BFLOAT16"),
        (_graph(_node("Relu"), types=_BFLOAT16), (10, 16), None),
        (_graph(_node("Relu"), types=_DOUBLE), (10, 16), "the parser does not take it for DOUBLE"),
        (_graph(_node("Transpose"), types=_BYTES), (11, 4), "the parser does not take it for UINT8"),
        (_graph(*_FROM_BYTES_TO_BYTES, types=_BYTES), (11, 4), None),
        (_graph(*_TO_BYTES_AND_BACK), (11, 4), "UINT8 is for inputs and outputs of the network only"),
        (_graph(*_QUANTISED), (11, 4), None),
        (_graph(*_SHIFTED), (11, 4), "its zero point must be 0"),
        *[
            (_graph(_node(operator, inputs), types=(TensorProto.FLOAT, kind)), (version, 6), None)
            for operator, inputs, kind in (
                ("Erf", "x", TensorProto.FLOAT),
                ("Elu", "x", TensorProto.FLOAT),
                ("Log", "x", TensorProto.FLOAT),
                ("GlobalMaxPool", "x", TensorProto.FLOAT),
                ("Equal", "x scale", TensorProto.BOOL),
                ("Where", "is_black x x", TensorProto.FLOAT),
                ("Tile", "x repeats", TensorProto.FLOAT),
                ("Range", "scale scale scale", TensorProto.FLOAT),
                ("ConstantOfShape", "shape", TensorProto.FLOAT),
                ("GridSample", "x grid", TensorProto.FLOAT),
                ("InstanceNormalization", "x four four", TensorProto.FLOAT),
            )
            # Some are defined anew by an opset that 8.6 does not know.
            for version in ((10,) if operator in ("ConstantOfShape", "Equal", "GridSample") else (8, 10))
        ],
        (_graph(_node("ReduceMin", "x axis")), (10, 16), None),
        (_graph(_CHOSEN_AXIS, _node("ReduceMin", "x chosen")), (10, 16), "its axes must be constants"),
        (_graph(_node("InstanceNormalization", "x y y", "z")), (8, 6), "its scale and bias must be constants"),
        (_graph(_node("InstanceNormalization", "x y y", "z")), (10, 16), None),
        (_graph(_IN_THREE, _node("GridSample", "volume grid_3d")), (11, 4), "its input must have 4 axes, not 5"),
        (_graph(_node("GridSample", "x grid"), types=_BFLOAT16), (10, 16), "the parser does not take it for BFLOAT16"),
        (_graph(_node("Where", "is_black x x"), types=_DOUBLE), (10, 16), "the parser does not take it for DOUBLE"),
    ],
)
def test_what_the_parser_does_not_take_is_named(
    model: onnx.ModelProto, version: tuple[int, int], expected: str | None
) -> None:
    found = unsupported_nodes(model, version)
    if expected is None:
        assert found == []
        return
    assert any(line.partition(": ")[2].startswith(expected) for line in found)
    operators = [node.op_type for node in model.graph.node]
    assert found[0].startswith(tuple(f"the_{operator} ({operator}): " for operator in operators))
