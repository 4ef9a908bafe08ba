"""Damaged weights in a model file: refused on opening, since they would run without a word."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.runtime.backends.open_backend import open_backend
from hinas.runtime.model.bundled_models import MODELS_FOLDER, bundled_names
from hinas.runtime.model.checksum import checksum_of, is_whole, with_checksum
from hinas.runtime.model.model_bytes import model_bytes

Models = dict[str, Path]


def _with_a_changed_weight(content: bytes) -> bytes:
    """One bit of the first convolution's first weight is another: still a valid model."""
    weight = onnx.load_from_string(content).graph.initializer[0].raw_data
    place = content.index(weight)
    return content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :]


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
def test_a_damaged_weight_is_refused_in_one_line(models: Models, tmp_path: Path, backend: str) -> None:
    pytest.importorskip("openvino" if backend == "openvino" else "onnxruntime")
    file = tmp_path / "copied.onnx"
    whole = with_checksum(models["color"].read_bytes())
    file.write_bytes(whole)
    assert open_backend(backend, file).manifest.channels == 3
    file.write_bytes(_with_a_changed_weight(whole))
    with pytest.raises(UserError, match=r"copied\.onnx: damaged: .* checksum .*; copy or export it again") as error:
        open_backend(backend, file)
    assert "\n" not in str(error.value)


def test_every_damaged_byte_of_the_network_is_found(models: Models) -> None:
    content = with_checksum(models["gray"].read_bytes())
    graph = onnx.load_from_string(content).graph.SerializeToString()
    start = content.index(graph)
    for place in np.linspace(start, start + len(graph) - 1, 200, dtype=int):
        assert not is_whole(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


def test_a_damaged_checksum_is_refused(models: Models, tmp_path: Path) -> None:
    content = models["gray"].read_bytes()
    found = checksum_of(content).encode()
    (tmp_path / "model.onnx").write_bytes(with_checksum(content).replace(found, found[::-1]))
    with pytest.raises(UserError, match="damaged"):
        model_bytes(tmp_path / "model.onnx")


def test_other_entries_may_change_and_older_files_open(models: Models, tmp_path: Path) -> None:
    content = models["gray"].read_bytes()
    assert b"hinas.checksum" not in content and is_whole(content)
    model = onnx.load_from_string(with_checksum(content))
    model.metadata_props.add(key="author", value="somebody")
    onnx.save(model, tmp_path / "signed.onnx")
    assert open_backend("cpu", tmp_path / "signed.onnx").manifest.channels == 1


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_models_carry_their_checksum(name: str) -> None:
    content = (MODELS_FOLDER / f"{name}.onnx").read_bytes()
    entries = {item.key: item.value for item in onnx.load_from_string(content).metadata_props}
    assert entries["hinas.checksum"] == checksum_of(content)
