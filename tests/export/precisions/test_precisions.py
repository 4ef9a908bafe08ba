"""fp16 and bf16 graphs: every tensor typed, what is kept is kept, and the rounding is the format's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import onnx
import pytest
import torch
from hinas.errors import UserError
from hinas.export.checks.model_runs import emulated, opened_in_onnxruntime
from hinas.export.freeze import plain_export
from hinas.export.graph.graph_cost import LAYERS
from hinas.export.graph.variants import PRECISIONS, file_of, precisions_of
from hinas.export.precisions.half_precision import bf16, fp16
from hinas.export.precisions.table import reduction_for
from hinas.export.rewrites.optimise import optimised
from hinas.export.tensorrt.parser_support import unsupported_nodes
from hinas.runtime.model.manifest import Precision
from hinas.search.genotype import genotype_from_json
from hinas.search.learning.weights import save_weights
from onnx import TensorProto, helper, numpy_helper

FORMATS = (
    pytest.param(fp16, TensorProto.FLOAT16, torch.float16, id="fp16"),
    pytest.param(bf16, TensorProto.BFLOAT16, torch.bfloat16, id="bf16"),
)
NOTHING: frozenset[str] = frozenset()


def _types(model: onnx.ModelProto) -> dict[str, int]:
    onnx.checker.check_model(model, full_check=True)
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, check_type=True).graph
    types = {item.name: item.type.tensor_type.elem_type for item in (*graph.input, *graph.value_info, *graph.output)}
    return types | {item.name: item.data_type for item in graph.initializer}


def _is_typed_throughout(model: onnx.ModelProto, low: int, *, full: set[str]) -> bool:
    """Whether every node computes on one floating-point type: `low`, but fp32 for the nodes named in `full`."""
    types = _types(model)
    for node in model.graph.node:
        if node.op_type in ("Cast", "Shape"):
            continue
        floats = {types[name] for name in (*node.input, *node.output) if types.get(name) in (TensorProto.FLOAT, low)}
        if node.op_type == "Resize":
            floats -= {types[node.input[2]]}  # its scales are fp32 by the operator's definition
        if floats - {TensorProto.FLOAT if node.name in full else low}:
            return False
    return True


def _end(model: onnx.ModelProto) -> set[str]:
    """The node that takes the noise off the picture."""
    return {node.name for node in model.graph.node if "noisy" in node.input and "denoised" in node.output}


@pytest.mark.slow
def test_random_genotypes_in_both_formats(
    random_document: Callable[[int], dict[str, Any]], tmp_path: Path, genotype_seed: int
) -> None:
    genotype = genotype_from_json(json.dumps(random_document(genotype_seed)))
    torch.manual_seed(genotype_seed)
    network = genotype.built()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else 0.2 * torch.randn_like(tensor))
    save_weights(network, tmp_path / "w.safetensors", identity=genotype.identity, training={})
    plain = plain_export(genotype, tmp_path / "w.safetensors")
    side = 4 * plain.geometry.alignment
    random = np.random.default_rng(genotype_seed)
    feeds = {"noisy": random.random((2, genotype.task.channels, side, 2 * side), dtype=np.float32)}
    if plain.given.conditioned:
        feeds["sigma"] = np.array([10, 50], np.float32)
    for target in ("ort", "tensorrt"):
        errors = []
        for precision, write, low in (("fp16", fp16, TensorProto.FLOAT16), ("bf16", bf16, TensorProto.BFLOAT16)):
            full, _ = optimised(plain.model, target, cast(Precision, precision))
            model = write(full, NOTHING)
            assert _is_typed_throughout(model, low, full=_end(full))
            for version in ((10, 16), (11, 4)):
                assert unsupported_nodes(model, version) == []
            assert [(item.name, item.type) for item in model.graph.input] == [
                (item.name, item.type) for item in full.graph.input
            ]
            assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
            expected = opened_in_onnxruntime(full)(feeds)
            found = opened_in_onnxruntime(emulated(model))(feeds)
            computed = feeds["noisy"] - expected if _end(full) else expected
            errors.append(float(np.abs(found - expected).max() / np.abs(computed).max()))
        # Every value of the graph is rounded once, by half a unit of 11 or 8 bits.
        roundings = len(full.graph.node)
        assert 0 < errors[0] < roundings * 2**-11
        assert 0 < errors[1] < roundings * 2**-8
        # They are three bits apart.
        assert 2 < errors[1] / errors[0] < 32


def _chain(*kernels: np.ndarray, residual: bool = True) -> onnx.ModelProto:
    """conv_0, relu_0, conv_1, relu_1 ... of 3x3 convolutions without bias, and the residual."""
    nodes, value = [], "noisy"
    for index in range(len(kernels)):
        nodes.append(helper.make_node("Conv", [value, f"w{index}"], [f"c{index}"], f"conv_{index}", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"], f"relu_{index}"))
        value = f"r{index}"
    if residual:
        nodes.append(helper.make_node("Sub", ["noisy", value], ["denoised"], "sub"))
    else:
        nodes[-1].output[0] = "denoised"
    shape = ["batch", 1, "height", "width"]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("noisy", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("denoised", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(kernel.astype(np.float32), f"w{index}") for index, kernel in enumerate(kernels)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _kernels(scale: float = 1.0) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shapes = [(4, 1, 3, 3), (4, 4, 3, 3), (1, 4, 3, 3)]
    return [scale * random.integers(-9, 10, shape).astype(np.float64) for shape in shapes]


@pytest.mark.parametrize(("write", "low", "torch_type"), FORMATS)
@pytest.mark.parametrize("kept", [(), (1,)])
def test_each_result_is_rounded_once(
    write: Callable[..., onnx.ModelProto], low: int, torch_type: torch.dtype, kept: tuple[int, ...]
) -> None:
    kernels = _kernels()
    model = write(_chain(*kernels), frozenset(f"conv_{index}" for index in kept))
    noisy = np.random.default_rng(1).integers(0, 2**13, (1, 1, 12, 9)).astype(np.float32) / np.float32(2**13)
    found = opened_in_onnxruntime(emulated(model))({"noisy": noisy})

    def rounded(values: torch.Tensor) -> torch.Tensor:
        return values.to(torch_type).double()

    # Whole numbers and short fractions: the sums are exact, in fp32 too, so that only the roundings count.
    value = torch.from_numpy(noisy).double()
    for index, kernel in enumerate(kernels):
        sums = torch.nn.functional.conv2d(rounded(value), torch.from_numpy(kernel), padding=1)
        value = torch.relu(sums if index in kept else rounded(sums))
    np.testing.assert_array_equal(found, noisy - value.numpy().astype(np.float32))
    assert _is_typed_throughout(
        model, low, full={"sub", *(f"{kind}_{index}" for index in kept for kind in ("conv", "relu"))} | _touched(kept)
    )


def _touched(kept: tuple[int, ...]) -> set[str]:
    """What stands before a kept layer and is none itself."""
    return {f"relu_{index - 1}" for index in kept}


@pytest.mark.parametrize(("write", "low", "torch_type"), FORMATS)
def test_an_output_computed_in_low_precision_is_cast(
    write: Callable[..., onnx.ModelProto], low: int, torch_type: torch.dtype
) -> None:
    model = write(_chain(*_kernels(), residual=False), NOTHING)
    assert _is_typed_throughout(model, low, full=set())
    assert model.graph.node[-1].op_type == "Cast"
    assert [item.name for item in model.graph.output] == ["denoised"]


@pytest.mark.parametrize(("largest", "stays_in"), [(7e4, {"fp16"}), (6e4, set()), (5e-5, {"fp16"}), (1e-4, set())])
def test_weights_that_a_format_cannot_hold_stay_in_fp32(largest: float, stays_in: set[str]) -> None:
    kernels = _kernels()
    kernels[1] *= largest / np.abs(kernels[1]).max()
    model = _chain(*kernels)
    formats: tuple[tuple[Precision, Callable[..., onnx.ModelProto], int], ...] = (
        ("fp16", fp16, TensorProto.FLOAT16),
        ("bf16", bf16, TensorProto.BFLOAT16),
    )
    for name, write, low in formats:
        types = _types(written := write(model, NOTHING))
        convolutions = [node for node in written.graph.node if node.op_type in LAYERS]
        kinds = [{types[value] for value in (*node.input, *node.output)} for node in convolutions]
        assert kinds[0] == kinds[2] == {low}
        assert kinds[1] == {TensorProto.FLOAT if name in stays_in else low}
        named = {"conv_1"} if name in stays_in else set()
        assert reduction_for(name, "tensorrt", model, ()).always_kept == named


def _with_constant_node(node: onnx.NodeProto) -> onnx.ModelProto:
    """conv_0, its result times what the node gives, and the residual: as torch's older exporter writes `* 0.1`."""
    model = _chain(_kernels()[0][:1], residual=False)
    model.graph.node[-1].output[0] = "r0"
    model.graph.node.extend(
        [
            node,
            helper.make_node("Mul", ["r0", node.output[0]], ["scaled"], "scale"),
            helper.make_node("Sub", ["noisy", "scaled"], ["denoised"], "sub"),
        ]
    )
    return model


