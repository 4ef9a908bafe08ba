"""Every name, property and call that hinas uses of TensorRT exists in the real bindings of 8.6.1, 10.16 and 11.4.

The bindings are NVIDIA's; pip installs them into a temporary folder. Their libraries are not to be had, so empty ones
of our own stand in: enough to import the module, whose classes and signatures are then read. What hinas uses is not
listed here: it is what the stand-in recorded while the product ran on it.
"""

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.export.tensorrt.build_request import BuildRequest
from hinas.export.tensorrt.engine_from_onnx import engine_for
from hinas.runtime.backends import tensorrt_engine
from hinas.runtime.engines.engine_file import read_engine, write_engine
from hinas.runtime.engines.gpu import Gpu
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from stand_ins.pycuda_driver import DriverLibrary, install_pycuda, make_pycuda
from stand_ins.simulated_gpu import SimulatedGpu
from stand_ins.tensorrt_runtime import make_tensorrt, write_engine_for

ROOT = Path(__file__).parents[3]
GRAY = MODELS_FOLDER / "gray.onnx"
PACKAGES = {
    "8.6.1": "tensorrt-bindings==8.6.1",
    "10.16.1.11": "tensorrt-cu13-bindings==10.16.1.11",
    "11.4.0.106": "tensorrt-cu13-bindings==11.4.0.106",
}
FUNCTIONS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "getBuilderPluginRegistry", "getPluginRegistry", "initLibNvInferPlugins", "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "getNvOnnxParserVersion",
    "_ZN11nvuffparser15createUffParserEv", "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv", "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)  # fmt: skip
LIBRARIES = ("nvinfer", "nvonnxparser", "nvparsers", "nvinfer_plugin")

_CHECK = r"""
import ctypes, inspect, json, re, sys
from pathlib import Path
from threading import Event

folder, model = Path(sys.argv[1]), Path(sys.argv[2])
for library in sorted((folder / "libraries").iterdir()):
    ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
sys.path.insert(0, str(folder / "bindings"))
import tensorrt_bindings as trt

mistakes = []

def parts(text):
    "The comma-separated parts of a signature's parentheses."
    depth, current, found = 0, "", []
    for letter in text:
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and depth == 0:
            found.append(current.strip())
            current = ""
        else:
            current += letter
    return [part for part in [*found, current.strip()] if part]

def overloads(function):
    "(names, names without default, returned class) of each overload, as pybind11 writes them into the docstring."
    for arguments, returned in re.findall(r"^(?:\d+\. )?\w+\((self: .*)\) -> (.*)$", function.__doc__, re.MULTILINE):
        given = [part for part in parts(arguments)[1:]]
        names = [part.split(":")[0].strip() for part in given]
        yield names, [name for name, part in zip(names, given) if " = " not in part], returned

def plain(name):
    return re.split(r"[.:]+", name)[-1].removeprefix("I")

def fits(overload, positional, keywords):
    names, required, _ = overload
    named = names[:positional] + keywords
    return positional <= len(names) and set(keywords) <= set(names[positional:]) and set(required) <= set(named)

for use in json.load(sys.stdin):
    value, owner = trt, None
    try:
        for name in use["path"].split("."):
            value, owner = (inspect.getattr_static(value, name) if owner else getattr(value, name)), value
    except AttributeError as error:
        mistakes.append(f"{use['path']}: {error}")
        continue
    if use.get("set"):
        if not isinstance(value, property) or value.fset is None:
            mistakes.append(f"{use['path']}: cannot be set")
    elif "call" in use:
        function = getattr(owner, use["path"].split(".")[1])
        fitting = [found for found in overloads(function) if fits(found, *use["call"])]
        if not fitting:
            mistakes.append(f"{use['path']}: does not take {use['call']}: {function.__doc__}")
        elif use.get("returns") and plain(use["returns"]) not in [plain(found[2]) for found in fitting]:
            mistakes.append(f"{use['path']}: gives {fitting[0][2]}, the stand-in {use['returns']}")

# Our own subclasses, made with the real base classes.
from hinas.export.tensorrt.build_progress import progress_monitor
from hinas.runtime.backends.tensorrt_loading import message_log

for ours in (message_log(trt), progress_monitor(trt, Event(), quiet=True)):
    if ours is None:
        continue
    base = type(ours).__base__
    for name, function in vars(type(ours)).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            [(names, _, _)] = overloads(getattr(base, name))
            if list(inspect.signature(function).parameters)[1:] != names:
                mistakes.append(f"{base.__name__}.{name}: takes {names}")
log = message_log(trt)
log.log(trt.ILogger.WARNING, "no error")
log.log(trt.ILogger.ERROR, "an error")
if log.errors != ["an error"]:
    mistakes.append(f"the log kept {log.errors}")

# The real module as far as it goes: its builder is null here, as it is where there is no driver.
from hinas.errors import UserError
from hinas.export.tensorrt.build_request import BuildRequest
from hinas.export.tensorrt.engine_from_onnx import engine_for
from hinas.runtime.engines.gpu import Gpu

gpu = Gpu(name="GPU", compute_capability=(8, 9), num_multiprocessors=1, memory_bytes=1)
try:
    engine_for(model, BuildRequest(), trt=trt, gpu=gpu, cache_folder=folder / "cache", quiet=True)
    mistakes.append("an engine was built without TensorRT's libraries")
except UserError as error:
    if "TensorRT cannot start on this machine" not in str(error):
        mistakes.append(str(error))
print(json.dumps({"version": trt.__version__, "mistakes": mistakes}))
"""


