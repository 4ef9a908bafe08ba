"""ONNX Runtime on a GPU, played by the processor: what is kept, what is given back, what is refused; and `auto`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.backends import onnxruntime_cuda, tensorrt_engine
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.backends.onnxruntime_cuda import OnnxRuntimeCuda
from hinas.runtime.backends.open_backend import open_backend
from hinas.runtime.engines.gpu import Gpu
from hinas.runtime.tiling.window_limits import OutOfMemoryError
from onnx import helper
from stand_ins.onnxruntime_gpu import make_onnxruntime
from stand_ins.pycuda_driver import DriverLibrary, install_pycuda, make_pycuda
from stand_ins.simulated_gpu import SimulatedGpu
from stand_ins.tensorrt_runtime import make_tensorrt, write_engine_for

Models = dict[str, Path]
TI = Gpu(name="NVIDIA GeForce GTX 1080 Ti", compute_capability=(6, 1), num_multiprocessors=28, memory_bytes=11 * 2**30)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """(options of the stand-in) -> the module `onnxruntime` that is installed from now on, and its GPU's driver."""

    def installed(*, memory_bytes: int = 2**30, **options: Any) -> Any:
        module = make_onnxruntime(**options)
        module.driver = DriverLibrary(SimulatedGpu(memory_bytes))
        monkeypatch.setitem(sys.modules, "onnxruntime", module)
        monkeypatch.setattr(onnxruntime_cuda, "driver_library", lambda: module.driver)
        return module

    return installed


@pytest.mark.parametrize("name", ["gray", "color", "single"])
def test_results_are_those_of_the_processor_and_memory_is_kept_for_a_shape(
    models: Models, install: Callable[..., Any], name: str
) -> None:
    reference = OnnxRuntimeCpu(models[name], threads=1)
    ort = install()
    backend = OnnxRuntimeCuda(models[name], threads=1)
    assert backend.manifest == reference.manifest
    assert backend.description == f"onnxruntime {ort.__version__}, CUDAExecutionProvider, fp32, IO binding"
    random = np.random.default_rng(0)
    for shape in ((1, 8, 12), (1, 8, 12), (2, 8, 12), (2, 8, 12), (1, 8, 12)):
        noisy = random.random((shape[0], backend.manifest.channels, *shape[1:]), np.float32)
        sigma = np.full(shape[0], 25, np.float32) if backend.manifest.conditioned else None
        assert np.array_equal(backend.run(noisy, sigma), reference.run(noisy, sigma))
        # A result stays what it was when the memory on the GPU is used again.
        kept = backend.run(noisy, sigma)
        backend.run(np.zeros_like(noisy), sigma)
        assert np.array_equal(kept, reference.run(noisy, sigma))
        backend.release_memory()
    kinds = [event[0] for event in ort.events]
    num_tensors = 3 if backend.manifest.conditioned else 2
    assert kinds.count("allocate") == 3 * num_tensors
    assert kinds.count("gives back") == 2, "what another shape took is given back before the next one's"


def test_a_timed_run_is_told_in_parts(models: Models, install: Callable[..., Any]) -> None:
    install()
    times = OnnxRuntimeCuda(models["gray"]).timed_run(np.zeros((1, 1, 8, 12), np.float32), np.full(1, 25, np.float32))
    assert min(times.transfer_in_ms, times.compute_ms, times.transfer_out_ms) > 0


def test_windows_that_lie_across_memory_are_copied(models: Models, install: Callable[..., Any]) -> None:
    install()
    noisy = np.random.default_rng(0).random((1, 1, 12, 8), np.float32).transpose(0, 1, 3, 2)
    sigma = np.full(1, 25, np.float32)
    expected = OnnxRuntimeCuda(models["gray"]).run(np.ascontiguousarray(noisy), sigma)
    assert np.array_equal(OnnxRuntimeCuda(models["gray"]).run(noisy, sigma), expected)


def test_memory_that_lacks_on_the_gpu_means_smaller_tiles(models: Models, install: Callable[..., Any]) -> None:
    install(most_pixels=60 * 60)
    backend = OnnxRuntimeCuda(models["gray"])
    with pytest.raises(OutOfMemoryError, match="Failed to allocate memory"):
        backend.run(np.zeros((1, 1, 80, 80), np.float32), np.zeros(1, np.float32))
    image = np.random.default_rng(0).random((90, 100), np.float32)
    with pytest.warns(UserWarning, match="out of memory; going on with smaller windows"):
        result = Denoiser(backend)(image, sigma=25)
    assert np.abs(result - Denoiser.load(models["gray"], "cpu", threads=1)(image, sigma=25)).max() < 1e-5


def test_tiles_follow_the_memory_of_the_gpu(models: Models, install: Callable[..., Any]) -> None:
    image = np.zeros((900, 900), np.float32)
    ort = install(memory_bytes=2**40)
    assert len(Denoiser.load(models["gray"], "cuda").plan_for(image)) == 1
    ort = install(memory_bytes=8 * 2**20)
    assert len(Denoiser.load(models["gray"], "cuda").plan_for(image)) > 1
    assert ("cuMemGetInfo_v2", 2) in ort.driver.calls


