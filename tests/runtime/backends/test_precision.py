"""`--precision`: what layers in floating point are computed in; never lowered unasked, refused where it cannot be."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.backends import openvino_cpu
from hinas.runtime.backends.backend import Arithmetic
from hinas.runtime.backends.open_backend import open_backend
from hinas.runtime.backends.openvino_cpu import OpenVinoCpu
from hinas.runtime.model.manifest import ModelManifest, Precision
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from stand_ins.model_files import written_as

Models = dict[str, Path]
openvino = pytest.importorskip("openvino")
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
needs_bf16 = pytest.mark.skipif(not HAS_BF16, reason="this processor does not compute in bf16")


@pytest.mark.parametrize(
    ("written", "arithmetic", "said"),
    [
        ("fp32", "fp32", "fp32"),
        ("fp32", "bf16", "bf16"),
        ("bf16", "fp32", "fp32"),
        ("fp16", "fp32", "fp16"),
        ("int8", "fp32", "int8"),
        ("int8", "bf16", "int8 and bf16"),
    ],
)
def test_what_a_model_is_computed_in_is_said(written: Precision, arithmetic: Arithmetic, said: str) -> None:
    assert openvino_cpu.computed_in(written, arithmetic) == said


def exploding_model(path: Path) -> Path:
    """A network whose largest value, for white, is finite in fp32 and rounds to infinity in bf16."""
    one = 2.0**127

    def weight(name: str, *values: float) -> TensorProto:
        return numpy_helper.from_array(np.array(values, np.float32).reshape(-1, 1, 1, 1), name)

    nodes = [
        helper.make_node("Conv", ["noisy", "copies"], ["two"], kernel_shape=[1, 1]),
        # 2^127 and 2^127 (1 - 2^-8), both exact in bf16: their sum lies half-way to 2^128.
        helper.make_node("Conv", ["two", "up"], ["high"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["high"], ["positive"]),
        helper.make_node("Conv", ["positive", "down"], ["denoised"], kernel_shape=[1, 1]),
    ]
    up = numpy_helper.from_array(np.array([one, one * (1 - 2**-8)], np.float32).reshape(1, 2, 1, 1), "up")
    weights = [weight("copies", 1, 1), up, weight("down", 2.0**-126)]
    pixels = ["B", 1, "H", "W"]
    graph = helper.make_graph(
        nodes,
        "exploding",
        [helper.make_tensor_value_info("noisy", TensorProto.FLOAT, pixels)],
        [helper.make_tensor_value_info("denoised", TensorProto.FLOAT, pixels)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    manifest = ModelManifest(channels=1, halo=0, conditioned=False, weights="trained", genotype="{}")
    helper.set_model_props(model, manifest.to_metadata())
    onnx.save(model, path)
    return path


@needs_bf16
def test_bf16_is_bf16_and_auto_takes_the_backend_that_has_it(models: Models) -> None:
    noisy = np.random.default_rng(0).random((1, 1, 64, 64), np.float32)
    sigma = np.full(1, 25, np.float32)
    exact, half = (open_backend("openvino", models["gray"], precision=name) for name in ("fp32", "bf16"))
    auto = open_backend("auto", models["gray"], precision="bf16")
    assert (exact.precision, half.precision) == ("fp32", "bf16")
    assert ", bf16," in auto.description and ", fp32," in exact.description
    difference = np.abs(half.run(noisy, sigma) - exact.run(noisy, sigma)).max()
    assert 1e-5 < difference < 0.1
    assert np.array_equal(auto.run(noisy, sigma), half.run(noisy, sigma))


def test_auto_never_lowers_a_precision(models: Models) -> None:
    for size in (1, 10**9):
        assert open_backend("auto", models["gray"]).for_job(size).precision == "fp32"


@needs_bf16
def test_the_floating_point_rest_of_an_int8_model_is_bf16_where_the_processor_has_it(
    models: Models, tmp_path: Path
) -> None:
    model = written_as("int8", models["gray"], tmp_path / "int8.onnx")
    own, exact, half = (open_backend("openvino", model, precision=name) for name in (None, "fp32", "bf16"))
    assert (own.precision, exact.precision, half.precision) == ("int8 and bf16", "int8", "int8 and bf16")
    assert exact.in_fp32() is None
    twin = own.in_fp32()
    assert twin is not None and twin.precision == "int8"
    noisy, sigma = np.random.default_rng(0).random((1, 1, 64, 64), np.float32), np.full(1, 25, np.float32)
    assert np.array_equal(own.run(noisy, sigma), half.run(noisy, sigma))
    assert not np.array_equal(own.run(noisy, sigma), exact.run(noisy, sigma))


@needs_bf16
@pytest.mark.parametrize(("checked", "said"), [("fp32", "int8"), ("bf16", "int8 and bf16")])
def test_an_int8_file_is_computed_as_it_was_checked(models: Models, tmp_path: Path, checked: str, said: str) -> None:
    model = written_as("int8", models["gray"], tmp_path / "int8.onnx", float_arithmetic=checked)
    assert open_backend("openvino", model).precision == said
    assert open_backend("openvino", model, precision="bf16").precision == "int8 and bf16", "it was asked for"


def test_fp32_is_what_a_bf16_file_can_also_run_in(models: Models, tmp_path: Path) -> None:
    model = written_as("bf16", models["gray"], tmp_path / "half.onnx")
    noisy, sigma = np.random.default_rng(0).random((1, 1, 64, 64), np.float32), np.full(1, 25, np.float32)
    exact = open_backend("openvino", models["gray"]).run(noisy, sigma)
    for name in ("openvino", "cpu"):
        backend = open_backend(name, model, precision="fp32")
        np.testing.assert_allclose(backend.run(noisy, sigma), exact, atol=1e-5)


@pytest.mark.parametrize(("written", "asked"), [("fp32", "bf16"), ("bf16", "bf16"), ("int8", "bf16"), ("fp16", "fp32")])
def test_a_backend_that_cannot_says_so(models: Models, tmp_path: Path, written: str, asked: str) -> None:
    model = written_as(written, models["gray"], tmp_path / "model.onnx")
    with pytest.raises(UserError, match=rf"precision {asked}: this backend cannot run a model written for {written}"):
        open_backend("cpu", model, precision=asked)  # type: ignore[arg-type]


def test_a_processor_without_bf16_says_so_where_it_was_asked_for(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Core(openvino.Core):
        def get_property(self, *_: object) -> list[str]:
            return ["FP32", "INT8"]

    core = Core()
    monkeypatch.setattr(openvino_cpu, "openvino_core", lambda: core)
    with pytest.raises(UserError, match=r"gray\.onnx: precision bf16 was asked for, which this processor does not"):
        OpenVinoCpu(models["gray"], precision="bf16")
    assert OpenVinoCpu(models["gray"], precision="fp32").precision == "fp32"
    assert OpenVinoCpu(written_as("int8", models["gray"], tmp_path / "int8.onnx")).precision == "int8"


@needs_bf16
@pytest.mark.parametrize("written", ["fp32", "bf16", "int8"])
def test_windows_that_overflow_in_bf16_run_again_in_fp32_from_the_same_file(tmp_path: Path, written: str) -> None:
    model = written_as(written, exploding_model(tmp_path / "fp32.onnx"), tmp_path / "model.onnx")
    image = np.full((40, 50), 128, np.uint8)
    image[5, 5] = 255
    expected = Denoiser.load(model, "openvino", precision="fp32", tile=20)(image)
    denoiser = Denoiser.load(model, "openvino", precision="bf16", tile=20)
    assert len(denoiser.plan_for(image)) > 1
    heard: list[str] = []
    result = denoiser(image, listener=heard.append)
    assert len(heard) == 1, "the other windows are finite"
    assert re.search("not finite in .*bf16 for one window; it was run again in fp32", heard[0])
    assert np.array_equal(result, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_models_that_come_and_go_leave_the_stack_of_signal_handlers_alone(models: Models) -> None:
    """OpenVINO's Core sets it up and takes it down; with several of them Ctrl-C ended in a segmentation fault."""
    program = f"""
import ctypes, signal
from pathlib import Path
import numpy as np
from hinas.runtime.backends.openvino_cpu import OpenVinoCpu

class Stack(ctypes.Structure):
    _fields_ = [("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

def address():
    stack = Stack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    return stack.address

addresses = []
for _ in range(4):
    following = OpenVinoCpu(Path({str(models["gray"])!r}))
    following.run(np.zeros((1, 1, 64, 64), np.float32), np.full(1, 25, np.float32))
    backend = following  # the one before it goes
    addresses.append(address())
assert len(set(addresses)) == 1, addresses
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "heard\n"), result.stderr


def test_the_command_takes_the_option(models: Models, tmp_path: Path) -> None:
    Image.new("L", (40, 30), 100).save(tmp_path / "in.png")

    def run(precision: str, *more: str) -> subprocess.CompletedProcess[str]:
        arguments = ["in.png", "out.png", "--model", str(models["gray"]), "--sigma", "9", "--json", "--overwrite"]
        command = [sys.executable, "-m", "hinas.runtime.denoise_command", *arguments, "--precision", precision, *more]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for precision in ("auto", "fp32"):
        assert "onnxruntime" in json.loads(run(precision).stdout)["backend"]
    wrong = run("half")
    assert (wrong.returncode, wrong.stderr) == (2, "error: --precision half: allowed: auto, fp32, bf16, int8\n")
    refused = run("bf16", "--backend", "cpu")
    assert refused.returncode == 2 and "use --backend openvino" in refused.stderr
    half = run("bf16")
    if HAS_BF16:
        assert ", bf16," in json.loads(half.stdout)["backend"]
    else:
        assert half.returncode == 2 and "this processor does not compute in" in half.stderr
