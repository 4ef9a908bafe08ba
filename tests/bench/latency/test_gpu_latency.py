"""A GPU's run in parts, its counters, and the engine it needs."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hinas.bench.devices.environment import describe_machine
from hinas.bench.latency import gpu_meter
from hinas.bench.latency import open_method as open_method_module
from hinas.bench.latency.measure_latency import MeasuredLatency, latency_of
from hinas.bench.latency.timed_method import Size, TimedMethod
from hinas.bench.methods import open_networks as open_networks_module
from hinas.bench.methods.network_files import network_files
from hinas.bench.methods.open_networks import Variants, open_networks
from hinas.bench.methods.peak_probes import peak_probes
from hinas.bench.methods.peer_methods import peer_files
from hinas.bench.results.entries import Entry
from hinas.bench.session_output import latency_entry
from hinas.export.tensorrt import engine_beside_model
from hinas.runtime.backends import onnxruntime_cuda, tensorrt_engine
from hinas.runtime.engines.gpu import Gpu
from stand_ins.onnxruntime_gpu import make_onnxruntime
from stand_ins.pycuda_driver import DriverLibrary, install_pycuda, make_pycuda
from stand_ins.simulated_gpu import SimulatedGpu
from stand_ins.tensorrt_runtime import make_tensorrt, write_engine_for

H200 = Gpu(name="NVIDIA H200", compute_capability=(9, 0), num_multiprocessors=132, memory_bytes=141 * 2**30)
SIZE = Size(width=64, height=48)


def _timed(name: str, bytes_per_pixel: int = 0, **facts: Any) -> TimedMethod:
    return TimedMethod(name=name, request={}, facts=facts, bytes_per_pixel=lambda: bytes_per_pixel)


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
