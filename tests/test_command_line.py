"""What all commands share: exit codes, whole files or none, and what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hinas.atomic_files import written_new, written_whole
from hinas.command_line import require_libraries
from hinas.errors import UserError

COMMANDS = ("search.train_command", "export.commands", "runtime.denoise_command", "bench.commands")


@pytest.mark.parametrize("module", COMMANDS)
def test_help_has_an_example_and_needs_no_heavy_library(module: str) -> None:
    heavy = ("torch", "onnx", "onnxruntime", "numpy", "PIL", "matplotlib", "pydantic")
    program = (
        "import sys; sys.argv = ['command', '--help']\n"
        f"from hinas.{module} import main\n"
        "try: main()\n"
        "except SystemExit as stop: code = stop.code\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert code in (0, None), code\n"
        "assert not loaded, loaded\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "Example" in result.stdout


@pytest.mark.parametrize("module", COMMANDS)
def test_an_unknown_option_is_the_users_mistake(module: str) -> None:
    command = [sys.executable, "-m", f"hinas.{module}", "--no-such-option"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "--no-such-option" in result.stderr


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "typer.Exit(130)"])
def test_ctrl_c_is_130_and_a_word(raised: str) -> None:
    program = (
        "import typer; from hinas.command_line import run_command\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        f"def command() -> None: raise {raised}\n"
        "run_command(app)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "stopped\n")


def test_a_missing_library_is_named_with_what_installs_it() -> None:
    require_libraries("hinas-train", "sys", "json", extras="search")
    with pytest.raises(UserError, match=r'hinas-train needs nosuch; install: pip install ".*\[search\]"'):
        require_libraries("hinas-train", "json", "nosuch", extras="search")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    with written_whole(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_is_never_written_over_another(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr("os.link", refused)
    target = tmp_path / "result.txt"
    with written_new(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    with pytest.raises(UserError, match=r"result\.txt: has come up meanwhile"), written_new(target) as temporary:
        temporary.write_text("newer")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_a_users_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    expected = r"result\.txt: could not be written \(No space left on device\)"
    with pytest.raises(UserError, match=expected), written_whole(target):
        raise OSError(28, "No space left on device")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_has_ordinary_permissions_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    plain, kept = tmp_path / "plain", tmp_path / "kept"
    plain.write_text("")
    with written_whole(tmp_path / "new") as temporary:
        temporary.write_text("")
    assert (tmp_path / "new").stat().st_mode == plain.stat().st_mode
    kept.write_text("")
    kept.chmod(0o640)
    with written_whole(kept) as temporary:
        temporary.write_text("again")
    assert oct(kept.stat().st_mode)[-3:] == "640"


def test_the_umask_is_never_changed_not_even_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(mask: int) -> int:
        raise AssertionError("other threads would see it")

    monkeypatch.setattr(os, "umask", changed)
    with written_whole(tmp_path / "new") as temporary:
        temporary.write_text("")
    assert [file.name for file in tmp_path.iterdir()] == ["new"]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    for target, expected in ((tmp_path / "no" / "file", "no such folder"), (tmp_path, "is a folder")):
        with pytest.raises(UserError, match=expected), written_whole(target):
            pass
    assert list(tmp_path.iterdir()) == []