@pytest.mark.parametrize(("write", "low", "torch_type"), FORMATS)
def test_nodes_that_hold_constants_are_constants_like_others(
    write: Callable[..., onnx.ModelProto], low: int, torch_type: torch.dtype
) -> None:
    noisy = np.random.default_rng(1).random((1, 1, 12, 9), np.float32)
    for factor in (0.1, 7e4):
        node = helper.make_node("Constant", [], ["factor"], "factor", value_float=factor)
        tensor = numpy_helper.from_array(np.array([factor], np.float32), "value")
        for constant in (node, helper.make_node("Constant", [], ["factor"], "factor", value=tensor)):
            full = _with_constant_node(constant)
            model = write(full, NOTHING)
            is_beyond = factor > 65504 and low == TensorProto.FLOAT16
            kept = {"sub"} | ({"scale", "relu_0"} if is_beyond else set())
            assert _is_typed_throughout(model, low, full=kept)
            expected = opened_in_onnxruntime(full)({"noisy": noisy})
            found = opened_in_onnxruntime(emulated(model))({"noisy": noisy})
            assert 0 < np.abs(found - expected).max() < 2**-6 * np.abs(noisy - expected).max()
            name: Precision = "fp16" if low == TensorProto.FLOAT16 else "bf16"
            assert ("scale" in reduction_for(name, "tensorrt", full, ()).always_kept) == is_beyond


