"""Triton model repositories: held to Triton's own schema, to the model they serve, and never half-written.

The schema is the compiled model_config.proto of NVIDIA's client. pip installs it into a temporary folder, alone: its
dependencies would hold protobuf and ml-dtypes back. Only its descriptor is read, which every protobuf can.
"""

import ast
import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from google.protobuf import descriptor_pool, message_factory, text_format
from hinas.errors import UserError
from hinas.export.commands import app
from hinas.export.graph.fixed_shape import with_fixed_shape
from hinas.export.graph.model_interface import with_uint8_interface
from hinas.export.graph.variants import TARGETS, FixedShape, Target
from hinas.export.tensorrt.build_request import BuildRequest
from hinas.export.tensorrt.engine_from_onnx import engine_for
from hinas.export.triton.model_repository import TritonRequest, write_triton_model
from hinas.runtime.engines.engine_file import Engine, read_engine
from hinas.runtime.engines.gpu import Gpu
from hinas.runtime.model.manifest import ModelManifest
from typer.testing import CliRunner

CLIENT = "tritonclient==2.73.0"
TYPES: dict[int, str] = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.UINT8: "TYPE_UINT8"}
FILES = {"onnxruntime": "model.onnx", "tensorrt": "model.plan"}
"""What each of Triton's backends loads where the configuration names no file."""


@pytest.fixture(scope="session")
def model_config(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The text of a config.pbtxt -> Triton's ModelConfig; a field or value that Triton does not know fails."""
    folder = tmp_path_factory.mktemp("tritonclient")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--retries", "1", "--target", folder, CLIENT]
    installed = subprocess.run([*map(str, pip)], capture_output=True, text=True, timeout=300)
    if installed.returncode != 0:
        pytest.skip(f"pip cannot install {CLIENT}: {(installed.stderr.strip() or 'no pip').splitlines()[-1]}")
    tree = ast.parse((folder / "tritonclient" / "grpc" / "model_config_pb2.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    [schema] = [call.args[0] for call in calls if getattr(call.func, "attr", "") == "AddSerializedFile"]
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(ast.literal_eval(schema))
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))
    return lambda text: text_format.Parse(text, kind())


def _text(version: Path) -> str:
    return (version.parent / "config.pbtxt").read_text()


def _enum(message: Any, field: str) -> str:
    kind = message.DESCRIPTOR.fields_by_name[field].enum_type
    return kind.values_by_number[getattr(message, field)].name


def _require_fits(config: Any, version: Path, shapes: dict[str, tuple[str, list[int]]]) -> None:
    """Triton's rules: file and folder names, and for each tensor type, rank and lengths as the model has them.

    `shapes`: type and shape by name, -1 where the model takes any length.
    """
    assert config.name == version.parent.name
    assert [path.name for path in version.iterdir()] == [FILES[config.backend]]
    assert {item.name for item in (*config.input, *config.output)} == set(shapes)
    assert [item.name for item in config.output] == ["denoised"]
    for item in (*config.input, *config.output):
        assert len(item.dims) > 0
        lengths = [*(item.reshape.shape if item.HasField("reshape") else item.dims)]
        assert (_enum(item, "data_type"), [-1, *lengths] if config.max_batch_size else lengths) == shapes[item.name]
    assert config.HasField("dynamic_batching") == (config.max_batch_size > 1)


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[str, list[int]]]:
    return {
        item.name: (
            TYPES[item.type.tensor_type.elem_type],
            [length.dim_value or -1 for length in item.type.tensor_type.shape.dim],
        )
        for item in (*model.graph.input, *model.graph.output)
    }


