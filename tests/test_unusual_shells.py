"""Commands in shells of all kinds: streams closed or full, encodings of a few letters, impatient people."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hinas import entry_points
from hinas.runtime.denoise_command import app
from PIL import Image

COMMAND = """
import sys, typer
from pathlib import Path
from hinas.command_line import run_command
app = typer.Typer()
@app.command()
def command() -> None:
    with Path("result.txt").open("w") as file:
        print("a note", file=sys.stderr, flush=True)
        print("\u65e5\u672c.png -> out.png", flush=True)
        file.write("a result")
run_command(app)
"""


def run_in_shell(redirection: str, folder: Path, *, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    (folder / "command.py").write_text(COMMAND, encoding="utf-8")
    line = f"PYTHONIOENCODING={encoding} '{sys.executable}' command.py {redirection}"
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, cwd=folder, timeout=60)


posix = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /bin/sh and /dev/full")


@posix
def test_a_full_standard_output_is_the_users_error(tmp_path: Path) -> None:
    result = run_in_shell("> /dev/full", tmp_path)
    assert result.returncode == 2
    assert result.stderr.decode() == "a note\nerror: standard output: No space left on device\n"


@posix
@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nowhere(tmp_path: Path, redirection: str) -> None:
    """The number of a closed stream must not become that of the file that is written."""
    result = run_in_shell(redirection, tmp_path)
    assert result.returncode == 0
    assert (tmp_path / "result.txt").read_text() == "a result"


@posix
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_name_that_the_encoding_lacks_is_escaped(tmp_path: Path, encoding: str) -> None:
    result = run_in_shell("", tmp_path, encoding=encoding)
    assert result.returncode == 0
    assert result.stdout == rb"\u65e5\u672c.png -> out.png" + b"\n"


@pytest.mark.parametrize("place", ["INPUT", "OUTPUT", "--model"])
def test_a_name_that_is_too_long_is_one_line(mistake: Callable[..., str], tmp_path: Path, place: str) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "in.png")
    names = {"INPUT": tmp_path / "in.png", "OUTPUT": tmp_path / "out.png", "--model": tmp_path / "a.onnx"}
    names[place] = tmp_path / f"{'a' * 252}{names[place].suffix}"
    stderr = mistake(app, names["INPUT"], names["OUTPUT"], "--model", names["--model"])
    assert stderr == f"error: {names[place]}: File name too long\n"


@pytest.mark.parametrize(
    ("arguments", "place"),
    [(("", "out.png"), "INPUT"), (("in.png", ""), "OUTPUT"), (("a", "b", "--preview", ""), "--p")],
)
def test_an_empty_name_is_not_the_current_folder(
    mistake: Callable[..., str], arguments: tuple[str, ...], place: str
) -> None:
    stderr = mistake(app, *arguments)
    assert stderr.startswith(f"error: {place}") and "is an empty name" in stderr and stderr.count("\n") == 1


@pytest.mark.parametrize("threads", ["5000", "99999999999"])
@pytest.mark.parametrize("backend", ["cpu", "openvino"])
def test_thousands_of_threads_are_refused(
    mistake: Callable[..., str],
    models: dict[str, Path],
    picture_folder: Path,
    tmp_path: Path,
    threads: str,
    backend: str,
) -> None:
    pytest.importorskip("openvino" if backend == "openvino" else "onnxruntime")
    arguments = (picture_folder / "picture-0.png", tmp_path / "out.png", "--model", models["color"])
    stderr = mistake(app, *arguments, "--backend", backend, "--threads", threads)
    assert f"threads is {threads}; allowed: a whole number from 1 to" in stderr
    assert stderr.count("\n") == 1


def test_ctrl_c_during_the_imports_is_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry_points, "import_module", interrupted)
    with pytest.raises(SystemExit) as end:
        entry_points.denoise()
    assert (end.value.code, capsys.readouterr().err) == (130, "stopped\n")


@pytest.mark.parametrize("name", ["search", "train", "export", "denoise", "bench"])
def test_every_program_begins_at_its_command(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"hinas-{name}", "--help"])
    with pytest.raises(SystemExit) as end:
        getattr(entry_points, name)()
    assert end.value.code == 0