def test_the_given_model_stays_and_the_same_comes_out_twice() -> None:
    model = _chain(*_kernels())
    before = model.SerializeToString(deterministic=True)
    keep = frozenset({"conv_0", "conv_2"})
    for write in (fp16, bf16):
        twice = {write(model, keep).SerializeToString(deterministic=True) for _ in range(2)}
        assert len(twice) == 1
    assert model.SerializeToString(deterministic=True) == before


def test_a_name_that_no_node_has_is_a_defect() -> None:
    with pytest.raises(ValueError, match="no node is called conv_9"):
        fp16(_chain(*_kernels()), frozenset({"conv_9"}))


def test_names() -> None:
    assert set(PRECISIONS) == set(get_args(Precision))
    assert precisions_of("bf16, fp32") == ("bf16", "fp32")
    for text in ("fp8", "fp16,fp16", ""):
        with pytest.raises(UserError, match=r"--precision: got .*, expected one or more of fp32, .*, each once"):
            precisions_of(text)


def test_a_file_is_called_after_what_differs() -> None:
    first: Any = ("openvino", "fp32")
    names: dict[Any, str] = {
        first: "m.onnx",
        ("openvino", "bf16"): "m.bf16.onnx",
        ("tensorrt", "fp32"): "m.tensorrt.onnx",
        ("tensorrt", "fp16"): "m.tensorrt.fp16.onnx",
        ("tensorrt", "int8"): "m.tensorrt.int8.onnx",
        # As hinas-denoise looks for them, whatever came first.
        ("openvino", "int8"): "m.openvino.int8.onnx",
        ("ort", "int8"): "m.ort.int8.onnx",
    }
    for variant, name in names.items():
        assert file_of(variant, first, Path("m.onnx")) == Path(name)
    only: Any = ("ort", "int8")
    assert file_of(only, only, Path("m.onnx")) == Path("m.onnx")
