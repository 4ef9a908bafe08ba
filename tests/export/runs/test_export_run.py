"""One run of hinas-export: what it says on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hinas.export import export_run
from hinas.export.commands import app
from hinas.export.export_run import run_export
from hinas.export.export_settings import ExportSettings
from hinas.export.freeze import PlainExport, plain_export
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from hinas.search.genotype import genotype_from_json


@pytest.fixture
def genotype(small_document: Callable[[int], dict[str, Any]], tmp_path: Path) -> Path:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(small_document(1)))
    return path


@pytest.fixture(scope="module")
def plain(small_document: Callable[[int], dict[str, Any]]) -> PlainExport:
    return plain_export(genotype_from_json(json.dumps(small_document(1))), None)


@pytest.fixture
def exported_once(plain: PlainExport, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is exported for all tests once: that is what takes seconds."""
    monkeypatch.setattr(export_run, "plain_export", lambda *_: plain)


def test_of_several_files_each_is_announced_with_the_time_left(
    genotype: Path, capsys: pytest.CaptureFixture[str], exported_once: None
) -> None:
    done: list[object] = []
    settings = ExportSettings(genotype=genotype, random_weights=True, target="ort,openvino,tensorrt")
    for report in run_export(settings, clock=lambda: 90.0 * len(done)):
        done.append(report)
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("wrote ")]
    assert lines == [
        "1 of 3: fp32 for ort",
        "2 of 3: fp32 for openvino, 3 min left",
        "3 of 3: fp32 for tensorrt, 90 s left",
    ]


def test_a_single_file_or_a_quiet_run_needs_no_such_line(
    genotype: Path, capsys: pytest.CaptureFixture[str], exported_once: None
) -> None:
    list(run_export(ExportSettings(genotype=genotype, random_weights=True)))
    assert "1 of 1" not in capsys.readouterr().err
    # A precision that nobody checked is no news either to who asked for none.
    settings = ExportSettings(
        genotype=genotype, random_weights=True, target="ort,openvino", precision="fp32,fp16", quiet=True
    )
    list(run_export(settings))
    assert capsys.readouterr().err == ""


def test_a_bundled_genotype_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ExportSettings(genotype=Path("color"), quiet=True)
    assert settings.model == Path("color.onnx")
    assert settings.weights_file == MODELS_FOLDER / "color.onnx"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_bundled_genotype_gives_the_bundled_model(
    exporter_itself: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    list(run_export(ExportSettings(genotype=Path("gray"), quiet=True)))
    assert (tmp_path / "gray.onnx").read_bytes() == (MODELS_FOLDER / "gray.onnx").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gray.onnx", "gray.report.json"]


def test_an_unknown_name_is_told_the_known_ones(mistake: Callable[..., str], tmp_path: Path) -> None:
    said = mistake(app, "colour", "--out", tmp_path / "m.onnx")
    assert (
        "colour: no such file, and no bundled genotype of that name; bundled: color, color-best, color-fast, derain"
        in said
    )
    assert "missing.json: cannot be read" in mistake(app, "missing.json", "--out", tmp_path / "m.onnx")


@pytest.mark.parametrize("targets", ["ort", "openvino,ort"])
def test_a_precision_that_the_library_cannot_run_is_refused_before_anything_is_made(
    genotype: Path, mistake: Callable[..., str], targets: str
) -> None:
    said = mistake(app, genotype, "--random-weights", "--target", targets, "--precision", "fp32,bf16")
    assert "--target ort --precision bf16: ONNX Runtime has no bf16" in said and "--target openvino" in said
    assert list(genotype.parent.iterdir()) == [genotype]
    for target, precision in (("openvino", "bf16"), ("tensorrt", "bf16"), ("ort", "fp16")):
        ExportSettings(genotype=genotype, random_weights=True, target=target, precision=precision)


@pytest.mark.parametrize("precisions", ["fp16", "fp16,bf16"])
def test_rewrites_are_not_measured_where_no_file_is_in_fp32(
    genotype: Path, mistake: Callable[..., str], precisions: str
) -> None:
    options = ("--random-weights", "--target", "openvino", "--precision", precisions)
    said = mistake(app, genotype, *options, "--measure")
    assert f"--measure: measures rewrites in fp32, got --precision {precisions}; add fp32" in said
    assert list(genotype.parent.iterdir()) == [genotype]


def test_a_folder_that_is_missing_is_said_before_anything_is_made(
    genotype: Path, mistake: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(export_run, "plain_export", lambda *given: made.append(given))
    out = genotype.parent / "missing" / "m.onnx"
    said = mistake(app, genotype, "--random-weights", "--out", out)
    assert f"--out {out}: no such folder {out.parent}; create it first" in said
    assert made == []
