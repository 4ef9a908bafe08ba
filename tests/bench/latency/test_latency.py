"""What is timed, in which order, and how figures come of it; processes are played."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.bench.devices.environment import describe_machine
from hinas.bench.latency import gpu_meter
from hinas.bench.latency import measure_latency as latency_module
from hinas.bench.latency import open_method as open_method_module
from hinas.bench.latency.measure_latency import MeasuredLatency, Rounds, latency_of, measure_latency, progress_steps
from hinas.bench.latency.timed_method import Size, TimedMethod
from hinas.bench.methods import open_networks as open_networks_module
from hinas.bench.methods import session_methods as session_methods_module
from hinas.bench.methods.lower_precision import calibration_on, in_precision, manifest_of
from hinas.bench.methods.network_files import network_files
from hinas.bench.methods.open_networks import Variants, open_networks
from hinas.bench.methods.peak_probes import peak_probes, shares_of_peak
from hinas.bench.methods.peer_methods import peer_files
from hinas.bench.methods.session_methods import fitting, session_methods
from hinas.bench.peers.peer_registry import PEERS, peer_model
from hinas.bench.peers.peer_weights import RANDOM
from hinas.bench.results.entries import ColdStart, Entry
from hinas.bench.results.result_texts import labels, relative_spread
from hinas.bench.session_output import latency_entry
from hinas.errors import UserError
from hinas.export.tensorrt import engine_beside_model
from hinas.runtime.backends import onnxruntime_cuda, tensorrt_engine
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.engines.gpu import Gpu
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stand_ins.onnxruntime_gpu import make_onnxruntime
from stand_ins.pycuda_driver import DriverLibrary, install_pycuda, make_pycuda
from stand_ins.simulated_gpu import SimulatedGpu
from stand_ins.tensorrt_runtime import make_tensorrt, write_engine_for

H200 = Gpu(name="NVIDIA H200", compute_capability=(9, 0), num_multiprocessors=132, memory_bytes=141 * 2**30)
SIZE = Size(width=64, height=48)


def _timed(name: str, bytes_per_pixel: int = 0, **facts: Any) -> TimedMethod:
    return TimedMethod(name=name, request={}, facts=facts, bytes_per_pixel=lambda: bytes_per_pixel)


class _Played:
    """A worker without a process. `runs`: the names in the order of all runs."""

    runs: list[str]

    def __init__(self, method: TimedMethod, size: Size) -> None:
        self.method, self.size, self.library = method, method.own_size or size, "played"
        self.cold_start = ColdStart(import_ms=1, load_ms=1, first_run_ms=1)

    def __enter__(self) -> "_Played":
        return self

    def __exit__(self, *_: object) -> None: ...

    def start(self) -> None:
        self.runs.append(f"start {self.method.name}")

    def run(self) -> dict[str, float]:
        self.runs.append(self.method.name)
        return {"ms": 2.0, "transfer_in_ms": 0.5, "transfer_out_ms": 0.25}

    def totals(self) -> dict[str, Any]:
        return {"peak_memory_bytes": 1, "peak_device_bytes": 2, "energy_j": 3.0}


def test_every_round_runs_every_method_once_and_another_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _Played.runs = []
    monkeypatch.setattr(latency_module, "MethodProcess", _Played)
    names = ["a", "b", "c"]
    steps: list[None] = []
    rounds = Rounds(fewest=9, seconds=0, starts=2)
    measured = measure_latency(
        [_timed(name) for name in names], SIZE, rounds=rounds, progress=lambda: steps.append(None)
    )
    assert len(steps) == progress_steps(3, rounds)
    warm_up = [name for method in names for name in (f"start {method}", *[method] * 3)]
    rest = _Played.runs
    for done in (5, 4):
        assert rest[: len(warm_up)] == warm_up, "one process is at work at a time"
        played = np.reshape(rest[len(warm_up) :][: 3 * done], (done, 3))
        assert [sorted(row) for row in played] == [names] * done
        assert [row[0] for row in played] == [*names, *names][:done]
        rest = rest[len(warm_up) + 3 * done :]
    assert not rest
    for item in measured:
        assert item.latency.runs == 9
        assert item.latency.warm_up_runs == 6
        assert (item.transfer_in_ms, item.transfer_out_ms, item.energy_j, item.peak_device_bytes) == (0.5, 0.25, 3, 2)


def _measured(timed: TimedMethod, *samples: float, size: Size = SIZE) -> MeasuredLatency:
    statistics = latency_of(samples, warm_up_runs=3, is_warm=True, cold_start=None)
    return MeasuredLatency(method=timed, size=size, latency=statistics, library="l", peak_memory_bytes=None)


def test_the_share_of_the_peak_is_that_of_the_same_backend_and_precision() -> None:
    fp32 = _timed("peak fp32", macs_per_pixel=1000.0)
    int8 = _timed("peak int8", macs_per_pixel=1000.0)
    net = _timed("net", backend="cpu", precision="fp32", macs_per_pixel=100.0)
    fast = _timed("fast", backend="cpu", precision="int8", macs_per_pixel=100.0)
    other = _timed("other", backend="tensorrt", precision="fp32", macs_per_pixel=100.0)
    small = Size(width=32, height=24)
    measured = [
        _measured(net, 10, 12, 14),
        _measured(fast, 4),
        _measured(other, 4),
        _measured(_timed("classical"), 4),
        _measured(fp32, 15, 20, size=small),
        _measured(int8, 5, size=small),
    ]
    shares = shares_of_peak(measured, {("cpu", "fp32"): fp32, ("cpu", "int8"): int8})
    # 0.1 of the multiply-adds on 4 times the pixels.
    assert shares == pytest.approx({"net": 0.4 * 15 / 12, "fast": 0.4 * 5 / 4})


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=30), st.floats(0.01, 100))
def test_the_spread_is_no_matter_of_the_unit(samples: list[float], factor: float) -> None:
    spread = relative_spread(samples)
    assert 0 <= spread <= (max(samples) - min(samples)) / np.median(samples) + 1e-9
    assert relative_spread([factor * sample for sample in samples]) == pytest.approx(spread, rel=1e-6, abs=1e-9)


def test_what_does_not_fit_is_left_out_the_largest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = 64 * 48
    monkeypatch.setattr(session_methods_module, "available_bytes", lambda: int(100 * pixels / 0.8) + pixels)
    left: list[str] = []
    methods = [_timed("ours", 40), _timed("huge", 70), _timed("mid", 50), _timed("small", 10)]
    kept = fitting(methods, [Size(width=8, height=8), SIZE], required=1, leave_out=left.append)
    assert ([method.name for method in kept], left) == (["ours", "mid", "small"], ["huge"])


def _entry(model: str, backend: str | None, precision: Any, **quality: Any) -> Entry:
    figures = quality or {
        "latency_ms": latency_of([1.0], warm_up_runs=1, is_warm=True, cold_start=None),
        "device": "d",
        "size": "8x8",
        "batch": 1,
    }
    return Entry(
        model=model, channels=1, origin="measured", backend=backend, precision=precision, source="s", **figures
    )


def test_variants_of_one_model_are_told_apart_by_name() -> None:
    entries = [_entry("net", "cpu", "fp32"), _entry("net", "openvino", "fp32"), _entry("nlm", None, None)]
    assert labels(entries) == ["net cpu fp32", "net openvino fp32", "nlm"]
    assert labels(entries[1:]) == ["net", "nlm"]


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


class _Nvml:
    """`pynvml` with one GPU: each run takes energy, opening a backend takes memory."""

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.used, self.energy_mj, self.has_counter = 1000, 5000, True
        self.asked: list[str] = []

    def nvmlInit(self) -> None: ...  # noqa: N802

    def nvmlDeviceGetHandleByPciBusId(self, place: str) -> str:  # noqa: N802
        self.asked.append(place)
        return "handle"

    def nvmlDeviceGetMemoryInfo(self, device: str) -> Any:  # noqa: N802
        return SimpleNamespace(used=self.used)

    def nvmlDeviceGetTotalEnergyConsumption(self, device: str) -> int:  # noqa: N802
        if not self.has_counter:
            raise self.NVMLError
        return self.energy_mj


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> _Nvml:
    """A machine with NVML, ONNX Runtime for GPUs and one GPU, all played."""
    module, driver = _Nvml(), DriverLibrary(SimulatedGpu())
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setitem(sys.modules, "onnxruntime", make_onnxruntime())
    for user in (gpu_meter, onnxruntime_cuda):
        monkeypatch.setattr(user, "driver_library", lambda: driver)
    monkeypatch.setattr(gpu_meter, "_SECONDS", 0)
    return module


def test_a_gpus_run_is_told_in_parts_and_its_counters_are_read(nvml: _Nvml, models: dict[str, Path]) -> None:
    request = {"model": str(models["gray"]), "backend": "cuda", "threads": 1, "width": 20, "height": 12}
    method = open_method_module.open_method(request)
    first = method.run()
    assert set(first) == {"ms", "transfer_in_ms", "transfer_out_ms"} and min(first.values()) > 0
    assert method.gpu is not None and nvml.asked == ["0000:01:00.0"]
    assert method.gpu.taken_bytes() is None
    nvml.used += 500
    assert method.gpu.taken_bytes() == 500

    def run() -> None:
        method.run()
        nvml.energy_mj += 700

    assert method.gpu.energy_of(run) == pytest.approx(0.7)
    nvml.has_counter = False
    assert method.gpu.energy_of(run) is None


def test_a_gpu_without_nvml_is_timed_all_the_same(
    nvml: _Nvml, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    request = {"model": str(models["gray"]), "backend": "cuda", "threads": 1, "width": 20, "height": 12}
    method = open_method_module.open_method(request)
    assert method.gpu is None and method.run()["transfer_in_ms"] > 0


def test_the_processors_run_has_no_parts(models: dict[str, Path], nvml: _Nvml) -> None:
    request = {"model": str(models["color"]), "backend": "cpu", "threads": 1, "width": 20, "height": 12}
    method = open_method_module.open_method(request)
    assert set(method.run()) == {"ms"} and method.gpu is None and nvml.asked == []


def test_what_a_gpu_says_stands_in_the_entry() -> None:
    timed = _timed("net", model="net", channels=1, backend="cpu", precision="fp16", source="file")
    item = MeasuredLatency(
        method=timed,
        size=SIZE,
        latency=latency_of([2.0], warm_up_runs=1, is_warm=True, cold_start=None),
        library="tensorrt",
        peak_memory_bytes=10,
        transfer_in_ms=0.5,
        transfer_out_ms=0.25,
        peak_device_bytes=20,
        energy_j=0.1,
    )
    entry = latency_entry(item, 0.4, describe_machine())
    assert (entry.transfer_in_ms, entry.transfer_out_ms, entry.energy_j) == (0.5, 0.25, 0.1)
    assert (entry.share_of_peak, entry.peak_device_bytes, entry.precision) == (0.4, 20, "fp16")
    assert entry.throughput_mpix_s == pytest.approx(64 * 48 / 2e-3 / 1e6)
    assert Entry.model_validate(json.loads(entry.model_dump_json()) | {"latency_ms": entry.latency_ms}) == entry


def test_an_engine_is_built_where_none_lies_beside(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = SimulatedGpu()
    install_pycuda(monkeypatch, make_pycuda(gpu, H200))
    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt(gpu))
    monkeypatch.setattr(tensorrt_engine, "driver_library", lambda: DriverLibrary(gpu))
    monkeypatch.setattr(open_networks_module, "require_libraries", lambda *_, **__: None)
    built: list[int] = []

    def build(model: Path, request: Any, *, quiet: bool) -> None:
        built.append(request.tile)
        write_engine_for(model, H200, largest=(request.tile, request.tile))

    monkeypatch.setattr(engine_beside_model, "write_engine_beside", build)
    own = tmp_path / "own.onnx"
    own.write_bytes(models["gray"].read_bytes())
    write_engine_for(own, H200)
    work = tmp_path / "work"
    work.mkdir()
    sources = network_files([str(own), str(models["color"])], work)
    variants = Variants(backends=("tensorrt",), tile=128)
    networks = open_networks([*sources, *peer_files(("ffdnet",), {}, work)], variants, work)
    assert [network.model for network in networks] == ["own", "color", "FFDNet"]
    assert built == [128, 128], "an engine that is there is used"
    assert not models["color"].with_suffix(".engine").exists()
    probes = peak_probes(networks, work)
    assert set(probes) == {("tensorrt", "fp32")} and built == [128, 128, 512]
    request = networks[2].timed().request
    method = open_method_module.open_method({**request, "width": 100, "height": 60})
    assert method.run()["transfer_out_ms"] > 0


def test_the_machine_says_which_processors_may_be_used() -> None:
    machine = describe_machine()
    if hasattr(os, "sched_getaffinity"):
        assert machine.affinity == tuple(sorted(os.sched_getaffinity(0)))
        assert machine.logical_cores == len(machine.affinity)


def test_a_classical_algorithm_is_held_to_its_processors() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system lets no process choose its processors")
    program = (
        "import os; from hinas.bench.latency.open_method import open_method; "
        "s = open_method({'classical': 'nlm', 'threads': 1, 'width': 20, 'height': 16}); "
        "assert s.run()['ms'] > 0; print(len(os.sched_getaffinity(0)), s.library)"
    )
    result = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("1 scikit-image ")


def test_a_peer_whose_package_is_missing_is_left_out_and_the_others_run(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    monkeypatch.setattr(session_methods_module, "available_bytes", lambda: 2**60)
    monkeypatch.setattr(
        "hinas.bench.methods.session_methods.peer_names",
        lambda text, _: ("nlm", "bm3d") if text == "all" else (text,),
    )
    notes: list[str] = []
    arrange = partial(
        session_methods, [str(models["gray"])], peer_weights={}, sizes=[SIZE], variants=Variants(), folder=tmp_path,
        note=notes.append,
    )  # fmt: skip
    found = arrange(peers="all")
    assert ([timed.name for timed in found.timed], found.classical) == (["gray", "NLM"], ("nlm",))
    assert len(notes) == 1 and notes[0].startswith("note: bm3d left out: BM3D needs the package bm3d")
    assert arrange(peers="bm3d").classical == ()
    assert len(notes) == 2 and notes[1] == notes[0]
    (tmp_path / "FFDNet.onnx").write_bytes(models["gray"].read_bytes())
    with pytest.raises(UserError, match="a model is called FFDNet too"):
        session_methods(
            [str(tmp_path / "FFDNet.onnx")], "ffdnet", {}, sizes=[SIZE], variants=Variants(), folder=tmp_path,
            note=notes.append,
        )  # fmt: skip
