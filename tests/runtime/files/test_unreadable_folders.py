"""Folders that cannot be read: named, the rest is denoised, and the exit code says that something is missing."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.denoise_command import app
from PIL import Image

Models = dict[str, Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in a folder and in its sub-folder `locked`."""
    noisy = np.random.default_rng(0).normal(128, 20, (20, 24, 3)).clip(0, 255).astype(np.uint8)
    (tmp_path / "in" / "locked").mkdir(parents=True)
    for name in ("a.png", "locked/b.png"):
        Image.fromarray(noisy).save(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def not_listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The mode 000 of folders named `locked`, which would not stop root."""
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    yield


@pytest.fixture
def not_entered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder `locked` that can be listed and not entered (mode 444)."""
    stat, opened = Path.stat, Path.open

    def refuse(path: Path) -> None:
        if path.parts[-3:-1] == ("in", "locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def refusing_stat(self: Path, **options: bool) -> os.stat_result:
        refuse(self)
        return stat(self, **options)

    def refusing_open(self: Path, *arguments: object, **options: object) -> object:
        refuse(self)
        return opened(self, *arguments, **options)  # pyright: ignore[reportCallIssue, reportArgumentType]

    monkeypatch.setattr(Path, "stat", refusing_stat)
    monkeypatch.setattr(Path, "open", refusing_open)
    yield


@pytest.mark.usefixtures("not_listed")
def test_a_sub_folder_that_cannot_be_listed_is_a_failure(
    folder: Path, models: Models, mistake: Callable[..., str]
) -> None:
    out = folder.parent / "out"
    stderr = mistake(app, folder, out, "--model", models["color"], "--quiet")
    assert stderr.splitlines() == [
        f"error: {folder / 'locked'}: the folder cannot be read (Permission denied)",
        "error: 1 folder could not be read, the others are written:",
        f"  {folder / 'locked'}",
    ]
    assert [file.name for file in out.rglob("*")] == ["a.png"]


@pytest.mark.usefixtures("not_listed")
def test_a_folder_that_cannot_be_listed_is_refused(folder: Path, models: Models, mistake: Callable[..., str]) -> None:
    stderr = mistake(app, folder / "locked", folder.parent / "out", "--model", models["color"])
    assert stderr == f"error: {folder / 'locked'}: the folder cannot be read (Permission denied)\n"


@pytest.mark.usefixtures("not_entered")
def test_pictures_in_a_folder_that_cannot_be_entered_are_failures(
    folder: Path, models: Models, mistake: Callable[..., str]
) -> None:
    out = folder.parent / "out"
    stderr = mistake(app, folder, out, "--model", models["color"], "--quiet")
    picture = folder / "locked" / "b.png"
    assert stderr.splitlines() == [
        f"error: {picture}: cannot read (Permission denied)",
        "error: 1 of 2 pictures failed, the others are written:",
        f"  {picture}",
    ]
    assert [file.name for file in out.rglob("*.png")] == ["a.png"]


@pytest.mark.usefixtures("not_entered")
def test_a_file_in_a_folder_that_cannot_be_entered_is_named(
    folder: Path, models: Models, mistake: Callable[..., str]
) -> None:
    picture = folder / "locked" / "b.png"
    stderr = mistake(app, picture, folder / "out.png", "--model", models["color"])
    assert stderr == f"error: {picture}: Permission denied\n"
