"""The GPU's hour: its plan, its commands, what a second start does, and what becomes of steps that cannot run.

No GPU is needed: the steps here are small programs.
"""

import json
import sys
from pathlib import Path

import gpu_hour
import measure_search
import pytest
from hinas.bench.commands import app as bench_app
from hinas.errors import UserError
from hinas.export.commands import app as export_app
from hinas.runtime.denoise_command import app as denoise_app
from hinas.search.train_command import app as train_app
from on_gpu import check_gpu_backends, check_tensorrt, describe_machine
from on_gpu.plan import LARGEST_MINUTES, PRECISIONS, TOOLS, Step, gpu_plan, printed
from on_gpu.run_steps import Outcome, read_outcomes, run_plan
from on_gpu.tables import Table, bench_table, markdown_tables, paste_table, training_table
from typer.main import get_command
from typer.testing import CliRunner

APPS = {"export": export_app, "denoise": denoise_app, "bench": bench_app, "train": train_app}
PARSERS = {
    TOOLS / "on_gpu" / "check_tensorrt.py": check_tensorrt.arguments_parser,
    TOOLS / "on_gpu" / "check_gpu_backends.py": check_gpu_backends.arguments_parser,
    TOOLS / "measure_search.py": measure_search.arguments_parser,
}
PLAN = gpu_plan(Path("out folder"), Path("my photos"), "NVIDIA H200")
COMMANDS = [(step.name, command) for step in PLAN for command in step.commands]
ROWS = "print('| model | p50 ms |\\n|---|---|\\n| color | 1.5 |')"


def _step(folder: Path, name: str, *programs: str, limit_s: int = 60, tables: object = printed) -> Step:
    commands = tuple((sys.executable, "-c", program) for program in programs)
    return Step(name=name, about="", commands=commands, limit_s=limit_s, folder=folder / name, tables=tables)  # pyright: ignore[reportArgumentType]


def _run(
    steps: list[Step], folder: Path, *, max_seconds: float = 600, machine: dict[str, str] | None = None
) -> dict[str, Outcome]:
    return run_plan(
        steps, folder / "results.json", {} if machine is None else machine, max_seconds=max_seconds,
        report=lambda step, outcome: None,
    )  # fmt: skip


