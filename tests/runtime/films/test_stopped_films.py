"""Films that were stopped go on where they were, and are then what they would have been."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoiser import Denoiser
from hinas.runtime.films.parts import parts_compressor
from hinas.runtime.films.parts.part_file import PartWriter
from hinas.runtime.films.parts.parts_folder import PartsFolder
from hinas.runtime.films.steady_frames import FRAMES_REMEMBERED
from stand_ins.film_files import denoise_film, mux_sound

av: Any = pytest.importorskip("av")

Models = dict[str, Path]
Read = pytest.CaptureFixture[str]
Packet = tuple[Fraction, Fraction, bytes]
UNEVEN = (24, 24, 36, 12, 60)
"""How long frames are shown, in 600ths of a second."""
PART = 4
"""Frames of a part in these tests."""


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_compressor, "FRAMES_OF_A_PART", PART)


def film(
    path: Path,
    *,
    num_frames: int = 14,
    format: str = "yuv420p",
    codec: str = "ffv1",
    seed: int = 0,
    noise: float = 15.0,
    brightening: float = 3.0,
) -> Path:
    """Noisy frames shown for different times, with sound. `brightening`: levels from frame to frame."""
    generator = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, format
        stream.codec_context.time_base = Fraction(1, 600)
        heard = container.add_stream("aac", rate=48000)
        container.start_encoding()
        time = 0
        for index in range(num_frames):
            frame = av.VideoFrame(64, 48, format)
            for plane in frame.planes:
                levels = np.frombuffer(plane, np.uint16 if format.endswith("le") else np.uint8)
                levels[:] = np.clip(generator.normal(120 + brightening * index, noise, levels.shape), 0, 255)
            frame.pts, frame.time_base = time, Fraction(1, 600)
            time += UNEVEN[index % len(UNEVEN)]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        mux_sound(container, heard, generator, num_parts=24)
    return path


def run(source: Path, target: Path, models: Models, **options: Any) -> None:
    denoise_film(source, target, models["color"], **options)


def stop(run_it: Callable[[], None], monkeypatch: pytest.MonkeyPatch, *, before: int) -> None:
    """Ctrl-C while frame number `before`, from 0, is denoised."""
    denoised, num = Denoiser.__call__, 0

    def stopped(self: Denoiser, *arguments: Any, **options: Any) -> Any:
        nonlocal num
        num += 1
        if num == before + 1:
            raise KeyboardInterrupt
        return denoised(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Denoiser, "__call__", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_it()


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows with every frame that is denoised."""
    denoised, calls = Denoiser.__call__, []

    def counted(self: Denoiser, *arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return denoised(self, *arguments, **options)

    monkeypatch.setattr(Denoiser, "__call__", counted)
    return calls


def packets_of(path: Path, kind: str) -> list[Packet]:
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, packet.dts * packet.time_base, bytes(packet))
            for packet in container.demux()
            if packet.stream.type == kind and packet.size
        ]


def pictures_of(path: Path) -> list[tuple[float, bytes]]:
    """Times, and the levels of all planes."""
    with av.open(str(path)) as container:
        return [(frame.time, b"".join(bytes(plane) for plane in frame.planes)) for frame in container.decode(video=0)]


def kept_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.parts/[0-9]*.part"))


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize(("name", "codec"), [("out.mp4", "h264"), ("out.mkv", "ffv1")])
def test_a_killed_film_goes_on_and_is_the_same_film(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Read, name: str, codec: str
) -> None:
    source, target = film(tmp_path / "in.mkv"), tmp_path / name
    (tmp_path / "whole").mkdir()
    run(source, tmp_path / "whole" / name, models, codec=codec)
    stop(lambda: run(source, target, models, codec=codec), monkeypatch, before=10)
    assert not target.exists()
    # A process that is killed has no time to end the part that it is at.
    *whole, short = kept_in(tmp_path)
    assert [part.name for part in (*whole, short)] == ["00000000.part", "00000004.part", "00000008.part"]
    short.unlink()
    capsys.readouterr()
    calls = count_calls(monkeypatch)
    run(source, target, models, codec=codec)
    assert len(calls) == 14 - 8
    assert "in.mkv: continuing; 8 of about 18 frames were made by an earlier run" in capsys.readouterr().err
    for kind in ("video", "audio"):
        assert packets_of(target, kind) == packets_of(tmp_path / "whole" / name, kind) != []
    assert pictures_of(target) == pictures_of(tmp_path / "whole" / name)
    assert names_in(tmp_path) == ["in.mkv", name, "whole"]


