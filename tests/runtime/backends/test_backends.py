"""Opening models: names, files that are no models, libraries that are missing."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.installation import install_advice
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.backends.onnxruntime_session import imported_onnxruntime
from hinas.runtime.backends.open_backend import open_backend
from hinas.runtime.model import bundled_models
from hinas.runtime.tiling.window_limits import MOST_BYTES_PER_PIXEL

Models = dict[str, Path]
HAS_OPENVINO = importlib.util.find_spec("openvino") is not None
BACKENDS = pytest.mark.parametrize(
    "backend",
    ["cpu", pytest.param("openvino", marks=pytest.mark.skipif(not HAS_OPENVINO, reason="openvino is not installed"))],
)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_auto_and_cpu_say_what_runs(models: Models, name: str) -> None:
    backend = open_backend(name, models["gray"], threads=1)
    assert "CPUExecutionProvider" in backend.description
    assert backend.description.endswith("1 thread")


@pytest.mark.parametrize("name", ["gray", "color", "single"])
def test_openvino_gives_what_onnx_runtime_gives(models: Models, name: str) -> None:
    pytest.importorskip("openvino")
    backend, reference = open_backend("openvino", models[name], threads=1), open_backend("cpu", models[name])
    assert backend.manifest == reference.manifest
    assert backend.description.startswith("openvino") and backend.description.endswith("CPU, fp32, 1 thread")
    side = 6 * backend.manifest.alignment
    random = np.random.default_rng(0)
    for batch, height in ((1, side), (2, side), (1, 2 * side), (1, side)):
        noisy = random.random((batch, backend.manifest.channels, height, side), dtype=np.float32)
        sigma = np.full(batch, 25, np.float32) if backend.manifest.conditioned else None
        np.testing.assert_allclose(backend.run(noisy, sigma), reference.run(noisy, sigma), atol=1e-5)
        backend.release_memory()
    assert 64 <= backend.bytes_per_pixel() <= MOST_BYTES_PER_PIXEL


def test_openvino_runs_bf16_models_in_bf16_or_not_at_all(models: Models, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    model = onnx.load(models["gray"])
    for entry in model.metadata_props:
        if entry.key == "hinas.precision":
            entry.value = "bf16"
    onnx.save(model, tmp_path / "half.onnx")
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        backend = open_backend("openvino", tmp_path / "half.onnx")
        assert ", bf16," in backend.description
        noisy = np.random.default_rng(0).random((1, 1, 64, 64), dtype=np.float32)
        difference = np.abs(backend.run(noisy, np.full(1, 25, np.float32)) - noisy)
        assert np.isfinite(difference).all()
    else:
        with pytest.raises(UserError, match="this processor does not compute in"):
            open_backend("openvino", tmp_path / "half.onnx")


def test_an_unknown_backend(models: Models) -> None:
    with pytest.raises(UserError, match="no such backend; allowed: auto, tensorrt, cuda, openvino, cpu"):
        open_backend("gpu", models["gray"])


@BACKENDS
def test_a_file_that_is_no_model(tmp_path: Path, backend: str) -> None:
    for content in (b"", b"hello", bytes(5000)):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(UserError, match=r"bad\.onnx: (damaged, or not an ONNX model|not a hinas model)"):
            open_backend(backend, tmp_path / "bad.onnx")


@BACKENDS
def test_a_truncated_model(models: Models, tmp_path: Path, backend: str) -> None:
    data = models["gray"].read_bytes()
    (tmp_path / "cut.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"cut\.onnx: damaged, or not an ONNX model"):
        open_backend(backend, tmp_path / "cut.onnx")


@BACKENDS
def test_somebody_elses_model(models: Models, tmp_path: Path, backend: str) -> None:
    model = onnx.load(models["gray"])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match=r"other\.onnx: not a hinas model: .* hinas-export --import FILE makes one"):
        open_backend(backend, tmp_path / "other.onnx")


@BACKENDS
def test_a_manifest_that_does_not_fit_the_graph(models: Models, tmp_path: Path, backend: str) -> None:
    model = onnx.load(models["gray"])
    for entry in model.metadata_props:
        if entry.key == "hinas.channels":
            entry.value = "3"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(UserError, match=r"the graph takes 1 channels, but hinas\.channels is 3"):
        open_backend(backend, tmp_path / "odd.onnx")


@BACKENDS
def test_a_model_without_the_promised_input(models: Models, tmp_path: Path, backend: str) -> None:
    model = onnx.load(models["single"])
    for entry in model.metadata_props:
        if entry.key == "hinas.conditioned":
            entry.value = "true"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(UserError, match="expected noisy, sigma and denoised"):
        open_backend(backend, tmp_path / "odd.onnx")


def test_threads_must_be_positive(models: Models) -> None:
    with pytest.raises(UserError, match="threads is 0; allowed: a whole number from 1 to"):
        OnnxRuntimeCpu(models["gray"], threads=0)


def test_a_run_and_the_memory_it_gives_back(models: Models) -> None:
    backend = OnnxRuntimeCpu(models["color"], threads=1)
    noisy = np.random.default_rng(0).random((2, 3, 8, 6), np.float32)
    sigma = np.array([10, 50], np.float32)
    first = backend.run(noisy, sigma)
    backend.release_memory()
    assert first.shape == noisy.shape
    assert np.array_equal(backend.run(noisy, sigma), first)


def test_the_cost_of_a_pixel_is_at_least_its_own_bytes(models: Models) -> None:
    cost = OnnxRuntimeCpu(models["color"], threads=1).bytes_per_pixel()
    assert 3 * 64 <= cost <= MOST_BYTES_PER_PIXEL
    assert cost % 64 == 0


def test_without_onnxruntime_one_line_says_what_to_install(models: Models) -> None:
    program = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from hinas.errors import UserError\n"
        "from hinas.runtime import Denoiser\n"
        f"try: Denoiser.load({str(models['gray'])!r})\n"
        "except UserError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.startswith(f"onnxruntime is not installed; install it: {install_advice('cpu')}")
    assert result.stdout.count("\n") == 1


def test_ctrl_c_while_onnxruntime_is_imported_stays_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "onnxruntime":
                raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(KeyboardInterrupt):
        imported_onnxruntime(extras="cpu")


def test_runtime_runs_with_torch_blocked_and_imports_no_other_room(models: Models) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import hinas.runtime\n"
        "assert 'numpy' not in sys.modules, 'importing hinas.runtime must stay light'\n"
        "import numpy as np\n"
        f"denoiser = hinas.runtime.Denoiser.load({str(models['gray'])!r}, threads=1)\n"
        "print(denoiser(np.zeros((5, 5), np.uint8), sigma=75).shape)\n"
        "rooms = [name for name in sys.modules if name.split('.')[:2] in "
        "[['hinas', room] for room in ('search', 'export', 'bench')]]\n"
        "assert not rooms, rooms\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stderr == ""
    assert result.stdout == "(5, 5)\n"


def test_a_model_that_is_neither_a_name_nor_a_file(monkeypatch: pytest.MonkeyPatch, models: Models) -> None:
    monkeypatch.setattr(bundled_models, "MODELS_FOLDER", models["gray"].parent)
    with pytest.raises(UserError, match=r"model 'colour': no such file, .*; bundled: .*color, .*gray"):
        bundled_models.model_file("colour")


def test_a_bundled_name_and_a_path(monkeypatch: pytest.MonkeyPatch, models: Models) -> None:
    monkeypatch.setattr(bundled_models, "MODELS_FOLDER", models["gray"].parent)
    assert bundled_models.model_file("gray") == models["gray"]
    assert bundled_models.model_file(models["color"]) == models["color"]


def test_an_installation_without_models_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled_models, "MODELS_FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"bundled: none \(this installation has no models\)"):
        bundled_models.model_file("color")
