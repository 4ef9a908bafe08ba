"""What can go wrong with an export: damaged inputs, a full disk, Ctrl-C, a killed process. Old outputs stay whole."""

import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from hinas.errors import UserError
from hinas.export import export_run
from hinas.export.commands import app
from hinas.export.export_report import ExportReport
from hinas.export.freeze import frozen_model, write_export
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.learning.weights import save_weights
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def trained(
    small_document: Callable[[int], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Genotype, Path]:
    """A genotype, and a folder with it and its weights."""
    folder = tmp_path_factory.mktemp("trained")
    genotype = genotype_from_json(json.dumps(small_document(1)))
    (folder / "net.json").write_text(genotype.to_json())
    network = genotype.built()
    save_weights(network, folder / "net.safetensors", identity=genotype.identity, training={})
    return genotype, folder


@pytest.fixture
def folder(trained: tuple[Genotype, Path], tmp_path: Path) -> Path:
    """A folder of one's own with genotype and weights, and the outputs of an earlier export."""
    for path in trained[1].iterdir():
        shutil.copy(path, tmp_path)
    for name in ("model.onnx", "model.report.json"):
        (tmp_path / name).write_text(f"old {name}")
    return tmp_path


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _damaged_weights(change: str, path: Path) -> None:
    content = path.read_bytes()
    if change == "truncated":
        path.write_bytes(content[: len(content) // 2])
        return
    if change == "no safetensors":
        path.write_bytes(b"weights")
        return
    tensors = safetensors.torch.load_file(path)
    name = max(tensors, key=lambda name: tensors[name].numel())
    if change == "without one":
        del tensors[name]
    else:
        tensors[name].view(-1)[-1] = float(change)
    safetensors.torch.save_file(tensors, path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("nan", "net.safetensors: .* holds NaN or infinity"),
        ("inf", "net.safetensors: .* holds NaN or infinity"),
        ("without one", "got nothing, expected .* weights of another network"),
        ("truncated", "net.safetensors: not a readable safetensors file"),
        ("no safetensors", "net.safetensors: not a readable safetensors file"),
    ],
)
def test_damaged_weights_are_named(folder: Path, change: str, expected: str) -> None:
    _damaged_weights(change, folder / "net.safetensors")
    before = _content(folder)
    result = CliRunner().invoke(app, [str(folder / "net.json")])
    assert isinstance(result.exception, UserError), result
    with pytest.raises(UserError, match=expected):
        raise result.exception
    assert _content(folder) == before


@pytest.mark.parametrize("size", [0, 1, 50, 300])
def test_a_truncated_genotype_is_named(folder: Path, size: int) -> None:
    path = folder / "net.json"
    path.write_bytes(path.read_bytes()[:size])
    before = _content(folder)
    result = CliRunner().invoke(app, [str(path)])
    assert isinstance(result.exception, UserError), result
    assert "net.json" in str(result.exception)
    assert _content(folder) == before


@pytest.fixture(scope="module")
def frozen(trained: tuple[Genotype, Path]) -> tuple[bytes, ExportReport]:
    genotype, folder = trained
    return frozen_model(genotype, folder / "net.safetensors")


@pytest.mark.parametrize("written_before", [0, 100])
@pytest.mark.parametrize("name", ["write_bytes", "write_text", "replace", "chmod"])
def test_a_full_disk_leaves_the_old_outputs(
    frozen: tuple[bytes, ExportReport], folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, written_before: int
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        if path.exists() and path.name.startswith(".hinas-"):
            os.truncate(path, written_before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = _content(folder)
    with monkeypatch.context() as patched:
        patched.setattr(Path, name, full)
        with pytest.raises(UserError, match=r"model\..*: could not be written \(No space left on device\)"):
            write_export(*frozen, folder / "model.onnx")
    assert _content(folder) == before
    write_export(*frozen, folder / "model.onnx")
    assert (folder / "model.onnx").read_bytes() == frozen[0]


def _in_a_process_of_its_own(function: Callable[[], object]) -> int:
    """Its exit code: 2 for a mistake of the user's, minus the signal that killed it."""

    def run() -> None:
        try:
            function()
        except UserError as error:
            sys.exit(2 * str(error).endswith("could not be written (File too large)"))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def test_a_file_that_the_system_cuts_short_is_not_kept(frozen: tuple[bytes, ExportReport], folder: Path) -> None:
    def write() -> None:
        half = len(frozen[0]) // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (half, half))
        write_export(*frozen, folder / "model.onnx")

    before = _content(folder)
    assert _in_a_process_of_its_own(write) == 2
    assert _content(folder) == before


def test_a_killed_export_leaves_the_old_outputs(
    frozen: tuple[bytes, ExportReport], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _content(folder)
    monkeypatch.setattr(Path, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert _in_a_process_of_its_own(lambda: write_export(*frozen, folder / "model.onnx")) == -signal.SIGKILL
    after = _content(folder)
    # What the process could not clear away has a name that nothing reads.
    assert set(after) > set(before)
    assert {name: content for name, content in after.items() if not name.startswith(".hinas-")} == before


@pytest.mark.parametrize("moment", ["finished_model", "write_export", "replace"])
def test_ctrl_c_leaves_the_old_outputs(
    frozen: tuple[bytes, ExportReport], folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(export_run, "plain_export", lambda *_: None)
    monkeypatch.setattr(export_run, "finished_model", lambda *_: frozen)
    before = _content(folder)
    with monkeypatch.context() as patched:
        patched.setattr(
            Path if moment == "replace" else export_run, moment, lambda *_: signal.raise_signal(signal.SIGINT)
        )
        result = CliRunner().invoke(app, [str(folder / "net.json")])
    assert result.exit_code == 130
    assert "Traceback" not in result.output
    assert _content(folder) == before
    assert CliRunner().invoke(app, [str(folder / "net.json")]).exit_code == 0
    assert (folder / "model.onnx").read_bytes() == frozen[0]