@pytest.mark.parametrize(("step", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_of_the_plan_can_be_read_by_its_program(step: str, command: tuple[str, ...]) -> None:
    python, program, *arguments = command
    assert python == sys.executable
    if program == "-c":
        room = arguments[0].split()[-1].removesuffix("()")
        words = arguments[1:]
        context = get_command(APPS[room]).make_context(f"hinas-{room}", list(words))
        assert "out folder" in str(context.params.values())
    elif arguments:
        PARSERS[Path(program)]().parse_args(arguments)
    else:
        assert Path(program).is_file()


def test_an_option_that_does_not_exist_would_be_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        get_command(export_app).make_context("hinas-export", ["color", "--nosuch"])


def test_the_plan_fits_into_its_time_and_covers_all_precisions() -> None:
    assert sum(step.limit_s for step in PLAN) <= 60 * LARGEST_MINUTES
    assert len({step.folder for step in PLAN}) == len(PLAN)
    engines = next(step for step in PLAN if step.name == "engines")
    models = engines.commands[0][2 : engines.commands[0].index("--reference")]
    assert len(models) == len(PRECISIONS)
    (bench,) = [command for name, command in COMMANDS if name == "bench"]
    # A GPU's name has spaces and is one word of the command.
    assert bench[bench.index("--gpu") + 1] == "NVIDIA H200"
    unknown = gpu_plan(Path("out"), Path("photos"), None)
    assert not any("--gpu" in command for step in unknown for command in step.commands)


def test_the_files_that_the_export_writes_are_those_that_the_steps_read() -> None:
    from hinas.export.export_settings import ExportSettings
    from hinas.export.graph.variants import file_of

    (command,) = [command for name, command in COMMANDS if name == "models"]
    given = get_command(export_app).make_context("hinas-export", list(command[3:])).params
    settings = ExportSettings(**given)
    first = (settings.targets[0], settings.precisions[0])
    written = [str(file_of((settings.targets[0], one), first, settings.model)) for one in settings.precisions]
    for name in ("engines", "backends"):
        (reading,) = [command for step, command in COMMANDS if step == name]
        assert {word for word in reading if word.endswith(".onnx")} <= set(written)


def test_a_second_start_does_only_what_is_not_done(tmp_path: Path) -> None:
    counted = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); "
    fails_once = (
        f"import os, sys; p = {str(tmp_path / 'seen')!r}; seen = os.path.exists(p); open(p, 'w').close(); "
        "sys.exit(None if seen else 'error: the library is missing')"
    )
    steps = [_step(tmp_path, "first", counted + ROWS), _step(tmp_path, "second", fails_once)]
    before = _run(steps, tmp_path)
    assert (before["first"].became, before["second"].became) == ("done", "failed")
    assert before["second"].reason == "the library is missing"
    after = _run(steps, tmp_path)
    assert (tmp_path / "runs").read_text() == "x"
    assert after["second"].became == "done"
    assert after["first"].tables == (Table(("model", "p50 ms"), (("color", "1.5"),)),)
    assert read_outcomes(tmp_path / "results.json", {}) == after


def test_a_step_that_runs_out_of_time_ends_with_what_it_started_and_keeps_its_rows(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    child = f"import time; time.sleep(4); open({str(marker)!r}, 'w')"
    starts = f"import subprocess, sys; {ROWS}; subprocess.run([sys.executable, '-c', {child!r}])"
    steps = [_step(tmp_path, "slow", starts, limit_s=2), _step(tmp_path, "next", "pass")]
    outcomes = _run(steps, tmp_path)
    assert outcomes["slow"].became == "out of time"
    assert outcomes["slow"].tables[0].rows == (("color", "1.5"),)
    assert outcomes["next"].became == "done"
    assert not marker.exists()


def test_what_finds_no_time_left_is_not_begun(tmp_path: Path) -> None:
    outcomes = _run([_step(tmp_path, "late", "pass")], tmp_path, max_seconds=0)
    assert outcomes["late"].text == "not begun: no time is left; start again"
    assert _run([_step(tmp_path, "late", "pass")], tmp_path)["late"].became == "done"


def test_of_several_commands_the_first_that_fails_is_the_last(tmp_path: Path) -> None:
    (outcome,) = _run(
        [_step(tmp_path, "both", "raise ValueError('a | b')", f"open({str(tmp_path / 'never')!r}, 'w')")], tmp_path
    ).values()
    assert outcome.text == "failed: ValueError: a / b"
    assert not (tmp_path / "never").exists()


def test_a_step_begins_with_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "checkpoint.pt").touch()
    program = f"import os, sys; sys.exit(len(os.listdir({str(tmp_path / 'one')!r})))"
    assert _run([_step(tmp_path, "one", program)], tmp_path)["one"].became == "done"


def test_results_of_another_machine_are_not_gone_on_with(tmp_path: Path) -> None:
    _run([_step(tmp_path, "one", "pass")], tmp_path, machine={"name": "NVIDIA H100"})
    with pytest.raises(UserError, match=r"of another machine \(NVIDIA H100\); choose another --out"):
        _run([_step(tmp_path, "one", "pass")], tmp_path, machine={"name": "NVIDIA L4"})
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(UserError, match="not the results of a GPU's hour"):
        _run([_step(tmp_path, "one", "pass")], tmp_path)


def test_tables_are_read_from_text_even_where_it_ends_in_a_row() -> None:
    text = "title\n| a | b |\n|---|---|\n| 1 | 2 |\n\nmore\n| c |\n|---|\n| x |\n| half"
    assert markdown_tables(text) == (Table(("a", "b"), (("1", "2"),)), Table(("c",), (("x",),)))
    assert markdown_tables("| lonely |") == ()


def test_what_a_bench_measured_is_read_from_its_results(tmp_path: Path) -> None:
    results = Path(__file__).parents[2] / "docs" / "results.json"
    (table,) = bench_table(results)
    measured = [entry for entry in json.loads(results.read_text())["entries"] if entry["latency_ms"]]
    assert 0 < len(table.rows) <= len(measured)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["origin"] == "measured" and float(row["p50 ms"]) > 0
    assert bench_table(tmp_path / "nowhere.json") == ()


def test_the_speed_of_a_training_leaves_out_the_start(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text("iteration,seconds,psnr_db\n100,60.0,\n300,70.0,\n500,80.0,29.5\n")
    (table,) = training_table(history)
    assert table.rows == (("training", "500", "20.0", "29.5"),)
    history.write_text("iteration,seconds,psnr_db\n100,60.0,\n")
    assert training_table(history) == training_table(tmp_path / "nowhere.csv") == ()


def test_one_table_holds_all_steps() -> None:
    engines = Table(
        ("model", "precision", "rms", "note"), (("color", "fp16", "1e-4", "good"), ("color", "int8", "", "not built"))
    )
    text = paste_table([("engines", "done", 61.4, [engines]), ("search", "failed: no torch", 0.2, [])])
    assert text.splitlines() == [
        "| step | what | figures |",
        "|---|---|---|",
        "| **engines** | done | 61 s |",
        "| engines | color, fp16 | rms 1e-4, note good |",
        "| engines | color, int8, not built |  |",
        "| **search** | failed: no torch | 0 s |",
    ]


def test_the_dry_run_prints_every_step_and_begins_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_hour, "gpu_fields", lambda: None)
    result = CliRunner().invoke(gpu_hour.app, ["--dry-run", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.output.splitlines() if not line.startswith(" ")] == [
        s.name for s in PLAN
    ]
    assert not (tmp_path / "out").exists()


def test_on_a_machine_without_a_gpu_a_step_says_so_and_the_table_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(gpu_hour.app, ["--only", "machine", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "| **machine** | failed: nvidia-smi finds no GPU here" in result.stdout
    assert "| machine | pycuda, not installed |  |" in result.stdout
    assert json.loads((tmp_path / "out" / "results.json").read_text())["steps"]["machine"]["became"] == "failed"


def test_a_step_that_does_not_exist_is_named() -> None:
    result = CliRunner().invoke(gpu_hour.app, ["--only", "nosuch"])
    assert isinstance(result.exception, UserError)
    assert "--only: got 'nosuch', expected machine, models, engines" in str(result.exception)


def test_the_gpu_is_described_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA H200, 580.1, 143771 MiB, 700 W, 1980 MHz, 3201 MHz'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = describe_machine.gpu_fields()
    assert found is not None and (found["name"], found["driver_version"]) == ("NVIDIA H200", "580.1")
    assert gpu_hour._known_name(found["name"]) == "NVIDIA H200"
    assert gpu_hour._known_name("Some GPU") is None