@pytest.mark.parametrize("name", ["gray", "color", "single"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("is_uint8", [False, True])
@pytest.mark.parametrize("is_fixed", [False, True])
def test_the_configuration_is_the_models_by_tritons_schema(
    models: dict[str, Path],
    model_config: Callable[[str], Any],
    tmp_path: Path,
    name: str,
    target: Target,
    is_uint8: bool,
    is_fixed: bool,
) -> None:
    model = onnx.load(models[name])
    model = with_fixed_shape(model, FixedShape(batch=3, height=8, width=6)) if is_fixed else model
    model = with_uint8_interface(model) if is_uint8 else model
    onnx.save(model, tmp_path / "model.onnx")
    request = TritonRequest(repository=tmp_path / "served", name=f"{name}.v-1", largest_batch=4)
    version = write_triton_model(request, tmp_path / "model.onnx", target, None)
    assert version == tmp_path / "served" / f"{name}.v-1" / "1"
    config = model_config(_text(version))
    _require_fits(config, version, _shapes(model))
    assert config.max_batch_size == (0 if is_fixed else 4)
    assert (version / "model.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()
    [group] = config.instance_group
    assert (_enum(group, "kind"), group.count) == ("KIND_GPU" if target == "tensorrt" else "KIND_CPU", 1)
    accelerators = config.optimization.execution_accelerators
    names = [item.name for item in (*accelerators.cpu_execution_accelerator, *accelerators.gpu_execution_accelerator)]
    assert names == [target] * (target != "ort")


def _engine(
    folder: Path, model: Path, request: BuildRequest, stand_in: Callable[..., Any], gpus: dict[str, Gpu]
) -> Engine:
    return read_engine(
        engine_for(model, request, trt=stand_in("10.16.1.11"), gpu=gpus["h200"], cache_folder=folder, quiet=True)
    )


@pytest.mark.parametrize(
    ("tile", "batch", "largest_batch", "leading", "sides"),
    [
        (16, (1, 1, 1), 0, [1], [-1, -1]),
        (16, (1, 2, 4), 4, [-1], [-1, -1]),
        ((8, 6), (3, 3, 3), 0, [3], [8, 6]),
        # A server that collects requests would also run one alone, which this engine cannot.
        ((8, 6), (2, 3, 4), 0, [-1], [8, 6]),
    ],
)
@pytest.mark.parametrize("is_uint8", [False, True])
def test_an_engine_is_served_with_the_shapes_of_its_profile(
    models: dict[str, Path],
    model_config: Callable[[str], Any],
    stand_in: Callable[..., Any],
    gpus: dict[str, Gpu],
    tmp_path: Path,
    tile: int | tuple[int, int],
    batch: tuple[int, int, int],
    largest_batch: int,
    leading: list[int],
    sides: list[int],
    is_uint8: bool,
) -> None:
    model = onnx.load(models["color"])
    if is_uint8:
        manifest = ModelManifest.from_metadata({item.key: item.value for item in model.metadata_props})
        model = with_uint8_interface(model)
        onnx.helper.set_model_props(model, replace(manifest, io="uint8").to_metadata())
    onnx.save(model, tmp_path / "model.onnx")
    engine = _engine(tmp_path, tmp_path / "model.onnx", BuildRequest(tile=tile, batch=batch), stand_in, gpus)
    request = TritonRequest(repository=tmp_path / "served", name="color", largest_batch=batch[2])
    version = write_triton_model(request, tmp_path / "model.onnx", "tensorrt", engine)
    config = model_config(_text(version))
    image = ("TYPE_UINT8", [*leading, *sides, 3]) if is_uint8 else ("TYPE_FP32", [*leading, 3, *sides])
    _require_fits(config, version, {"noisy": image, "denoised": image, "sigma": ("TYPE_FP32", leading)})
    assert config.max_batch_size == largest_batch
    assert [_enum(group, "kind") for group in config.instance_group] == ["KIND_GPU"]
    assert (version / "model.plan").read_bytes() == engine.plan


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_versions_are_counted_up_and_none_is_written_over(models: dict[str, Path], tmp_path: Path) -> None:
    request = TritonRequest(repository=tmp_path, name="gray", largest_batch=2)

    def write(name: str = "gray") -> Path:
        return write_triton_model(request, models[name], "ort", None)

    assert [write().name for _ in range(2)] == ["1", "2"]
    (tmp_path / "gray" / "7").mkdir()
    (tmp_path / "gray" / "labels").mkdir()
    config = tmp_path / "gray" / "config.pbtxt"
    # How a model runs is its server's affair; what it takes is not.
    config.write_text(config.read_text().replace("count: 1", "count: 3"))
    before = _content(tmp_path)
    assert write().name == "8"
    assert _content(tmp_path) == before | {"gray/8/model.onnx": models["gray"].read_bytes()}
    before = _content(tmp_path)
    with pytest.raises(
        UserError, match=r"config\.pbtxt: describes another model, .* \(this one: input .* -1 \] \} \]\)"
    ):
        write("color")
    config.write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"config\.pbtxt: cannot be read"):
        write()
    config.unlink()
    with pytest.raises(UserError, match=r"config\.pbtxt: cannot be read .*No such file"):
        write()
    assert len(_content(tmp_path)) == len(before) - 1


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_what_was_there(
    models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_first: bool,
    problem: BaseException,
) -> None:
    request = TritonRequest(repository=tmp_path / "served", name="gray", largest_batch=2)
    if not is_first:
        write_triton_model(request, models["gray"], "ort", None)
    before = _content(tmp_path)
    writing = Path.write_bytes

    def failing(path: Path, data: bytes) -> int:
        writing(path, data[:100])
        raise problem

    monkeypatch.setattr(Path, "write_bytes", failing)
    expected = KeyboardInterrupt if isinstance(problem, KeyboardInterrupt) else UserError
    with pytest.raises(expected, match=r"could not be written \(No space left on device\)|^$"):
        write_triton_model(request, models["gray"], "ort", None)
    assert _content(tmp_path) == before
    assert not list(tmp_path.rglob(".hinas-*"))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a..b", ".a", "a.", "-a", "a b", "a\nb", 'a"b', "ä"])
def test_a_name_that_cannot_be_served_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"--triton: the model would be named .* --out"):
        TritonRequest(repository=tmp_path, name=name, largest_batch=1)


def test_the_command_adds_to_the_repository(
    small_document: Callable[[int], dict[str, Any]], model_config: Callable[[str], Any], tmp_path: Path
) -> None:
    (tmp_path / "net.json").write_text(json.dumps(small_document(3)))
    served = tmp_path / "served"
    options = ["--random-weights", "--io", "uint8", "--triton", served, "--batch", 8, "--out", tmp_path / "net.onnx"]
    result = CliRunner().invoke(app, [*map(str, [tmp_path / "net.json", *options])])
    assert result.exit_code == 0, result.output
    assert f"wrote {served / 'net' / '1'}" in result.output.replace("\n", "")
    config = model_config(_text(served / "net" / "1"))
    _require_fits(config, served / "net" / "1", _shapes(onnx.load(tmp_path / "net.onnx")))
    assert config.max_batch_size == 8
    assert (served / "net" / "1" / "model.onnx").read_bytes() == (tmp_path / "net.onnx").read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--triton .*file: not a folder"):
        TritonRequest(repository=tmp_path / "file", name="net", largest_batch=1)
