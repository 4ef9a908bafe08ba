"""`auto` on the processor: small jobs never ask, large ones measure once, and the answer stays the same."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.runtime import Denoiser
from hinas.runtime.backends import faster_on_cpu
from hinas.runtime.backends.faster_on_cpu import FasterOnCpu, openvino_pays
from hinas.runtime.backends.open_backend import open_backend

Models = dict[str, Path]
NUMBERS = {
    "cpu_seconds_per_pixel": 2e-6,
    "openvino_seconds_per_pixel": 1e-6,
    "openvino_start_seconds": 0.5,
    "difference": 1e-6,
}
pytest.importorskip("openvino")


@pytest.fixture(autouse=True)
def large_jobs_are_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing has been learnt yet."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setattr(faster_on_cpu, "LARGE_JOB_PIXELS", 2000)


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """The measurements made, which all find OpenVINO faster; change `NUMBERS` in the list's first entry."""
    made: list[dict[str, float]] = []
    measured = FasterOnCpu._measured

    def faster(self: Any) -> dict[str, float]:
        made.append(measured(self))
        return NUMBERS | {"openvino_start_seconds": 0.0}

    monkeypatch.setattr(FasterOnCpu, "_measured", faster)
    return made


def test_openvino_must_win_back_its_start_and_give_the_same_answer() -> None:
    assert openvino_pays(NUMBERS, 600_000)
    assert not openvino_pays(NUMBERS, 400_000)
    assert not openvino_pays(NUMBERS | {"openvino_seconds_per_pixel": 3e-6}, 10**9)
    for difference in (1e-3, float("nan"), float("inf")):
        assert not openvino_pays(NUMBERS | {"difference": difference}, 10**9)
    assert not openvino_pays({}, 10**9)


def test_small_jobs_take_onnx_runtime_without_asking(models: Models, measurements: list[Any]) -> None:
    denoiser = Denoiser.load(models["gray"], threads=1)
    denoiser(np.zeros((40, 49), np.uint8), sigma=25)
    assert "onnxruntime" in denoiser.description_for(40, 49)
    assert measurements == []


def test_large_jobs_measure_once_on_a_machine_and_take_the_faster(models: Models, measurements: list[Any]) -> None:
    image = np.random.default_rng(0).random((60, 70), np.float32)
    reference = Denoiser.load(models["gray"], "cpu", threads=1, tile=24)(image, sigma=25)
    for _ in range(2):
        denoiser = Denoiser.load(models["gray"], threads=1, tile=24)
        for _ in range(2):
            assert np.abs(denoiser(image, sigma=25) - reference).max() < 1e-5
        assert denoiser.description_for(60, 70).startswith("openvino")
        assert "onnxruntime" in denoiser.description_for(10, 10)
    assert len(measurements) == 1
    assert all(number >= 0 for number in measurements[0].values())
    assert measurements[0]["difference"] < 1e-5


def test_the_library_that_is_not_faster_is_not_taken(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FasterOnCpu, "_measured", lambda _: NUMBERS)
    assert "onnxruntime" in open_backend("auto", models["gray"], threads=1).for_job(3000).description


def test_a_bound_for_the_memory_leaves_the_second_library_out(models: Models, measurements: list[Any]) -> None:
    denoiser = Denoiser.load(models["gray"], threads=1, memory_bytes=2**31)
    assert "onnxruntime" in denoiser.description_for(600, 700)
    assert measurements == []


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_other_precisions_than_fp32_stay_where_they_were(
    models: Models, tmp_path: Path, measurements: list[Any], precision: str
) -> None:
    model = onnx.load(models["gray"])
    for entry in model.metadata_props:
        if entry.key == "hinas.precision":
            entry.value = precision
    onnx.save(model, tmp_path / "model.onnx")
    assert "onnxruntime" in open_backend("auto", tmp_path / "model.onnx", threads=1).for_job(3000).description
    assert measurements == []


def test_a_machine_without_openvino_keeps_onnx_runtime(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(faster_on_cpu, "version", missing)
    backend = open_backend("auto", models["gray"], threads=1)
    assert "onnxruntime" in backend.for_job(3000).description


def test_a_model_that_openvino_cannot_run_keeps_onnx_runtime(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    from hinas.runtime.backends.openvino_cpu import OpenVinoCpu
    from hinas.runtime.tiling.window_limits import OutOfMemoryError

    def failing(*_: Any) -> Any:
        raise OutOfMemoryError("no room")

    monkeypatch.setattr(OpenVinoCpu, "run", failing)
    backend = open_backend("auto", models["gray"], threads=1)
    assert "onnxruntime" in backend.for_job(3000).description
    assert "onnxruntime" in backend.for_job(3000).description