def test_ctrl_c_keeps_every_frame_that_was_done(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Read
) -> None:
    source, target = film(tmp_path / "in.mkv"), tmp_path / "out.mkv"
    run(source, tmp_path / "whole.mkv", models)
    calls = count_calls(monkeypatch)
    for before in (3, 3, 1):
        stop(lambda: run(source, target, models), monkeypatch, before=before)
        folder = kept_in(tmp_path)[0].parent
        assert f"frames are done and kept in {folder}; the same command goes on from there" in capsys.readouterr().err
    run(source, target, models)
    assert len(calls) == 14
    assert pictures_of(target) == pictures_of(tmp_path / "whole.mkv")
    assert packets_of(target, "audio") == packets_of(source, "audio")
    assert names_in(tmp_path) == ["in.mkv", "out.mkv", "whole.mkv"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX alone has this signal")
def test_a_process_that_was_killed(models: Models, tmp_path: Path) -> None:
    source, target = film(tmp_path / "in.mkv"), tmp_path / "out.mkv"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from hinas.runtime.denoise_request import Request; from hinas.runtime.denoiser import Denoiser\n"
        "from hinas.runtime.files.denoise_files import denoise_files\n"
        "from hinas.runtime.files.reporting import Reporter\n"
        "from hinas.runtime.films.parts import parts_compressor\n"
        "parts_compressor.FRAMES_OF_A_PART = 4\n"
        "denoised, calls = Denoiser.__call__, []\n"
        "def killed(*arguments, **options):\n"
        "    calls.append(0)\n"
        "    if len(calls) == 12: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return denoised(*arguments, **options)\n"
        "Denoiser.__call__ = killed\n"
        "source, target, model = sys.argv[1:]\n"
        "request = Request(source=Path(source), target=Path(target), model=model, threads=1, sigma=20.0)\n"
        "denoise_files(request, Reporter(quiet=True, json=False))\n"
    )
    command = [sys.executable, "-c", program, str(source), str(target), str(models["color"])]
    assert subprocess.run(command, timeout=120).returncode == -signal.SIGKILL
    assert not target.exists() and [part.name for part in kept_in(tmp_path)][:2] == ["00000000.part", "00000004.part"]
    run(source, target, models)
    run(source, tmp_path / "whole.mkv", models)
    assert pictures_of(target) == pictures_of(tmp_path / "whole.mkv")
    assert names_in(tmp_path) == ["in.mkv", "out.mkv", "whole.mkv"]


@pytest.mark.parametrize("other", [{"sigma": 25.0}, {"codec": "h264"}, {"ensemble": True}])
def test_parts_made_with_other_options_are_not_taken_and_not_lost(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Read, other: dict[str, Any]
) -> None:
    source, target = film(tmp_path / "in.mkv", codec="libx265"), tmp_path / "out.mkv"
    stop(lambda: run(source, target, models), monkeypatch, before=6)
    kept = kept_in(tmp_path)
    calls = count_calls(monkeypatch)
    capsys.readouterr()
    run(source, target, models, **other)
    assert len(calls) == 14
    assert f"{kept[0].parent} keeps frames of {target} made from another source or with other options" in (
        capsys.readouterr().err
    )
    assert kept_in(tmp_path) == kept
    run(source, target, models, overwrite=True)
    assert len(calls) == 14 + 14 - 6 and kept_in(tmp_path) == []