def test_the_cost_of_a_pixel_is_what_the_gpu_loses(
    models: Models, install: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ort = install()
    gpu: SimulatedGpu = ort.driver._gpu
    backend = OnnxRuntimeCuda(models["gray"])
    run, largest = backend.run, [0]

    def counted(noisy: np.ndarray, sigma: np.ndarray | None) -> np.ndarray:
        largest[0] = max(largest[0], noisy[0, 0].size)
        gpu.used_bytes = 1000 * largest[0]
        return run(noisy, sigma)

    monkeypatch.setattr(backend, "run", counted)
    expected = 1.25 * 1000 * (192**2 - 32**2) / 192**2
    assert expected <= backend.bytes_per_pixel() < expected + 64


def test_an_onnxruntime_without_the_provider_is_named(models: Models) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has onnxruntime-gpu")
    words = (
        rf"onnxruntime {onnxruntime.__version__} has no CUDAExecutionProvider; pip uninstall onnxruntime, then pip i"
    )
    with pytest.raises(UserError, match=words):
        open_backend("cuda", models["gray"])


def test_no_onnxruntime_at_all(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r'onnxruntime is not installed; install it: pip install ".*\[gpu\]"'):
        open_backend("cuda", models["gray"])


def test_a_provider_that_does_not_start_is_no_reason_to_use_the_processor(
    models: Models, install: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ort = install(starts=False)
    with pytest.raises(UserError, match=r"CUDAExecutionProvider of onnxruntime .* does not start: (a library|the GPU)"):
        open_backend("cuda", models["gray"])

    def no_driver() -> Any:
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(onnxruntime_cuda, "driver_library", no_driver)
    with pytest.raises(UserError, match=r"does not start: NVIDIA's driver is missing \(libcuda\.so\.1: cannot open"):
        open_backend("cuda", models["gray"])
    assert all(event[0] != "run" for event in ort.events)


def test_work_left_on_the_processor_is_refused_but_not_shapes(
    models: Models, install: Callable[..., Any], tmp_path: Path
) -> None:
    install(left_on_the_processor=("DepthToSpace",))
    with pytest.raises(UserError, match=r"gray\.onnx: CUDAExecutionProvider does not take DepthToSpace; use --backend"):
        open_backend("cuda", models["gray"])
    install()
    model = onnx.load(models["gray1"])
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["noisy"], ["size"]),
            helper.make_node("Reshape", ["denoised_", "size"], ["denoised"]),
        ]
    )
    model.graph.node[-3].output[0] = "denoised_"
    onnx.save(model, tmp_path / "shapes.onnx")
    assert "CUDA" in open_backend("cuda", tmp_path / "shapes.onnx").description


def test_a_file_that_is_no_model(models: Models, install: Callable[..., Any], tmp_path: Path) -> None:
    install()
    (tmp_path / "bad.onnx").write_bytes(b"hello")
    with pytest.raises(UserError, match=r"bad\.onnx: damaged, or not an ONNX model"):
        open_backend("cuda", tmp_path / "bad.onnx")


def _opened(model: Path) -> tuple[str, list[str]]:
    notes: list[str] = []
    description = open_backend("auto", model, threads=1, listener=notes.append).description
    return description.split(",")[0].split()[0] + description.split(",")[1], notes


def test_auto_takes_the_fastest_that_works_and_says_what_did_not(
    models: Models, install: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "gray.onnx"
    path.write_bytes(models["gray"].read_bytes())
    assert _opened(path) == ("onnxruntime CPUExecutionProvider", [])
    # An engine from elsewhere, and nothing here that could run it: not worth a word.
    write_engine_for(path, TI)
    assert _opened(path) == ("onnxruntime CPUExecutionProvider", [])
    install()
    assert _opened(path) == ("onnxruntime CUDAExecutionProvider", [])
    gpu = SimulatedGpu()
    install_pycuda(monkeypatch, make_pycuda(gpu, TI))
    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt(gpu))
    monkeypatch.setattr(tensorrt_engine, "driver_library", lambda: DriverLibrary(gpu))
    assert _opened(path) == ("tensorrt NVIDIA GeForce GTX 1080 Ti (compute capability 6.1)", [])
    write_engine_for(path, TI, version="8.6.1")
    backend, [note] = _opened(path)
    assert backend == "onnxruntime CUDAExecutionProvider"
    assert note.startswith(f"backend tensorrt is not used: {path.with_suffix('.engine')}: built with TensorRT 8.6.1")
    install(starts=False)
    backend, notes = _opened(path)
    assert backend == "onnxruntime CPUExecutionProvider"
    assert [note.split(":")[0] for note in notes] == ["backend tensorrt is not used", "backend cuda is not used"]
    path.with_suffix(".engine").unlink()
    assert len(_opened(path)[1]) == 1
