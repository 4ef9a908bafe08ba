"""Films that are damaged, stopped or asked for in vain: what is said, and what is left behind."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_command import app
from hinas.runtime.denoiser import Denoiser
from stand_ins.film_files import decorated, denoise_film, film, values_of

av: Any = pytest.importorskip("av")
Models = dict[str, Path]
Read = pytest.CaptureFixture[str]


def test_a_film_that_is_stopped_leaves_no_half_film(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = film(tmp_path / "in.mp4", num_frames=20)
    (tmp_path / "out.mp4").write_bytes(b"made by an earlier run")
    denoised, num = Denoiser.__call__, 0

    def stopped(self: Denoiser, *arguments: Any, **options: Any) -> Any:
        nonlocal num
        num += 1
        if num == 5:
            raise KeyboardInterrupt
        return denoised(self, *arguments, **options)

    monkeypatch.setattr(Denoiser, "__call__", stopped)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        denoise_film(source, tmp_path / "out.mp4", models["color"], overwrite=True)
    assert (tmp_path / "out.mp4").read_bytes() == b"made by an earlier run"
    hidden, *files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["in.mp4", "out.mp4"] and hidden.startswith(".out.mp4.")
    assert threading.active_count() == threads


def test_a_truncated_film_is_written_as_far_as_it_goes(models: Models, tmp_path: Path, capsys: Read) -> None:
    whole = film(tmp_path / "whole.mkv", num_frames=40).read_bytes()
    (tmp_path / "in.mkv").write_bytes(whole[: len(whole) // 2])
    denoise_film(tmp_path / "in.mkv", tmp_path / "out.mkv", models["color"])
    values = values_of(capsys)
    assert 10 < values["frames"] < 30
    assert "truncated: ends at" in " ".join(values["notes"])


def test_a_damaged_place_is_left_out(models: Models, tmp_path: Path, capsys: Read) -> None:
    data = bytearray(film(tmp_path / "in.mov", codec="png", format="rgb24", num_frames=8).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes([7]) * 400
    (tmp_path / "in.mov").write_bytes(data)
    denoise_film(tmp_path / "in.mov", tmp_path / "out.mkv", models["color"])
    values = values_of(capsys)
    assert values["frames"] == 7
    assert "damaged in 1 place, left out" in " ".join(values["notes"])


def test_mistakes_are_named(mistake: Callable[..., str], models: Models, tmp_path: Path) -> None:
    good = film(tmp_path / "good.mp4", sound="aac", num_frames=2)
    odd = film(tmp_path / "odd.mkv", codec="ffv1", width=65, height=49, num_frames=2)
    film(tmp_path / "wide.mkv", num_frames=2, set_up=decorated)
    (tmp_path / "text.mp4").write_bytes(b"no film at all" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        part = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        part.sample_rate = 48000
        container.mux([*stream.encode(part), *stream.encode(None)])
    for source, target, options, words in (
        ("text.mp4", "out.mp4", [], "damaged, or no film"),
        ("empty.mp4", "out.mp4", [], "damaged, or no film"),
        ("sound.mp4", "out.mp4", [], "holds no moving pictures"),
        (good.name, "out.png", [], "a film is written to .mp4"),
        (good.name, "out.webm", [], "its audio (aac) does not fit into the container webm"),
        (good.name, "out.avi", [], "AVI cannot hold the times of its frames"),
        (good.name, good.name, [], "exists already"),
        (good.name, "out.mp4", ["--codec", "mp3"], "--codec mp3: allowed: auto, h264"),
        (good.name, "out.mkv", ["--codec", "prores"], "no encoder for prores takes 64x48 pixels of the kind yuv420p"),
        (good.name, "out.mp4", ["--crf", "64"], "--crf 64: allowed"),
        (good.name, "out.mp4", ["--crf", "52"], "--crf 52: is too much for h264"),
        (good.name, "out.mkv", ["--codec", "ffv1", "--crf", "5"], "ffv1 has no constant rate factor"),
        (good.name, "out.mp4", ["--preview", str(tmp_path / "page.html")], "shows single pictures alone"),
        (odd.name, "out.mp4", ["--codec", "h264"], "no encoder for h264 takes 65x49 pixels"),
        ("wide.mkv", "out.webm", ["--codec", "vp9"], "its pixels are not square, which vp9"),
        (good.name, "out.mp4", ["--model", str(models["gray"])], "the image is in colour"),
    ):
        arguments = [tmp_path / source, tmp_path / target, "--model", models["color"], "--sigma", "20", *options]
        assert words in mistake(app, *arguments), (source, target, options)
    assert not list(tmp_path.glob("out.*")) and not list(tmp_path.glob(".hinas-*"))


def test_without_the_package_the_message_says_what_to_install(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.mp4").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UserError, match=r"films need the package av \(PyAV\); install: pip install .*cpu,films"):
        denoise_film(tmp_path / "in.mp4", tmp_path / "out.mp4", models["color"])


def test_nothing_is_said_on_standard_error_by_libraries(
    models: Models, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = film(tmp_path / "in.mkv", num_frames=2)
    capfd.readouterr()
    for kind in ("h264", "hevc", "vp9", "av1", "ffv1"):
        denoise_film(source, tmp_path / f"{kind}.mkv", models["color"], codec=kind)
    assert capfd.readouterr().err == ""
