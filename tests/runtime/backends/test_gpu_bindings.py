"""Every name of pycuda and of NVIDIA's driver that the runtime uses is in pycuda's sources and in CUDA's header.

Neither can be imported without a GPU, so pip fetches pycuda's sources and the header into a temporary folder. What the
runtime uses is not listed here: it is what the stand-ins recorded. TensorRT's names are held to the real bindings in
`tests/export/tensorrt/test_tensorrt_bindings.py`, and ONNX Runtime's are looked up in the real module by its stand-in.
"""

import re
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hinas.runtime.backends import cuda_driver, onnxruntime_cuda, tensorrt_engine
from hinas.runtime.backends.memory_probe import inputs_for
from hinas.runtime.engines.gpu import Gpu
from stand_ins.onnxruntime_gpu import make_onnxruntime
from stand_ins.pycuda_driver import DriverLibrary, install_pycuda, make_pycuda
from stand_ins.simulated_gpu import SimulatedGpu
from stand_ins.tensorrt_runtime import make_tensorrt, write_engine_for

SCRIPT = Path(__file__).parents[3] / "tools" / "on_gpu" / "check_gpu_backends.py"
GPU = Gpu(name="NVIDIA GeForce GTX 1080 Ti", compute_capability=(6, 1), num_multiprocessors=28, memory_bytes=11 * 2**30)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with both backends; `.driver` is pycuda's stand-in and `.library` the driver's."""
    gpu: Any = SimulatedGpu()
    gpu.driver, gpu.library = make_pycuda(gpu, GPU), DriverLibrary(gpu)
    install_pycuda(monkeypatch, gpu.driver)
    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt(gpu))
    monkeypatch.setitem(sys.modules, "onnxruntime", make_onnxruntime())
    for module in (tensorrt_engine, onnxruntime_cuda):
        monkeypatch.setattr(module, "driver_library", lambda: gpu.library)
    return gpu


def _check(model: Path) -> bool:
    """The script that runs where a GPU is, with the stand-ins."""
    script = runpy.run_path(str(SCRIPT))
    return script["check"]([model], 5, lambda model, folder: write_engine_for(model, GPU, path=folder / "m.engine"))


def _time(model: Path, folder: Path) -> None:
    """What hinas-bench asks of an engine beside running it."""
    engine = tensorrt_engine.TensorRtEngine(write_engine_for(model, GPU, path=folder / "timed.engine"))
    engine.timed_run(*inputs_for(engine.manifest.network_input, 16))


@pytest.mark.parametrize("name", ["gray", "single"])
def test_the_check_script_prints_a_table(
    machine: Any, models: dict[str, Path], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(models[name])
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert len({row.count("|") for row in rows}) == 1
    assert [row.split(" | ")[2] for row in rows] == ["cuda", *["tensorrt"] * 4]
    assert all(row.endswith("| good |") for row in rows)


def test_the_check_script_sees_a_wrong_result(
    machine: Any, models: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tensorrt_engine.TensorRtEngine.run
    monkeypatch.setattr(tensorrt_engine.TensorRtEngine, "run", lambda *given: whole(*given) + 1e-3)
    assert not _check(models["gray"])
    assert capsys.readouterr().out.count("WRONG, limit 1e-05") == 2


def test_without_a_gpu_the_script_says_so_in_one_line() -> None:
    start = f"import runpy, sys\nsys.modules['pycuda'] = None\nrunpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    result = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: no usable GPU: pycuda or NVIDIA's driver is missing")
    assert result.stderr.count("\n") == 1


def _fetched(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--no-deps", "--retries", "0"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if result.returncode != 0:
        reason = (result.stderr.strip() or "no pip").splitlines()[-1]
        pytest.skip(f"pip {arguments[0]} {arguments[-1]}: {reason}")


@pytest.fixture(scope="module")
def pycuda_sources(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("pycuda")
    _fetched(folder, "download", "--no-build-isolation", "--no-binary", ":all:", "pycuda==2026.1")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        member = next(name for name in archive.getnames() if name.endswith("wrap_cudadrv.cpp"))
        file = archive.extractfile(member)
        assert file is not None
        return file.read().decode()


@pytest.fixture(scope="module")
def cuda_header(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("cuda")
    _fetched(folder, "install", "--target", str(folder), "nvidia-cuda-runtime-cu12==12.9.79")
    return next(folder.rglob("cuda.h")).read_text()


def _definition(source: str, path: str) -> str | None:
    """The text that defines `name` or `Class.name` in the sources of pycuda's bindings; None: there is none."""
    kind, _, name = path.rpartition(".")
    if kind:
        parts = re.split(r"py::class_<", source)
        part = next((part for part in parts if re.match(rf'[^;]*?\(\s*"{kind}"', part)), "")
    else:
        part = source
    named = rf'(?:def|add_property|value)\(\s*"{name}"[^;]*?(?=\n\s*\.|;)|DEF_SIMPLE_(?:METHOD|FUNCTION)\({name}\)'
    is_class = re.search(rf'"{name}", py::(init|no_init)[^;]*?\n|DECLARE_EXC\({name},', source)
    found = re.search(named, part) or (None if kind else is_class)
    return found[0] if found else None