@dataclass(frozen=True)
class _Bindings:
    folder: Path
    """`libraries` and `bindings`."""

    def mistakes(self, uses: list[dict[str, Any]]) -> list[str]:
        """What is wrong with the recorded uses, by the real module in a process of its own."""
        command = [sys.executable, "-c", _CHECK, str(self.folder), str(GRAY)]
        result = subprocess.run(command, input=json.dumps(uses), capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr
        answer = json.loads(result.stdout.splitlines()[-1])
        assert answer["version"] == self.folder.name
        return answer["mistakes"]


@pytest.fixture(scope="module", params=list(PACKAGES))
def bindings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Bindings:
    version = request.param
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler for the empty libraries")
    folder = tmp_path_factory.mktemp("tensorrt") / version
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--retries", "1"]
    install = [sys.executable, *pip, "--target", folder / "bindings", PACKAGES[version]]
    installed = subprocess.run(install, capture_output=True, text=True)
    if installed.returncode != 0:
        reason = (installed.stderr.strip() or "no pip").splitlines()[-1]
        pytest.skip(f"pip cannot install {PACKAGES[version]}: {reason}")
    (folder / "libraries").mkdir()
    source = folder / "empty.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    for library in LIBRARIES:
        name = f"lib{library}.so.{version.split('.')[0]}"
        build = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", source, "-o", folder / "libraries" / name]
        subprocess.run(build, check=True)
    return _Bindings(folder)


@pytest.fixture(scope="module")
def uses(
    stand_in: Callable[..., Any],
    cuda_stand_in: Callable[..., Any],
    gpus: dict[str, Gpu],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], list[dict[str, Any]]]:
    """version -> everything that building, running and failing use of that TensorRT."""

    def recorded(version: str) -> list[dict[str, Any]]:
        folder = tmp_path_factory.mktemp("uses")
        found: list[dict[str, Any]] = []
        requests: list[dict[str, Any]] = [
            {},
            {"workspace_bytes": 2**30, "version_compatible": True, "hardware_compatible": True},
            {"precision": "fp16"},
            {"precision": "bf16"},
        ]
        for changes in requests:
            for trouble in ({}, {"refused": "Conv"}, {"fails": "no memory"}, {"starts": False}):
                trt = stand_in(version, **trouble)
                request = BuildRequest(tile=64, **changes)
                with suppress(UserError):
                    engine_for(GRAY, request, trt=trt, gpu=gpus["h200"], cache_folder=folder / str(trouble), quiet=True)
                found += trt.uses
        found += _uses_of_the_check_script(stand_in(version), cuda_stand_in(GRAY), gpus["h200"])
        return found + _uses_of_the_runtime(version, gpus["h200"], folder / "gray.engine")

    return recorded


def _uses_of_the_check_script(trt: Any, cuda: Any, gpu: Gpu) -> list[dict[str, Any]]:
    script = runpy.run_path(str(ROOT / "tools" / "on_gpu" / "check_tensorrt.py"))
    script["check"]([GRAY], "16x16", "1", trt=trt, cuda=cuda, gpu=gpu)
    assert trt.runs
    return trt.uses


def _uses_of_the_runtime(version: str, gpu: Gpu, engine: Path) -> list[dict[str, Any]]:
    """What running an engine uses, and what failing to load one does."""
    found: list[dict[str, Any]] = []
    for memory_bytes, starts, is_stale in (
        (2**30, True, False),
        (2**10, True, False),
        (2**30, False, False),
        (2**30, True, True),
    ):
        simulated = SimulatedGpu(memory_bytes)
        trt = make_tensorrt(simulated, version, starts=starts)
        write_engine_for(GRAY, gpu, path=engine, version=version)
        if is_stale:
            write_engine(replace(read_engine(engine), plan=b"of another version"), engine)
        with pytest.MonkeyPatch.context() as patch, suppress(UserError):
            install_pycuda(patch, make_pycuda(simulated, gpu))
            patch.setitem(sys.modules, "tensorrt", trt)
            patch.setattr(tensorrt_engine, "driver_library", lambda gpu=simulated: DriverLibrary(gpu))
            window = np.zeros((1, 1, 16, 16), np.float32)
            list(tensorrt_engine.TensorRtEngine(engine).run_many([window] * 5, np.zeros(1, np.float32)))
            assert simulated.num_launches == 3
        found += trt.uses
    return found


@pytest.mark.slow
def test_the_real_bindings_have_everything_that_hinas_uses(
    bindings: _Bindings, uses: Callable[[str], list[dict[str, Any]]]
) -> None:
    found = uses(bindings.folder.name)
    paths = {use["path"] for use in found}
    assert {"Builder.build_serialized_network", "BuilderFlag.TF32", "IExecutionContext.execute_async_v3"} <= paths
    assert {"ICudaEngine.num_io_tensors", "TensorIOMode.INPUT", "Runtime.engine_host_code_allowed"} <= paths
    assert bindings.mistakes(found) == []


@pytest.mark.slow
def test_a_name_that_does_not_exist_would_be_found(bindings: _Bindings) -> None:
    wrong: list[dict[str, Any]] = [
        {"path": "BuilderFlag.FP17"},
        {"path": "Builder.build_engine_quickly", "call": [1, []], "returns": None},
        {"path": "Builder.create_network", "call": [0, ["flag"]], "returns": "INetworkDefinition"},
        {"path": "Builder.create_network", "call": [2, []], "returns": "INetworkDefinition"},
        {"path": "IOptimizationProfile.set_shape", "call": [1, ["max", "min"]], "returns": None},
        {"path": "Builder.create_network", "call": [1, []], "returns": "IBuilderConfig"},
        {"path": "OnnxParser.num_errors", "set": True},
    ]
    right = {"path": "Builder.create_network", "call": [0, ["flags"]], "returns": "INetworkDefinition"}
    mistakes = bindings.mistakes([*wrong, right])
    assert [mistake.split(":")[0] for mistake in mistakes] == [use["path"] for use in wrong]
