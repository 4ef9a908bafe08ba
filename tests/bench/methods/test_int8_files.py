"""`hinas-bench --precision int8` measures the int8 file that lies beside a model, and says which."""

from pathlib import Path

import pytest
from hinas.bench.methods.network_files import network_files
from hinas.bench.methods.open_networks import Variants, open_networks
from hinas.errors import UserError
from hinas.runtime.model.bundled_models import MODELS_FOLDER


@pytest.mark.parametrize(("backend", "target"), [("cpu", "ort"), ("openvino", "openvino")])
def test_a_bundled_model_is_measured_by_its_int8_file(tmp_path: Path, backend: str, target: str) -> None:
    pytest.importorskip(backend if backend == "openvino" else "onnxruntime")
    variants = Variants(backends=(backend,), precisions=("fp32", "int8"))
    full, reduced = open_networks(network_files(["gray-fast"], tmp_path), variants, tmp_path)
    assert (full.model, reduced.model) == ("gray-fast", "gray-fast")
    assert (full.manifest.precision, reduced.manifest.precision) == ("fp32", "int8")
    assert reduced.file == MODELS_FOLDER / f"gray-fast.{target}.int8.onnx"
    assert reduced.source.startswith(f"gray-fast.{target}.int8.onnx, SHA-256 ")
    # It passed the gate, unlike what hinas-bench makes itself.
    assert reduced.caveat is None
    assert reduced.cost == full.cost


def test_a_file_of_another_training_is_not_measured(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(models["gray"].read_bytes())
    (tmp_path / "mine.ort.int8.onnx").write_bytes((MODELS_FOLDER / "gray.ort.int8.onnx").read_bytes())
    with pytest.raises(UserError, match=r"mine\.ort\.int8\.onnx: made of other weights than mine\.onnx"):
        open_networks(network_files([str(tmp_path / "mine.onnx")], tmp_path), Variants(precisions=("int8",)), tmp_path)


def test_a_model_without_one_is_still_refused(tmp_path: Path) -> None:
    variants = Variants(precisions=("int8",))
    with pytest.raises(UserError, match="--precision int8: sr-x2: its fp32 file has been rewritten"):
        open_networks(network_files(["sr-x2"], tmp_path), variants, tmp_path)
