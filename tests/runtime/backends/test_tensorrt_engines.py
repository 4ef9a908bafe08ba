"""TensorRT engines on a simulated GPU: results, the order of copies and runs, reuse, limits, and what is refused."""

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.backends import tensorrt_engine
from hinas.runtime.backends.cuda_buffers import WindowBuffers
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.backends.open_backend import open_backend
from hinas.runtime.backends.tensorrt_engine import TensorRtEngine
from hinas.runtime.engines.engine_file import read_engine, write_engine
from hinas.runtime.engines.gpu import Gpu
from hinas.runtime.tiling.window_limits import OutOfMemoryError
from stand_ins.pycuda_driver import DriverLibrary, install_pycuda, make_pycuda
from stand_ins.simulated_gpu import RaceError, SimulatedGpu
from stand_ins.tensorrt_runtime import VERSION, make_tensorrt, write_engine_for

Models = dict[str, Path]
H200 = Gpu(name="NVIDIA H200", compute_capability=(9, 0), num_multiprocessors=132, memory_bytes=141 * 2**30)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedGpu]:
    """A machine with TensorRT and one simulated H200."""
    simulated = SimulatedGpu()
    driver = make_pycuda(simulated, H200)
    install_pycuda(monkeypatch, driver)
    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt(simulated))
    library = DriverLibrary(simulated)
    monkeypatch.setattr(tensorrt_engine, "driver_library", lambda: library)
    yield simulated
    assert simulated.mistakes == []
    assert getattr(driver.current, "stack", []) == []


@pytest.fixture
def model(models: Models, tmp_path: Path) -> Callable[..., Path]:
    """(name, options of the engine) -> a copy of the model with an engine beside it."""

    def copied(name: str, **options: Any) -> Path:
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(models[name].read_bytes())
        write_engine_for(path, H200, **options)
        return path

    return copied


def _windows(path: Path, number: int, side: int = 16) -> tuple[list[np.ndarray], np.ndarray | None]:
    manifest = OnnxRuntimeCpu(path, threads=1).manifest
    generator = np.random.default_rng(0)
    windows = [generator.random((1, manifest.channels, side, side + 4), np.float32) for _ in range(number)]
    return windows, np.full(1, 25, np.float32) if manifest.conditioned else None


