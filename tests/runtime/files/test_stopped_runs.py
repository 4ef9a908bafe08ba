"""Runs that are stopped or killed leave nothing, or what the next run removes; links stay links."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.atomic_files import remove_unfinished, written_whole
from hinas.runtime.denoise_request import Request
from hinas.runtime.denoiser import Denoiser
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import read_picture
from PIL import Image

Models = dict[str, Path]

fcntl = pytest.importorskip("fcntl", reason="POSIX alone has these signals and locks")


def noisy_picture(path: Path, side: int = 24) -> Path:
    noise = np.random.default_rng(0).normal(128, 20, (side, side, 3))
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path)
    return path


def unfinished(path: Path, seconds_ago: float = 60) -> Path:
    path.write_bytes(b"half a picture")
    then = time.time() - seconds_ago
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_as_ctrl_c_does(tmp_path: Path, name: str) -> None:
    program = (
        "import sys, time, typer; from pathlib import Path\n"
        "from hinas.atomic_files import written_whole; from hinas.command_line import run_command\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def command() -> None:\n"
        "    with written_whole(Path('out.png')) as temporary:\n"
        "        temporary.write_text('half')\n"
        "        print('writing', flush=True)\n"
        "        time.sleep(60)\n"
        "run_command(app)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        process.send_signal(getattr(signal, name))
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (128 + getattr(signal, name), "stopped\n")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_so() -> None:
    program = (
        "import os, signal, typer; from hinas.command_line import run_command\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def command() -> None: os.kill(os.getpid(), signal.SIGHUP)\n"
        "run_command(app)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_what_a_killed_run_left_is_removed_by_the_next(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    noisy_picture(tmp_path / "in" / "a.png")
    unfinished(tmp_path / "out" / ".hinas-0123456789abcdef.png")
    model = str(models["color"])
    request = Request(source=tmp_path / "in", target=tmp_path / "out", model=model, sigma=20.0, threads=1)
    denoise_files(request, Reporter(quiet=False, json=False))
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.png"]
    assert "out: 1 unfinished file of a killed run removed" in capsys.readouterr().err


def test_a_file_that_is_being_written_stays(tmp_path: Path) -> None:
    with written_whole(tmp_path / "out.png") as temporary:
        unfinished(temporary)
        unfinished(tmp_path / ".hinas-0000000000000000.tif")
        young = unfinished(tmp_path / ".hinas-1111111111111111.tif", seconds_ago=0)
        own = unfinished(tmp_path / ".hinas-notes.txt")
        assert remove_unfinished(tmp_path) == 1
        assert sorted(tmp_path.iterdir()) == sorted([temporary, young, own])
    assert (tmp_path / "out.png").read_bytes() == b"half a picture"


def run(source: Path, target: Path, models: Models, *, overwrite: bool) -> None:
    request = Request(source=source, target=target, model=str(models["color"]), sigma=20.0, overwrite=overwrite)
    denoise_files(request, Reporter(quiet=True, json=False))


def test_overwrite_writes_what_a_link_leads_to(models: Models, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    stored = noisy_picture(tmp_path / "store" / "old.png", side=10)
    (tmp_path / "out.png").symlink_to(stored)
    run(noisy_picture(tmp_path / "in.png"), tmp_path / "out.png", models, overwrite=True)
    assert (tmp_path / "out.png").readlink() == stored
    assert read_picture(stored).height == 24


def test_a_link_that_leads_nowhere_is_not_replaced_unasked(models: Models, tmp_path: Path) -> None:
    (tmp_path / "out.png").symlink_to(tmp_path / "new.png")
    source = noisy_picture(tmp_path / "in.png")
    with pytest.raises(ValueError, match=r"out\.png: exists already; add --overwrite"):
        run(source, tmp_path / "out.png", models, overwrite=False)
    run(source, tmp_path / "out.png", models, overwrite=True)
    assert (tmp_path / "out.png").is_symlink() and (tmp_path / "new.png").is_file()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.gif"])
def test_a_file_that_comes_up_during_the_work_is_replaced_only_if_asked(
    name: str, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = noisy_picture(tmp_path / "in.png")
    source, target = tmp_path / name, tmp_path / f"out-{name}"
    with Image.open(noisy) as picture:
        # Two pages, or frames, where the format has them: another way leads to such a file.
        more = {} if source.suffix == ".png" else {"save_all": True, "append_images": [picture.rotate(90)]}
        picture.save(source, **more)
    computed = Denoiser.__call__

    def meanwhile(*given: Any, **options: Any) -> Any:
        target.write_bytes(b"of another program")
        return computed(*given, **options)

    monkeypatch.setattr(Denoiser, "__call__", meanwhile)
    with pytest.raises(ValueError, match=rf"out-{name}: has come up meanwhile and was left as it is"):
        run(source, target, models, overwrite=False)
    assert target.read_bytes() == b"of another program"
    run(source, target, models, overwrite=True)
    with Image.open(target) as written:
        assert written.height == 24
    assert {file.name for file in tmp_path.iterdir()} == {"in.png", name, target.name}


def test_in_a_folder_no_link_leads_out(models: Models, tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    noisy_picture(tmp_path / "in" / "a.png")
    elsewhere = noisy_picture(tmp_path / "elsewhere.png", side=10)
    (tmp_path / "out" / "a.png").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    with pytest.raises(ValueError, match="1 of 1 pictures failed"):
        run(tmp_path / "in", tmp_path / "out", models, overwrite=True)
    assert elsewhere.read_bytes() == before
