"""Which file a precision is measured with, and what is said where there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.bench.methods.lower_precision import calibration_on, in_precision, manifest_of
from hinas.bench.methods.network_files import network_files
from hinas.bench.methods.open_networks import Variants, open_networks
from hinas.bench.peers.peer_registry import PEERS, peer_model
from hinas.bench.peers.peer_weights import RANDOM
from hinas.errors import UserError
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from PIL import Image


def _crops(_: Any) -> list[dict[str, np.ndarray]]:
    return [{"noisy": np.random.default_rng(0).random((1, 1, 32, 32), np.float32)}]


def test_an_fp32_file_becomes_what_its_backend_computes_in(tmp_path: Path) -> None:
    model = peer_model(PEERS["dncnn"], RANDOM)
    int8 = onnx.load_from_string(in_precision(model, "int8", "cpu", _crops))
    assert manifest_of(int8).precision == "int8"
    assert sum(node.op_type == "QuantizeLinear" for node in int8.graph.node) > 10
    (tmp_path / "int8.onnx").write_bytes(int8.SerializeToString())
    noisy = np.random.default_rng(1).random((1, 1, 24, 24), np.float32)
    assert OnnxRuntimeCpu(tmp_path / "int8.onnx", threads=1).run(noisy, None).shape == noisy.shape
    bf16 = onnx.load_from_string(in_precision(model, "bf16", "openvino", _crops))
    assert manifest_of(bf16).precision == "bf16"
    assert bf16.graph == model.graph, "OpenVINO is told; the graph stays"
    fp16 = onnx.load_from_string(in_precision(model, "fp16", "cuda", _crops))
    assert in_precision(model, "fp16", "tensorrt", _crops) == in_precision(model, "fp16", "cuda", _crops)
    assert {item.data_type for item in fp16.graph.initializer} == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize(
    ("precision", "backend", "others"),
    [
        ("fp16", "cpu", "cuda, tensorrt"),
        ("bf16", "cpu", "openvino, cuda, tensorrt"),
        ("fp16", "openvino", "cuda, tensorrt"),
        ("int8", "cuda", "cpu, openvino, tensorrt"),
    ],
)
def test_what_a_backend_does_not_compute_names_those_that_do_and_no_export(
    precision: Any, backend: str, others: str
) -> None:
    model = peer_model(PEERS["dncnn"], RANDOM)
    with pytest.raises(UserError, match=f"for {precision} --backend {others}$") as raised:
        in_precision(model, precision, backend, _crops)
    assert "hinas-export" not in str(raised.value)


def test_what_cannot_be_made_names_the_export() -> None:
    model = peer_model(PEERS["dncnn"], RANDOM)
    with pytest.raises(UserError, match="hinas-export GENOTYPE --target tensorrt --precision bf16, then"):
        in_precision(model, "bf16", "cuda", _crops)


@pytest.mark.parametrize(("precision", "backend"), [("fp16", "cpu"), ("bf16", "cpu"), ("fp16", "openvino")])
@pytest.mark.parametrize("asked", [True, False])
def test_a_file_is_not_measured_in_another_precision_than_its_own(
    models: dict[str, Path], tmp_path: Path, precision: Any, backend: str, asked: bool
) -> None:
    model = onnx.load(models["gray"])
    onnx.helper.set_model_props(model, replace(manifest_of(model), precision=precision).to_metadata())
    onnx.save(model, tmp_path / "reduced.onnx")
    variants = Variants(backends=(backend,), precisions=(precision,) if asked else ())
    with pytest.raises(UserError, match=f"reduced.*: backend {backend} does not compute in {precision}, but in fp32"):
        open_networks(network_files([str(tmp_path / "reduced.onnx")], tmp_path), variants, tmp_path)


def test_int8_is_not_made_of_a_file_that_was_rewritten_for_fp32() -> None:
    model = peer_model(PEERS["dncnn"], RANDOM)
    exported = replace(manifest_of(model), genotype='{"task": {"name": "denoise"}}')
    onnx.helper.set_model_props(model, exported.to_metadata())
    with pytest.raises(UserError, match="hinas-export GENOTYPE --target openvino --precision int8, then"):
        in_precision(model, "int8", "openvino", _crops)
    assert in_precision(model, "bf16", "openvino", _crops)


def test_int8_is_calibrated_at_the_levels_that_pictures_have(tmp_path: Path) -> None:
    Image.new("L", (120, 100), 128).save(tmp_path / "grey.png")
    manifest = manifest_of(peer_model(PEERS["ffdnet"], RANDOM))
    batches = calibration_on((tmp_path,))
    for stated, highest in (((0.0, 255.0), 75), ((0.0, 50.0), 50), ((100.0, 120.0), 120)):
        levels = [float(batch["sigma"][0]) for batch in batches(replace(manifest, sigma_range=stated))]
        assert stated[0] <= min(levels) and highest - 2 < max(levels) <= highest