def test_parts_of_another_version_of_the_source_are_not_taken(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = film(tmp_path / "in.mkv"), tmp_path / "out.mkv"
    stop(lambda: run(source, target, models), monkeypatch, before=6)
    film(source, seed=1)
    calls = count_calls(monkeypatch)
    run(source, target, models)
    run(source, tmp_path / "whole.mkv", models)
    assert len(calls) == 2 * 14
    assert pictures_of(target) == pictures_of(tmp_path / "whole.mkv")


def test_a_film_that_was_moved_goes_on(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = film(tmp_path / "in.mkv")
    stop(lambda: run(source, tmp_path / "out.mkv", models), monkeypatch, before=6)
    (tmp_path / "new").mkdir()
    calls = count_calls(monkeypatch)
    run(source.rename(tmp_path / "new" / "other.mkv"), tmp_path / "out.mkv", models)
    assert len(calls) == 14 - 6


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_a_damaged_part_is_noticed(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Read, damage: str
) -> None:
    source, target = film(tmp_path / "in.mkv"), tmp_path / "out.mkv"
    stop(lambda: run(source, target, models), monkeypatch, before=12)
    part = kept_in(tmp_path)[1]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes({"flipped": content, "cut": content[: len(content) // 2]}[damage])
    capsys.readouterr()
    calls = count_calls(monkeypatch)
    run(source, target, models)
    assert len(calls) == 14 - PART
    assert "what an earlier run kept is damaged from frame 5 on and is made anew" in capsys.readouterr().err
    run(source, tmp_path / "whole.mkv", models)
    assert pictures_of(target) == pictures_of(tmp_path / "whole.mkv")


def test_what_is_averaged_over_time_goes_on(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = film(tmp_path / "in.mkv", num_frames=36, noise=2.0, brightening=0.0), tmp_path / "out.mkv"
    run(source, tmp_path / "whole.mkv", models, temporal=True)
    run(source, tmp_path / "alone.mkv", models)
    stop(lambda: run(source, target, models, temporal=True), monkeypatch, before=30)
    calls = count_calls(monkeypatch)
    run(source, target, models, temporal=True)
    # The frames that the next one depends on are denoised once more.
    assert len(calls) == 36 - 30 + FRAMES_REMEMBERED
    whole, gone_on, alone = (
        [np.frombuffer(levels, np.uint8).astype(int) for _, levels in pictures_of(tmp_path / name)]
        for name in ("whole.mkv", "out.mkv", "alone.mkv")
    )
    assert len(gone_on) == 36
    assert max(np.abs(one - other).max() for one, other in zip(whole, gone_on, strict=True)) <= 1
    changes = [np.mean([np.std(two - one) for one, two in pairwise(frames[10:])]) for frames in (gone_on, alone)]
    assert changes[0] < 0.6 * changes[1]


@pytest.mark.parametrize(
    ("codec", "format", "name"),
    [
        ("h264", "yuv420p", "out.mp4"),
        ("hevc", "yuv420p", "out.mov"),
        ("vp9", "yuva420p", "out.mkv"),
        ("av1", "yuv420p", "out.mp4"),
        ("prores", "yuv422p10le", "out.mov"),
        ("ffv1", "yuv420p", "out.mkv"),
    ],
)
def test_parts_are_joined_to_one_film(models: Models, tmp_path: Path, codec: str, format: str, name: str) -> None:
    source = film(tmp_path / "in.mkv", format=format)
    run(source, tmp_path / name, models, codec=codec)
    decoding = [dts for _, dts, _ in packets_of(tmp_path / name, "video")]
    assert len(decoding) == 14 and all(one < other for one, other in pairwise(decoding))
    times = [time for time, _ in pictures_of(tmp_path / name)]
    expected = [time for time, _ in pictures_of(source)]
    np.testing.assert_allclose(np.diff(times), np.diff(expected), atol=0.0011)
    heard = packets_of(tmp_path / name, "audio")
    assert [content for *_, content in heard] == [content for *_, content in packets_of(source, "audio")] != []
    # The sound still begins with the pictures.
    assert abs((times[0] - expected[0]) - float(heard[0][0] - packets_of(source, "audio")[0][0])) < 0.002


def test_vp9_keeps_opacity(models: Models, tmp_path: Path) -> None:
    run(film(tmp_path / "in.mkv", format="yuva420p", num_frames=6), tmp_path / "out.mkv", models, codec="vp9")
    with av.open(str(tmp_path / "out.mkv")) as container:
        side = [
            {data.data_type for data in packet.iter_sidedata()} for packet in container.demux(video=0) if packet.size
        ]
    assert len(side) == 6 and all("matroska_block_additional" in kinds for kinds in side)


def test_a_full_disk_is_named(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = film(tmp_path / "in.mkv"), tmp_path / "out.mkv"

    def full(self: PartWriter, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(PartWriter, "_write", full)
        with pytest.raises(UserError, match=r"in\.mkv: .*No space left"):
            run(source, target, models)
    assert names_in(tmp_path) == ["in.mkv"]


@pytest.mark.parametrize("letters", [100, 246])
def test_long_names(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letters: int) -> None:
    source, target = film(tmp_path / "in.mkv", num_frames=6), tmp_path / f"{'n' * letters}.mkv"
    stop(lambda: run(source, target, models), monkeypatch, before=5)
    run(source, target, models)
    assert len(pictures_of(target)) == 6


def test_two_runs_do_not_make_the_same_film(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl", reason="POSIX alone has these locks")
    source, target = film(tmp_path / "in.mkv"), tmp_path / "out.mkv"
    stop(lambda: run(source, target, models), monkeypatch, before=6)
    folder = PartsFolder(target, {})
    folder.path = kept_in(tmp_path)[0].parent
    with folder.held(), pytest.raises(UserError, match=r"in\.mkv: another run is making this film"):
        run(source, target, models)
    assert len(kept_in(tmp_path)) == 2
    run(source, target, models)


def test_a_run_of_a_folder_goes_on_within_the_film(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for name in ("a.mkv", "b.mkv"):
        film(source / name)
    stop(lambda: run(source, target, models, skip_existing=True), monkeypatch, before=14 + 6)
    calls = count_calls(monkeypatch)
    run(source, target, models, skip_existing=True)
    assert len(calls) == 14 - 6
    assert names_in(target) == ["a.mkv", "b.mkv"]


def test_what_fails_before_the_first_frame_leaves_nothing(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = film(tmp_path / "in.mkv")
    stop(lambda: run(source, tmp_path / "out.mkv", models), monkeypatch, before=0)
    assert names_in(tmp_path) == ["in.mkv"]
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(UserError, match="cannot write here"):
            run(source, tmp_path / "out.mkv", models)
        tmp_path.chmod(0o700)
