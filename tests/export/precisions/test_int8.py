"""What is written into an int8 model, for each engine, and that it still computes what the float model does."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hinas.errors import UserError
from hinas.export.graph.onnx_from_network import onnx_from_network, with_folded_batchnorm
from hinas.export.graph.variants import TARGETS, Target
from hinas.export.precisions.calibration import CROP_PIXELS, NUM_CROPS, calibration_batches
from hinas.export.precisions.int8 import both_ends, quantised, quantised_within, tensor_ranges
from hinas.export.rewrites.optimise import optimised
from hinas.export.tensorrt.parser_support import for_older_parser, unsupported_nodes
from hinas.network_input import NetworkInput
from hinas.search.genotype import genotype_from_json
from hinas.search.tasks.denoise import Denoise
from onnx import numpy_helper

SIDE = 32


def _plain(document: dict[str, Any]) -> onnx.ModelProto:
    """A network as it is before training, but for its last convolution, which begins at zero."""
    genotype = genotype_from_json(json.dumps(document))
    torch.manual_seed(0)
    network = genotype.built().eval()
    last = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    torch.nn.init.normal_(last.weight, std=0.05)
    return onnx_from_network(with_folded_batchnorm(network), genotype.network_input)


def _batches(model: onnx.ModelProto, seed: int = 0) -> Iterator[dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    channels = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    for sigma in (5, 25, 50, 75):
        batch = {"noisy": random.random((1, channels, SIDE, SIDE), np.float32)}
        if len(model.graph.input) == 2:
            batch["sigma"] = np.full(1, sigma, np.float32)
        yield batch


def _run(model: onnx.ModelProto, batch: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, batch)[0])


def _run_as_written(model: onnx.ModelProto, batch: dict[str, np.ndarray]) -> np.ndarray:
    """What the graph says: Q and DQ rounded, the convolutions between them in fp32.

    8-bit kernels add pairs of products in 16 bits on processors without VNNI, where random weights overflow.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, batch)[0])


def _constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def _convolutions(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.name: node for node in model.graph.node if node.op_type == "Conv"}


@pytest.fixture(scope="module")
def plain_small(small_document: Callable[[int], dict[str, Any]]) -> onnx.ModelProto:
    return _plain(small_document(1))


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


@pytest.fixture(scope="module")
def small(target: Target, plain_small: onnx.ModelProto) -> onnx.ModelProto:
    return optimised(plain_small, target)[0]


def test_weights_are_symmetric_per_channel(target: Target, small: onnx.ModelProto) -> None:
    keep = both_ends(small)
    model = quantised(small, _batches(small), keep, target=target)
    constants = _constants(model)
    dequantised = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    quantising = {node.output[0]: node for node in model.graph.node if node.op_type == "QuantizeLinear"}
    for name, node in _convolutions(model).items():
        if name in keep:
            continue
        weights = dequantised[node.input[1]]
        outputs = len(constants[weights.input[1]])
        assert outputs == len(_constants(small)[_convolutions(small)[name].input[1]])
        assert constants[weights.input[2]].dtype == np.int8
        assert not constants[weights.input[2]].any()
        # TensorRT 8.6 wants the weights themselves in float, with a quantisation of their own.
        assert (weights.input[0] in quantising) == (target == "tensorrt")


