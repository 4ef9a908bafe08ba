"""Every rewrite keeps the function on whole networks, applies where it should, and leaves alone what it should."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from hinas.export.graph.onnx_from_network import onnx_from_network, with_folded_batchnorm
from hinas.export.graph.variants import TARGETS
from hinas.export.rewrites.blocked_layout import carry_leaky_relus, pad_channels
from hinas.export.rewrites.fill_output_blocks import fill_output_blocks
from hinas.export.rewrites.merge_pointwise import change_basis, merge_sole_readers
from hinas.export.rewrites.optimise import RULES, Rule, fold_and_share, optimised, stages
from hinas.export.rewrites.split_concat import split_concatenations
from hinas.search.genotype import genotype_from_json
from onnx import TensorProto, helper, numpy_helper

SIZES = ((1, 1), (3, 2), (5, 9), (17, 12))
"""In units of the alignment; the halo of most networks here is larger than most of them."""
TOLERANCE = 1e-5
"""Of the largest output."""


@dataclass(frozen=True)
class Exported:
    model: onnx.ModelProto
    alignment: int


def _exported(document: dict[str, Any], shake: Callable[[str, torch.Tensor], None]) -> Exported:
    genotype = genotype_from_json(json.dumps(document))
    torch.manual_seed(0)
    network = genotype.built().eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                shake(name, tensor)
    model = onnx_from_network(with_folded_batchnorm(network), genotype.network_input)
    return Exported(model, genotype.network_input.alignment)


def _shaken(name: str, tensor: torch.Tensor) -> None:
    tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else 0.2 * torch.randn_like(tensor))


def _well_conditioned(name: str, tensor: torch.Tensor) -> None:
    _shaken(name, tensor)
    if "squeeze" in name and tensor.ndim == 4:
        torch.nn.init.orthogonal_(tensor)


def _network(cells: list[Any], **more: Any) -> dict[str, Any]:
    network: dict[str, Any] = {"width": 8, "width_factors": [1.0], "stem": {"resolution": "half", "channels": 8}}
    network |= {"end": {"channels": 8, "early_channels": 4}, "normalisation": "none", "cells": cells} | more
    return {
        "format": "hinas-genotype", "version": 1, "space": "hinas", "task": {"name": "denoise", "channels": 1},
        "network": network,
    }  # fmt: skip


CHAIN = [{"level": 0, "nodes": [[["conv_3x3", 0], ["skip", 1]]]}] * 5
NODES = [
    {"level": 0, "nodes": [[["conv_3x3", 0], ["skip", 1]], [["sep_3x3", 2], ["dil_3x3", 0]]]},
    {"level": 1, "nodes": [[["skip", 0], ["conv_3x3", 1]], [["conv_3x3", 2], ["skip", 0]]]},
]


@pytest.fixture(scope="module")
def networks(random_document: Callable[[int], dict[str, Any]]) -> dict[str, Exported]:
    """Plain exports by name: a chain of cells, a leaky network of several nodes and widths, random ones."""
    chain = _network(CHAIN, width=16, conditioning={"range": [0, 75]})
    leaky = _network(
        NODES,
        width=12,
        width_factors=[1.0, 1.25],
        stem={"resolution": "full", "channels": 14},
        end={"channels": 13, "early_channels": 12},
    )
    return {
        "chain": _exported(chain, _well_conditioned),
        "leaky": _exported(leaky, _shaken),
        **{f"random {seed}": _exported(random_document(seed), _shaken) for seed in (3, 29, 40)},
    }


def _outputs(model: onnx.ModelProto, alignment: int) -> list[np.ndarray]:
    """What ONNX Runtime computes without rewrites of its own."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    outputs: list[np.ndarray] = []
    for height, width in SIZES:
        given = session.get_inputs()
        shape = (2, given[0].shape[1], height * alignment, width * alignment)
        feeds = {"noisy": random.random(shape, dtype=np.float32)}
        if len(given) == 2:
            feeds["sigma"] = np.array([5, 60], np.float32)
        outputs.append(np.asarray(session.run(None, feeds)[0]))
    return outputs


def _assert_same_function(model: onnx.ModelProto, exported: Exported) -> None:
    onnx.checker.check_model(model, full_check=True)
    before, after = _outputs(exported.model, exported.alignment), _outputs(model, exported.alignment)
    for expected, got in zip(before, after, strict=True):
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() <= TOLERANCE * np.abs(expected).max()


def _alone(model: onnx.ModelProto, rewrite: Callable[[ir.Model], int]) -> tuple[onnx.ModelProto, int]:
    (stage,) = stages(model, (Rule(rewrite, TARGETS, ""),))
    return stage.model, stage.places


