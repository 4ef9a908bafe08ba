"""`hinas-export --engine` and the check script as a person runs them on a machine without TensorRT."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hinas.export import export_run
from hinas.export.commands import app
from hinas.installation import install_advice
from hinas.runtime.engines.gpu import Gpu
from hinas.runtime.model.bundled_models import MODELS_FOLDER

SCRIPT = Path(__file__).parents[3] / "tools" / "on_gpu" / "check_tensorrt.py"
GRAY = MODELS_FOLDER / "gray.onnx"


def _without_tensorrt(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    start = f"import runpy, sys\nsys.modules['tensorrt'] = None\nsys.argv[1:] = {[str(a) for a in arguments]!r}\n"
    command = [sys.executable, "-c", start + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


Export = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def export(in_process: Export, monkeypatch: pytest.MonkeyPatch) -> Export:
    """The command, without TensorRT."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    return partial(in_process, app)


@pytest.fixture
def genotype(small_document: Callable[[int], dict[str, Any]], tmp_path: Path) -> Path:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(small_document(1)))
    return path


def test_without_tensorrt_one_line_says_what_is_missing_before_anything_is_made(
    export: Export, genotype: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(export_run, "plain_export", lambda *given: made.append(given))
    result = export(genotype, "--random-weights", "--quiet", "--engine")
    assert result.returncode == 2
    assert result.stderr.startswith("error: --engine needs tensorrt")
    assert result.stderr.endswith(f"install: {install_advice('gpu')}\n")
    assert result.stderr.count("\n") == 1
    assert made == [] and list(genotype.parent.iterdir()) == [genotype]


def test_options_of_an_engine_that_cannot_be_read_stop_before_anything_is_written(
    export: Export, genotype: Path
) -> None:
    result = export(genotype, "--random-weights", "--engine", "--workspace", "much")
    assert result.returncode == 2
    assert "--workspace much: allowed: a size such as 2GiB" in result.stderr
    assert not list(genotype.parent.glob("model.*"))


def test_without_tensorrt_the_check_script_says_so_in_one_line() -> None:
    result = _without_tensorrt(f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')")
    assert result.returncode == 2
    assert result.stderr.startswith("error: check_tensorrt.py needs tensorrt")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(("error", "is_good"), [(0.0, True), (1e-4, False), (float("nan"), False)])
def test_the_check_script_prints_a_table_and_sees_a_wrong_engine(
    stand_in: Callable[..., Any],
    cuda_stand_in: Callable[..., Any],
    gpus: dict[str, Gpu],
    capsys: pytest.CaptureFixture[str],
    error: float,
    is_good: bool,
) -> None:
    script = runpy.run_path(str(SCRIPT))
    trt = stand_in("11.4.0.106")
    assert is_good == script["check"]([GRAY], "16x8", "2", trt=trt, cuda=cuda_stand_in(GRAY, error), gpu=gpus["h200"])
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("TensorRT 11.4.0.106, NVIDIA H200")
    assert len({row.count("|") for row in rows}) == 1
    assert rows[2].startswith("| gray | fp32 | 2x1x8x16 |")
    assert ("good" in rows[2]) == is_good
    assert "not built: TensorRT 11.4 cannot make an fp16 engine of an fp32 model file" in rows[3]
