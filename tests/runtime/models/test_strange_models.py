"""Model files from strangers and damaged ones: refused with one error, whatever is wrong with them."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.backends.open_backend import open_backend
from hinas.runtime.memory.process_memory import available_bytes
from hinas.runtime.model.model_bytes import model_bytes
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

Models = dict[str, Path]
NUM_MUTATIONS = 100


def _moved_outside(tensor: TensorProto, location: str) -> None:
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname"])
@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph", "function"])
def test_tensors_in_other_files_are_refused_wherever_they_hide(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(4096))
    model = onnx.load(models["gray"])
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "outside")
    _moved_outside(tensor, location)
    constant = helper.make_node("Constant", [], ["outside"], value=tensor)
    if place == "initializer":
        model.graph.initializer.append(tensor)
    elif place == "attribute":
        model.graph.node.insert(0, constant)
    elif place == "subgraph":
        output = helper.make_tensor_value_info("outside", TensorProto.FLOAT, [4])
        branch = helper.make_graph([constant], "branch", [], [output])
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        node = helper.make_node("If", ["yes"], ["unused"], then_branch=branch, else_branch=branch)
        model.graph.node.insert(0, node)
    else:
        own = helper.make_function("own", "Own", [], ["outside"], [constant], [helper.make_opsetid("", 18)])
        model.functions.append(own)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"model\.onnx: keeps tensors in other files"):
        open_backend("cpu", tmp_path / "model.onnx")


def test_the_bytes_of_a_model_are_the_files(models: Models) -> None:
    assert all(model_bytes(file) == file.read_bytes() for file in models.values())


def test_a_model_beyond_all_size_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.onnx").open("wb") as stream:
        stream.truncate(2**31)
    with pytest.raises(UserError, match=r"huge\.onnx: 2,147,483,648 bytes; a model file has at most"):
        model_bytes(tmp_path / "huge.onnx")


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
def test_an_operator_of_ones_own_is_refused(models: Models, tmp_path: Path, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    model = onnx.load(models["gray"])
    model.opset_import.append(helper.make_opsetid("own", 1))
    last = model.graph.node[-1]
    model.graph.node.append(helper.make_node("Own", ["inner"], list(last.output), domain="own"))
    last.output[0] = "inner"
    (tmp_path / "own.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"own\.onnx: damaged, or not an ONNX model|the model does not run"):
        opened = open_backend(backend, tmp_path / "own.onnx")
        opened.run(np.zeros((1, 1, 64, 64), np.float32), np.full(1, 25, np.float32))


def _with_a_constant(source: Path, target: Path, num_elements: int) -> Path:
    """A model that adds zero times the sum of a constant of so many elements, which a few bytes describe."""
    model = onnx.load(source)
    last = model.graph.node[-1]
    name = last.output[0]
    last.output[0] = "inner"
    model.graph.initializer.append(numpy_helper.from_array(np.array([num_elements], np.int64), "size"))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "nothing"))
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["size"], ["large"]),
            helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
            helper.make_node("Mul", ["sum", "nothing"], ["zero"]),
            helper.make_node("Add", ["inner", "zero"], [name]),
        ]
    )
    target.write_bytes(model.SerializeToString())
    return target


@pytest.mark.skipif(available_bytes() is None, reason="the guard knows Linux's memory alone")
@pytest.mark.parametrize("times_what_is_free", [1.2, 1000])
def test_a_constant_larger_than_the_memory_ends_in_one_error(
    models: Models, tmp_path: Path, times_what_is_free: float
) -> None:
    """As a person runs it: without the command's guard the system would kill the process, or swap for minutes."""
    free = available_bytes()
    assert free is not None
    model = _with_a_constant(models["gray"], tmp_path / "large.onnx", int(times_what_is_free * free / 4))
    Image.new("L", (60, 40)).save(tmp_path / "in.png")
    result = subprocess.run(
        [sys.executable, "-m", "hinas.runtime.denoise_command", "in.png", "out.png",
         "--model", str(model), "--sigma", "25"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") <= 2 and "Traceback" not in result.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.png", "large.onnx"]


@pytest.mark.skipif(available_bytes() is None, reason="the guard knows Linux's memory alone")
def test_the_guard_limits_to_what_is_free_and_never_raises_a_limit() -> None:
    script = """
import resource
from hinas.runtime.memory.process_memory import refuse_more_than_is_free
refuse_more_than_is_free()
first, hard = resource.getrlimit(resource.RLIMIT_DATA)
assert 0 < first != resource.RLIM_INFINITY
resource.setrlimit(resource.RLIMIT_DATA, (first // 2, hard))
refuse_more_than_is_free()
assert resource.getrlimit(resource.RLIMIT_DATA) == (first // 2, hard)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def _mutated(content: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    """A few bytes changed, most of them in the frame and not in the weights; or the file cut, a part doubled, or the
    end of another file put in the place of its own."""
    kind = draw.random()
    if kind < 0.1:
        return content[: draw.integers(len(content))]
    if kind < 0.2:
        start, stop = sorted(draw.integers(len(content), size=2))
        return content[:stop] + content[start:]
    if kind < 0.3:
        place = draw.integers(min(len(content), len(other)))
        return content[:place] + other[place:]
    changed = bytearray(content)
    for _ in range(draw.integers(1, 9)):
        changed[draw.integers(len(content))] = draw.integers(256)
    return bytes(changed)


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
def test_mutated_models_work_or_end_in_one_error(models: Models, tmp_path: Path, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    content, other = models["gray"].read_bytes(), models["color1"].read_bytes()
    image = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    refused = 0
    for seed in range(NUM_MUTATIONS):
        file = tmp_path / f"{seed}.onnx"
        file.write_bytes(_mutated(content, other, np.random.default_rng(seed)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = Denoiser.load(file, backend, threads=1)(image, sigma=25)
            except UserError as error:
                refused += 1
                assert "\n" not in str(error)
            else:
                assert (result.shape, result.dtype) == (image.shape, image.dtype)
    assert refused > NUM_MUTATIONS // 4