def test_activations_are_as_the_engine_wants_them(target: Target, small: onnx.ModelProto) -> None:
    keep = both_ends(small)
    model = quantised(small, _batches(small), keep, target=target)
    constants = _constants(model)
    activations = [
        node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    ]
    assert activations
    zero_points = [constants[node.input[2]] for node in activations]
    assert all(constants[node.input[1]].ndim == 0 for node in activations)
    made_by_convolutions = {name for node in _convolutions(model).values() for name in node.output}
    rounded = [node for node in activations if node.input[0] in made_by_convolutions]
    if target == "ort":
        assert {zero.dtype for zero in zero_points} == {np.dtype(np.uint8)}
        assert rounded
    else:
        assert all(zero.dtype == np.int8 and not zero.any() for zero in zero_points)
        readers = {node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
        assert all(node.output[0] in readers for node in activations)


def test_kept_convolutions_have_float_weights(target: Target, small: onnx.ModelProto) -> None:
    every = frozenset(_convolutions(small))
    one = min(every - both_ends(small))
    model = quantised(small, _batches(small), every - {one}, target=target)
    produced = {name: node.op_type for node in model.graph.node for name in node.output}
    dequantised = {name for name, node in _convolutions(model).items() if node.input[1] in produced}
    assert dequantised == {one}
    unchanged = quantised(small, _batches(small), every, target=target)
    assert not {"QuantizeLinear", "DequantizeLinear"} & {node.op_type for node in unchanged.graph.node}


def test_ranges_serve_any_choice_of_layers(target: Target, small: onnx.ModelProto) -> None:
    ranges = tensor_ranges(small, _batches(small))
    for keep in (frozenset[str](), both_ends(small)):
        direct = quantised(small, _batches(small), keep, target=target)
        assert quantised_within(small, ranges, keep, target=target) == direct


def test_same_input_same_bytes(target: Target, small: onnx.ModelProto) -> None:
    before = small.SerializeToString(deterministic=True)
    first, second = (quantised(small, _batches(small), both_ends(small), target=target) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    assert small.SerializeToString(deterministic=True) == before


def test_a_name_that_is_no_node_is_refused(small: onnx.ModelProto) -> None:
    with pytest.raises(UserError, match="no node nowhere"):
        quantised(small, _batches(small), frozenset({"nowhere"}), target="ort")


def test_values_that_are_not_finite_are_refused(target: Target, small: onnx.ModelProto) -> None:
    broken = onnx.ModelProto()
    broken.CopyFrom(small)
    weights = next(item for item in broken.graph.initializer if len(item.dims) == 4)
    weights.CopyFrom(numpy_helper.from_array(np.full(list(weights.dims), np.nan, np.float32), weights.name))
    with pytest.raises(UserError, match="not finite"):
        quantised(broken, _batches(broken), frozenset(), target=target)


@pytest.mark.slow
def test_random_genotypes_stay_near_float(random_document: Callable[[int], dict[str, Any]], genotype_seed: int) -> None:
    plain = _plain(random_document(genotype_seed))
    for target in TARGETS:
        model, _ = optimised(plain, target)
        changed = quantised(model, _batches(model), both_ends(model), target=target)
        onnx.checker.check_model(changed, full_check=True)
        batch = list(_batches(model, seed=1))[1]
        expected, found = _run(model, batch), _run_as_written(changed, batch)
        assert np.isfinite(found).all()
        noise = np.sqrt(np.mean((found - expected) ** 2))
        # Random weights, some of which multiply what they are given twentyfold; a wrong scale makes it about 1.
        assert noise < 0.3 * np.std(expected - batch["noisy"])
        if target == "tensorrt":
            assert unsupported_nodes(for_older_parser(changed), (8, 6)) == []
            assert unsupported_nodes(changed, (10, 16)) == unsupported_nodes(changed, (11, 4)) == []


def test_both_ends_are_found(small: onnx.ModelProto) -> None:
    kept = both_ends(small)
    nodes = [node for node in small.graph.node if node.op_type == "Conv"]
    assert {nodes[0].name, nodes[-1].name} <= kept
    assert kept < {node.name for node in nodes}


@pytest.mark.parametrize("conditioned", [True, False])
def test_calibration_covers_the_noise_levels(picture_folder: Path, tmp_path: Path, conditioned: bool) -> None:
    from PIL import Image

    for index, path in enumerate(sorted(picture_folder.iterdir())):
        with Image.open(path) as picture:
            picture.resize((120 + index, 101)).save(tmp_path / path.name)
    task = Denoise(range=(10, 60))
    given = NetworkInput(channels=3, alignment=4, level_range=(10, 60) if conditioned else None)
    made = [list(calibration_batches([tmp_path], task=task, given=given)) for _ in range(2)]
    batches = made[0]
    for first, second in zip(*made, strict=True):
        assert first.keys() == second.keys() == ({"noisy", "sigma"} if conditioned else {"noisy"})
        assert all(np.array_equal(first[name], second[name]) for name in first)
    assert all(batch["noisy"].shape == (1, 3, CROP_PIXELS, CROP_PIXELS) for batch in batches)
    assert all(batch["noisy"].dtype == np.float32 for batch in batches)
    files = [batch["noisy"] for batch in batches[1::2]]
    assert all(np.allclose(noisy * 255, (noisy * 255).round(), atol=1e-3) for noisy in files)
    assert batches[-2]["noisy"].max() > 1 > 0 > batches[-2]["noisy"].min()
    if conditioned:
        sigmas = [float(batch["sigma"][0]) for batch in batches]
        assert 10 < sigmas[0] < 11 and 59 < sigmas[-1] < 60 and sigmas == sorted(sigmas)


def test_images_too_small_to_calibrate_on_are_left_out(tmp_path: Path) -> None:
    from PIL import Image

    small, large = tmp_path / "a.png", tmp_path / "b.png"
    Image.new("L", (200, CROP_PIXELS - 1), 10).save(small)
    Image.new("L", (CROP_PIXELS, CROP_PIXELS), 200).save(large)
    task, given = Denoise(range=(0, 0)), NetworkInput(channels=1)
    batches = list(calibration_batches([small, large], task=task, given=given))
    assert len(batches) == NUM_CROPS
    assert all(np.allclose(batch["noisy"] * 255, 200) for batch in batches)
    with pytest.raises(UserError, match=r"a\.png: .*200x95 is smaller than 96x96"):
        calibration_batches([small], task=task, given=given)
    with pytest.raises(UserError, match=r"c\.png: no such file or folder"):
        calibration_batches([large, tmp_path / "c.png"], task=task, given=given)


def test_images_too_small_to_calibrate_on_are_refused(picture_folder: Path) -> None:
    with pytest.raises(UserError, match="smaller than"):
        calibration_batches(
            [picture_folder],
            task=Denoise(range=(25, 25)),
            given=NetworkInput(channels=1),
        )
