"""What is learnt about a model is kept: whole files or none, no harm from damage or other processes."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from hinas.errors import UserError
from hinas.runtime.backends import learnt_numbers, memory_probe
from hinas.runtime.backends.learnt_numbers import Key, keep_numbers, kept_numbers, sha256_of
from hinas.runtime.backends.open_backend import open_backend

Models = dict[str, Path]
KEY = Key(what="a test", model_sha256="00", backend="some library 1.0, 1 thread")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user's."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    return tmp_path / "cache"


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def test_what_is_kept_comes_back_under_its_own_key_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept_numbers(KEY) is None
    keep_numbers(KEY, {"a": 0.1, "b": 3})
    assert kept_numbers(KEY) == {"a": 0.1, "b": 3}
    for field in dataclasses.fields(Key):
        assert kept_numbers(dataclasses.replace(KEY, **{field.name: "another"})) is None
    monkeypatch.setattr(learnt_numbers, "_machine", lambda: {"machine": "another"})
    assert kept_numbers(KEY) is None
    monkeypatch.undo()


def test_damaged_and_stale_files_are_ignored_and_written_anew(folder: Path) -> None:
    keep_numbers(KEY, {"a": 1.0})
    (file,) = files(folder)
    whole = file.read_bytes()
    other = dataclasses.replace(KEY, what="another")
    keep_numbers(other, {"a": 2.0})
    (foreign,) = (path.read_bytes() for path in files(folder) if path != file)
    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    for content in (*damaged, foreign, b"hello", bytes(100)):
        file.write_bytes(content)
        assert kept_numbers(KEY) is None
    keep_numbers(KEY, {"a": 3.0})
    assert kept_numbers(KEY) == {"a": 3.0}


def test_many_processes_that_learn_at_once_leave_one_whole_file(folder: Path) -> None:
    program = (
        "import sys; from hinas.runtime.backends.learnt_numbers import *\n"
        f"key = {KEY!r}\n"
        "for _ in range(50):\n"
        "    keep_numbers(key, {'a': float(sys.argv[1])})\n"
        "    assert kept_numbers(key) in ({'a': 1.0}, {'a': 2.0}, {'a': 3.0})\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in (1, 2, 3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(files(folder)) == 1


def test_a_folder_that_cannot_be_written_costs_nothing_else(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    keep_numbers(KEY, {"a": 1.0})
    assert kept_numbers(KEY) is None


def test_without_a_home_nothing_is_written_into_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/hinas"))
    monkeypatch.chdir(tmp_path)
    keep_numbers(KEY, {"a": 1.0})
    assert kept_numbers(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_the_memory_of_a_pixel_is_measured_once_for_each_model_and_number_of_threads(
    folder: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    measure = memory_probe.growth_per_pixel

    def counted(run: object, manifest: object, held: object) -> int:
        measured.append("")
        return measure(run, manifest, held)  # type: ignore[arg-type]

    monkeypatch.setattr(memory_probe, "growth_per_pixel", counted)
    costs = [open_backend("cpu", models["gray"], threads=1).bytes_per_pixel() for _ in range(3)]
    assert len(measured) == 2 and len(set(costs)) == 1
    open_backend("cpu", models["gray"], threads=2).bytes_per_pixel()
    open_backend("cpu", models["color"], threads=1).bytes_per_pixel()
    assert len(measured) == 6


def test_measurements_that_disagree_are_not_kept(folder: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    growth = iter([384, 192, 448, 384])
    monkeypatch.setattr(memory_probe, "growth_per_pixel", lambda *_: next(growth))
    costs = [open_backend("cpu", models["gray"], threads=1).bytes_per_pixel() for _ in range(3)]
    assert costs == [384, 448, 448]
    assert len(files(folder)) == 1


def test_a_model_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the model file"):
        sha256_of(tmp_path / "none.onnx")