@pytest.mark.slow
def test_each_rewrite_alone_and_each_chain_keep_the_function(networks: dict[str, Exported]) -> None:
    applied: set[str] = set()
    for exported in networks.values():
        content = exported.model.SerializeToString(deterministic=True)
        for rule in RULES:
            model, places = _alone(exported.model, rule.rewrite)
            if places:
                applied.add(rule.name)
                _assert_same_function(model, exported)
        for target in TARGETS:
            model, _ = optimised(exported.model, target)
            _assert_same_function(model, exported)
            again, _ = optimised(exported.model, target)
            assert again.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)
        assert exported.model.SerializeToString(deterministic=True) == content
    # The exporter itself leaves nothing to fold or share; the split concatenations do.
    assert applied == {rule.name for rule in RULES} - {"fold_and_share"}


def _count(model: onnx.ModelProto, *operators: str) -> int:
    return sum(node.op_type in operators for node in model.graph.node)


@pytest.mark.slow
def test_places_are_as_many_as_the_network_has(networks: dict[str, Exported]) -> None:
    chain, leaky = networks["chain"].model, networks["leaky"].model
    # Of five states the last leads to the end part, the fourth has one reader, the first three have two.
    assert _alone(chain, merge_sole_readers)[1] == 1
    changed, places = _alone(chain, change_basis)
    assert places == 3
    assert _count(chain, "Conv") - _count(changed, "Conv") == 3
    # The end part's concatenation leads to one 1x1 convolution, through a depthwise one.
    split, places = _alone(chain, split_concatenations)
    assert (places, _count(split, "Concat") - _count(chain, "Concat")) == (1, -1)
    # The first cell's output is read by the second's squeeze, the second's by the end part; and the end part's own.
    split, places = _alone(leaky, split_concatenations)
    assert (places, _count(split, "Concat")) == (3, 0)
    assert _alone(split, fold_and_share)[1] == 1


def _singular(name: str, tensor: torch.Tensor) -> None:
    _shaken(name, tensor)
    if "squeeze" in name and tensor.ndim == 4:
        tensor[0] = tensor[1]


@pytest.mark.slow
def test_a_basis_that_loses_digits_is_not_taken() -> None:
    exported = _exported(_network(CHAIN), _singular)
    assert _alone(exported.model, change_basis)[1] == 0


def _single(convolution: dict[str, Any], outputs: int, block: int, *, residual: bool) -> Exported:
    """A network of one convolution from a map of 5 channels, and what shuffles its outputs to the image's size."""
    random = np.random.default_rng(outputs)
    weights = {
        "up": random.standard_normal((5, 1, block, block)),
        "w": random.standard_normal((outputs, 5, 3, 3)),
        "b": random.standard_normal(outputs),
    }
    nodes = [
        helper.make_node("Conv", ["noisy", "up"], ["map"], strides=[block, block]),
        helper.make_node("Conv", ["map", "w", "b"], ["last"], **convolution),
    ]
    result = "last"
    if block > 1:
        nodes.append(helper.make_node("DepthToSpace", ["last"], ["shuffled"], blocksize=block, mode="CRD"))
        result = "shuffled"
    if residual:
        nodes.append(helper.make_node("Sub", ["noisy", result], ["denoised"]))
    else:
        nodes[-1].output[0] = "denoised"
    image = ["b", 1, "h", "w"]
    result_shape = ["b", outputs // block**2, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "single",
        [helper.make_tensor_value_info("noisy", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("denoised", TensorProto.FLOAT, result_shape)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return Exported(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), block)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize(
    ("outputs", "block", "expected"), [(1, 1, 1), (3, 1, 1), (4, 2, 1), (12, 2, 0), (16, 4, 0), (16, 1, 0)]
)
def test_the_last_convolution_fills_its_blocks(outputs: int, block: int, expected: int, residual: bool) -> None:
    exported = _single({"pads": [1, 1, 1, 1]}, outputs, block, residual=residual)
    model, places = _alone(exported.model, fill_output_blocks)
    assert places == expected
    _assert_same_function(model, exported)


@pytest.mark.parametrize("convolution", [{}, {"pads": [2, 2, 2, 2], "dilations": [2, 2]}, {"pads": [2, 0, 0, 2]}])
def test_only_a_dense_size_keeping_convolution_is_packed(convolution: dict[str, Any]) -> None:
    exported = _single(convolution, 1, 1, residual=False)
    assert _alone(exported.model, fill_output_blocks)[1] == 0


@pytest.mark.slow
def test_onnx_runtime_stays_in_its_blocked_layout(networks: dict[str, Exported], tmp_path: Path) -> None:
    """What padding and carrying are for: no reordering between the first convolution and the last."""
    exported = networks["leaky"]
    model, _ = _alone(exported.model, split_concatenations)
    if not any(node.domain == "com.microsoft.nchwc" for node in _loaded(model, tmp_path).graph.node):
        pytest.skip("ONNX Runtime has no blocked layout on this processor")
    assert _count(_loaded(model, tmp_path), "ReorderInput", "LeakyRelu") > 0
    for rewrite in (pad_channels, carry_leaky_relus):
        model, _ = _alone(model, rewrite)
    assert _count(_loaded(model, tmp_path), "ReorderInput", "LeakyRelu") == 0


def _loaded(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """The graph as ONNX Runtime runs it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "loaded.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "loaded.onnx")
