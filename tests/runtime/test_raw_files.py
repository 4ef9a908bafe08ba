"""Raw files, alone and in a folder: a person is told what to do with them."""

from pathlib import Path

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from PIL import Image


def run(folder: Path, model: Path) -> None:
    request = Request(source=folder, target=folder.parent / "out", model=str(model), sigma=20.0, threads=1)
    denoise_files(request, Reporter(quiet=False, json=False))


def test_a_note_says_what_to_do(models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in" / "a.png")
    for name in ("a.CR2", "b.dng", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"II*\0")
    run(tmp_path / "in", models["color"])
    printed = capsys.readouterr().err
    assert "skipped, raw files: a.CR2, b.dng; develop them to TIFF or PNG with a raw converter first" in printed
    assert "skipped, not pictures by their names: notes.txt" in printed


def test_a_folder_of_raw_files_alone(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nef").write_bytes(b"MM\0*")
    with pytest.raises(UserError, match=r"no pictures or films in this folder \(only raw files, develop"):
        run(tmp_path / "in", models["color"])


def test_a_raw_file_alone(models: dict[str, Path], tmp_path: Path) -> None:
    """By its name: its content may pass for a TIFF."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.dng", "TIFF")
    request = Request(source=tmp_path / "a.dng", target=tmp_path / "out.tif", model=str(models["color"]))
    with pytest.raises(UserError, match=r"a\.dng: a camera's raw file; develop it to TIFF or PNG"):
        denoise_files(request, Reporter(quiet=True, json=False))