@pytest.mark.parametrize("name", ["gray", "color", "single"])
@pytest.mark.parametrize("batch", [(1, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_a_stream_of_windows_gives_what_the_processor_gives(
    gpu: SimulatedGpu, model: Callable[..., Path], name: str, batch: tuple[int, int], number: int
) -> None:
    path = model(name, batch=batch)
    engine, reference = TensorRtEngine(path), OnnxRuntimeCpu(path, threads=1)
    windows, sigma = _windows(path, number)
    for _ in range(2):
        results = list(engine.run_many(iter(windows), sigma))
        assert len(results) == number
        for window, result in zip(windows, results, strict=True):
            np.testing.assert_allclose(result, reference.run(window, sigma), atol=1e-6)
    assert gpu.num_runs == 2 * -(-number // batch[1])


def test_a_single_run_takes_whole_batches_too(gpu: SimulatedGpu, model: Callable[..., Path]) -> None:
    path = model("color", batch=(1, 3))
    noisy = np.random.default_rng(1).random((3, 3, 8, 12), np.float32)
    sigma = np.array([5, 25, 60], np.float32)
    expected = OnnxRuntimeCpu(path, threads=1).run(noisy, sigma)
    engine = TensorRtEngine(path)
    for _ in range(3):
        assert np.array_equal(engine.run(noisy, sigma), expected)


def test_a_shape_that_comes_again_is_launched_as_a_graph_and_allocates_nothing(
    gpu: SimulatedGpu, model: Callable[..., Path]
) -> None:
    path = model("gray")
    engine = TensorRtEngine(path)
    windows, sigma = _windows(path, 6)
    list(engine.run_many(windows, sigma))
    assert gpu.num_launches == 4, "each of the two sets of buffers runs once before it is captured"
    allocated = gpu.num_allocations
    assert allocated == 2 * 3, "two sets of noisy, sigma and denoised"
    list(engine.run_many(windows, sigma))
    assert (gpu.num_launches, gpu.num_allocations) == (10, allocated)
    assert engine.description.endswith("CUDA graphs") and "no CUDA graphs" not in engine.description
    used = gpu.used_bytes
    others, _ = _windows(path, 3, side=20)
    list(engine.run_many(others, sigma))
    assert gpu.used_bytes > used
    list(engine.run_many(windows, sigma))
    assert gpu.used_bytes == used, "buffers of another shape are freed"


def test_an_engine_that_cannot_be_captured_runs_without_graphs_and_says_so(
    gpu: SimulatedGpu, model: Callable[..., Path]
) -> None:
    gpu.can_capture = False
    path = model("gray")
    engine = TensorRtEngine(path)
    windows, sigma = _windows(path, 5)
    expected = [OnnxRuntimeCpu(path, threads=1).run(window, sigma) for window in windows]
    assert np.array_equal(list(engine.run_many(windows, sigma)), expected)
    assert gpu.num_launches == 0
    assert "no CUDA graphs (" in engine.description
    gpu.can_capture = True
    switched_off = TensorRtEngine(path, cuda_graphs=False)
    assert np.array_equal(list(switched_off.run_many(windows, sigma)), expected)
    assert gpu.num_launches == 0


def test_the_next_window_is_on_its_way_before_the_first_result_is_taken(
    gpu: SimulatedGpu, model: Callable[..., Path]
) -> None:
    path = model("gray")
    windows, sigma = _windows(path, 4)
    taken: list[int] = []

    def fed() -> Iterator[np.ndarray]:
        for index, window in enumerate(windows):
            taken.append(index)
            yield window

    results = TensorRtEngine(path).run_many(fed(), sigma)
    next(results)
    assert taken == [0, 1]
    assert gpu.num_runs == 1, "the second is computed only when somebody waits for it"
    results.close()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_stream_that_is_left_early_frees_nothing_in_use(
    gpu: SimulatedGpu, model: Callable[..., Path], number: int
) -> None:
    path = model("gray")
    windows, sigma = _windows(path, 4)
    engine = TensorRtEngine(path)
    results = engine.run_many(windows, sigma)
    for _ in range(number):
        next(results)
    results.close()
    expected = OnnxRuntimeCpu(path, threads=1).run(windows[0], sigma)
    assert np.array_equal(engine.run(windows[0], sigma), expected)
    del engine, results


def test_several_threads_and_several_shapes_take_turns(gpu: SimulatedGpu, model: Callable[..., Path]) -> None:
    path = model("color", batch=(1, 2))
    engine, reference = TensorRtEngine(path), OnnxRuntimeCpu(path, threads=1)
    wrong: list[str] = []

    def work(side: int) -> None:
        windows, sigma = _windows(path, 5, side=side)
        for window, result in zip(windows, engine.run_many(windows, sigma), strict=True):
            if not np.allclose(result, reference.run(window, sigma), atol=1e-6):
                wrong.append(f"side {side}")

    threads = [threading.Thread(target=work, args=(side,)) for side in (8, 16, 8, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_two_streams_may_be_open_at_once(gpu: SimulatedGpu, model: Callable[..., Path]) -> None:
    path = model("gray")
    engine, reference = TensorRtEngine(path), OnnxRuntimeCpu(path, threads=1)
    (first, sigma), (second, _) = _windows(path, 4), _windows(path, 4, side=24)
    pairs = zip(engine.run_many(first, sigma), engine.run_many(second, sigma), strict=True)
    for index, (one, other) in enumerate(pairs):
        np.testing.assert_allclose(one, reference.run(first[index], sigma), atol=1e-6)
        np.testing.assert_allclose(other, reference.run(second[index], sigma), atol=1e-6)


@pytest.mark.parametrize("missing", ["before", "after"])
def test_the_simulated_gpu_sees_a_missing_wait(
    gpu: SimulatedGpu, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """The tests above can fail: without either of the two events the order of the streams is lost."""
    whole: Any = WindowBuffers.send if missing == "before" else WindowBuffers.fetch
    silent = type("Silent", (), {"wait_for_event": lambda *_: None})()

    def send(self: WindowBuffers, stream: Any, before: Any) -> None:
        whole(self, stream, silent)

    def fetch(self: WindowBuffers, stream: Any, after: Any) -> None:
        whole(self, stream, stream)

    monkeypatch.setattr(WindowBuffers, *(("send", send) if missing == "before" else ("fetch", fetch)))
    path = model("gray")
    windows, sigma = _windows(path, 2)
    with pytest.raises(RaceError, match="while stream"):
        list(TensorRtEngine(path).run_many(windows, sigma))


def test_the_simulated_gpu_sees_buffers_that_are_used_again_too_early(
    gpu: SimulatedGpu, model: Callable[..., Path]
) -> None:
    path = model("gray")
    engine = TensorRtEngine(path)
    windows, sigma = _windows(path, 1)
    slot = engine._started(windows[0], sigma)
    engine._idle.append(slot)
    with pytest.raises(RaceError, match="the host writes pinned"):
        engine._started(windows[0], sigma)
    engine._give_back(slot)


def test_memory_that_lacks_is_said_and_what_was_taken_is_given_back(
    gpu: SimulatedGpu, model: Callable[..., Path]
) -> None:
    path = model("gray")
    engine = TensorRtEngine(path)
    windows, sigma = _windows(path, 3)
    gpu.memory_bytes = 2 * 4 * 16 * 20 + 100
    with pytest.raises(OutOfMemoryError, match="out of memory"):
        list(engine.run_many(windows, sigma))
    gpu.memory_bytes = 2**30
    assert len(list(engine.run_many(windows, sigma))) == 3
    gpu.memory_bytes = 1000
    with pytest.raises(UserError, match=r"does not get the memory it needs on NVIDIA H200 .*smaller --tile"):
        TensorRtEngine(path)


@pytest.mark.parametrize("size", [(5, 7), (64, 64), (61, 200), (150, 130)])
@pytest.mark.parametrize("ensemble", [False, True])
def test_a_denoiser_cuts_pictures_to_what_the_engine_takes(
    gpu: SimulatedGpu, model: Callable[..., Path], size: tuple[int, int], ensemble: bool
) -> None:
    path = model("color", largest=(64, 72), batch=(1, 2))
    image = np.random.default_rng(3).random((*size, 3), np.float32)
    denoiser = Denoiser.load(path, "tensorrt", ensemble=ensemble)
    assert all(side <= 72 for side in denoiser.plan_for(image).window_shape)
    expected = Denoiser.load(path, "cpu", threads=1, ensemble=ensemble)(image, sigma=25)
    assert np.abs(denoiser(image, sigma=25) - expected).max() < 1e-5


def test_an_engine_of_one_shape_takes_what_is_cut_into_that_shape(
    gpu: SimulatedGpu, model: Callable[..., Path]
) -> None:
    path = model("gray", smallest=(40, 60), largest=(40, 60))
    denoiser = Denoiser.load(path, "tensorrt")
    generator = np.random.default_rng(4)
    for size in ((40, 60), (39, 60), (100, 130), (41, 60)):
        image = generator.random(size, np.float32)
        assert denoiser.plan_for(image).window_shape == (40, 60)
        expected = Denoiser.load(path, "cpu", threads=1)(image, sigma=25)
        assert np.abs(denoiser(image, sigma=25) - expected).max() < 1e-5
    with pytest.raises(UserError, match=r"of 30 x 60 pixels does not go into .* \(40 x 60 pixels, with 5 pixels of"):
        denoiser(np.zeros((30, 60), np.float32), sigma=25)
    with pytest.raises(UserError, match="does not go into the windows of this engine"):
        Denoiser.load(path, "tensorrt", ensemble=True)(np.zeros((40, 60), np.float32), sigma=25)
    with pytest.raises(UserError, match=r"windows of shape \(1, 1, 20, 20\): the engine takes"):
        open_backend("tensorrt", path).run(np.zeros((1, 1, 20, 20), np.float32), np.full(1, 25, np.float32))


def test_memory_that_never_suffices_for_the_only_window_ends(gpu: SimulatedGpu, model: Callable[..., Path]) -> None:
    denoiser = Denoiser.load(model("gray", smallest=(600, 600), largest=(600, 600)), "tensorrt")
    gpu.memory_bytes = 2**20
    with pytest.raises(UserError, match="out of memory even with the smallest tiles"):
        denoiser(np.zeros((700, 700), np.float32), sigma=25)


def test_an_engine_file_alone_is_enough(gpu: SimulatedGpu, model: Callable[..., Path], tmp_path: Path) -> None:
    path = model("color")
    engine = path.with_suffix(".engine").rename(tmp_path / "alone.engine")
    image = np.random.default_rng(5).random((30, 40, 3), np.float32)
    expected = Denoiser.load(path, "cpu", threads=1)(image, sigma=25)
    for name in ("auto", "tensorrt"):
        denoiser = Denoiser.load(engine, name)
        assert denoiser.description.startswith(f"tensorrt {VERSION}, NVIDIA H200 (compute capability 9.0), fp32")
        assert np.abs(denoiser(image, sigma=25) - expected).max() < 1e-5
    for name in ("cpu", "openvino", "cuda"):
        with pytest.raises(UserError, match=rf"alone\.engine: backend '{name}' does not run engines; use tensorrt"):
            Denoiser.load(engine, name)


def test_what_is_wrong_with_an_engine_is_said(
    gpu: SimulatedGpu, model: Callable[..., Path], models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model("gray")
    engine_file = path.with_suffix(".engine")
    good = read_engine(engine_file)

    def refuses(engine: Any, words: str) -> None:
        write_engine(engine, engine_file)
        with pytest.raises(UserError, match=words):
            open_backend("tensorrt", path)

    other_gpu = replace(H200, name="NVIDIA GeForce GTX 1080 Ti", compute_capability=(6, 1))
    refuses(replace(good, key=replace(good.key, tensorrt_version="8.6.1")), rf"TensorRT 8\.6\.1, but {VERSION} is")
    refuses(replace(good, key=replace(good.key, gpu=other_gpu)), r"built for .*1080 Ti .*6\.1\), but this is NVIDIA H2")
    portable = replace(good.key, tensorrt_version="8.6.1", version_compatible=True)
    stale = rf"TensorRT {VERSION} on NVIDIA H200 .* does not load it; it was built with TensorRT 8\.6\.1 .*kMAGIC_TAG"
    refuses(replace(good, key=portable, plan=b"no plan"), stale)
    refuses(replace(good, plan=good.plan.replace(b"{", b'{"type": 1, ', 1)), "noisy is of another type; this backend")
    refuses(replace(good, manifest=replace(good.manifest, channels=3)), "the graph takes 1 channels")
    write_engine(replace(good, key=replace(good.key, gpu=replace(H200, memory_bytes=1))), engine_file)
    open_backend("tensorrt", path)
    path.write_bytes(models["gray1"].read_bytes())
    refuses(good, r"gray\.engine: built from another model than gray\.onnx is now; build it here: hinas-export")
    engine_file.write_bytes(b"hello")
    with pytest.raises(UserError, match=r"gray\.engine: not an engine of this version of hinas, or damaged"):
        open_backend("tensorrt", path)
    engine_file.unlink()
    with pytest.raises(UserError, match=r"no TensorRT engine beside it \(gray\.engine\); .* hinas-export GENOTYPE"):
        open_backend("tensorrt", path)


def test_what_is_missing_on_the_machine_is_said(
    gpu: SimulatedGpu, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model("gray")
    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt(gpu, starts=False))
    with pytest.raises(UserError, match="TensorRT cannot start on this machine: CUDA initialization failure"):
        open_backend("tensorrt", path)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(UserError, match="no usable GPU: pycuda or NVIDIA's driver is missing"):
        open_backend("tensorrt", path)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(UserError, match=r'TensorRT is not installed, or does not load: pip install ".*\[gpu\]"'):
        open_backend("tensorrt", path)


def test_a_timed_run_is_told_in_parts_and_changes_nothing(gpu: SimulatedGpu, model: Callable[..., Path]) -> None:
    path = model("gray")
    engine = TensorRtEngine(path)
    windows, sigma = _windows(path, 1)
    for _ in range(3):
        times = engine.timed_run(windows[0], sigma)
        assert min(times.transfer_in_ms, times.compute_ms, times.transfer_out_ms) > 0
    assert gpu.num_launches == 2, "the second run of a shape is a graph, timed or not"
    assert np.array_equal(engine.run(windows[0], sigma), OnnxRuntimeCpu(path, threads=1).run(windows[0], sigma))


def test_the_processors_copy_to_pinned_memory_is_not_timed(
    gpu: SimulatedGpu, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model("gray")
    engine = TensorRtEngine(path)
    [window], sigma = _windows(path, 1)
    cuda: Any = engine._loaded.cuda
    pinned: list[np.ndarray] = []
    filled_at_marks: list[bool] = []
    made, record = cuda.pagelocked_empty, cuda.Event.record

    def remembered(*given: Any, **options: Any) -> np.ndarray:
        pinned.append(made(*given, **options))
        return pinned[-1]

    def marked(event: Any, stream: Any) -> Any:
        if event.is_timed:
            filled_at_marks.append(any(np.array_equal(memory, window) for memory in pinned))
        return record(event, stream)

    monkeypatch.setattr(cuda, "pagelocked_empty", remembered)
    monkeypatch.setattr(cuda.Event, "record", marked)
    engine.timed_run(window, sigma)
    assert filled_at_marks == [True] * 5