def _mistakes(source: str, uses: set[tuple[str, int, tuple[str, ...]]]) -> list[str]:
    mistakes = []
    for path, _, keywords in sorted(uses):
        definition = _definition(source, path)
        if definition is None:
            mistakes.append(f"{path}: is not there")
        elif missing := [keyword for keyword in keywords if f'"{keyword}"' not in definition]:
            mistakes.append(f"{path}: does not take {missing}: {definition}")
    return mistakes


@pytest.mark.slow
def test_pycuda_has_everything_that_the_runtime_uses(
    machine: Any, models: dict[str, Path], pycuda_sources: str, tmp_path: Path
) -> None:
    assert _check(models["gray"])
    _time(models["gray"], tmp_path)
    uses = set(machine.driver.uses)
    assert {"Stream.wait_for_event", "Event.record", "memcpy_htod_async", "Device.retain_primary_context"} <= {
        path for path, _, _ in uses
    }
    assert _mistakes(pycuda_sources, uses) == []
    for name in ("host_alloc_flags", "event_flags", "WRITECOMBINED", "DISABLE_TIMING"):
        assert f'"{name}"' in pycuda_sources
    wrong = {("Stream.begin_capture", 0, ()), ("mem_alloc_all", 1, ()), ("pagelocked_empty", 2, ("flags",))}
    assert len(_mistakes(pycuda_sources, wrong)) == len(wrong), "a name that is not there would be found"


@pytest.mark.slow
def test_the_driver_has_everything_that_the_runtime_calls(
    machine: Any, models: dict[str, Path], cuda_header: str
) -> None:
    assert _check(models["gray"])
    cuda_driver.free_memory_bytes(machine.library)
    assert cuda_driver.gpu_name(machine.library) == "Simulated GPU"
    assert cuda_driver.pci_bus_id(machine.library) == "0000:01:00.0"
    renamed = dict(re.findall(r"#define (cu\w+)\s+(?:__CUDA_API_PTSZ\()?(cu\w+)", cuda_header))
    prototypes = {
        renamed.get(name, name): len([part for part in parameters.split(",") if part.strip() != "void"])
        for name, parameters in re.findall(r"^CUresult CUDAAPI (cu\w+)\(([^)]*)\);", cuda_header, re.MULTILINE)
    }
    calls = machine.library.calls
    assert {"cuStreamBeginCapture_v2", "cuGraphLaunch", "cuMemGetInfo_v2"} <= {name for name, _ in calls}
    assert {(name, number) for name, number in calls if prototypes.get(name) != number} == set()
    assert "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1" in cuda_header
