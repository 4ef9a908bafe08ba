"""Films: every frame denoised, sound and all else copied bit for bit, times, colours and shape kept."""

import json
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_command import app
from hinas.runtime.denoiser import Denoiser
from stand_ins.film_files import denoise_film, mux_sound

av: Any = pytest.importorskip("av")

Models = dict[str, Path]
Read = pytest.CaptureFixture[str]
UNEVEN = (24, 24, 36, 12, 60)
"""How long frames are shown, in 600ths of a second."""


def film(
    path: Path,
    *,
    codec: str = "libx264",
    format: str = "yuv420p",
    width: int = 64,
    height: int = 48,
    num_frames: int = 6,
    tags: tuple[int, int, int, int] | None = None,
    sound: str | None = None,
    is_grey: bool = False,
    set_up: Callable[[Any, Any], None] = lambda container, stream: None,
    time_base: Fraction = Fraction(1, 600),
    durations: tuple[int, ...] = UNEVEN,
) -> Path:
    """A few noisy frames. `tags`: primaries, transfer, matrix, range."""
    generator = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, format
        stream.codec_context.time_base = time_base
        context = stream.codec_context
        context.options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
        if tags is not None:
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
        heard = None if sound is None else container.add_stream(sound, rate=48000)
        set_up(container, stream)
        time = 0
        for index in range(num_frames):
            frame = av.VideoFrame(width, height, format)
            for place, plane in enumerate(frame.planes):
                is_deep = format.endswith("le")
                levels = np.frombuffer(plane, np.uint16 if is_deep else np.uint8)
                middle = 512 if is_deep else 128
                noise = generator.normal(0, middle / 8, levels.shape)
                levels[:] = middle + (0 if is_grey and place > 0 else noise)
            frame.pts, frame.time_base = time, time_base
            time += durations[index % len(durations)]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if heard is not None:
            mux_sound(container, heard, generator, num_parts=12)
    return path


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_of(path: Path) -> list[Fraction]:
    times = [frame.pts * frame.time_base for frame in frames_of(path)]
    return [time - times[0] for time in times]


def packets_of(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux() if packet.stream.type == kind and packet.size]


def planes_in(frame: Any) -> list[np.ndarray]:
    dtype = np.uint16 if frame.format.name.endswith("le") else np.uint8
    found = []
    for plane in frame.planes:
        columns = plane.width
        found.append(np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, :columns].astype(int))
    return found


def values_of(capsys: Read) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def decorated(container: Any, stream: Any) -> None:
    stream.set_display_rotation(90)
    stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
    container.metadata["title"] = "A walk"
    chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
    container.set_chapters([chapter])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_all_but_the_pixels_stays(models: Models, tmp_path: Path, suffix: str) -> None:
    source = film(tmp_path / "in.mp4", sound="aac", tags=(9, 16, 9, 1), set_up=decorated)
    target = tmp_path / f"out{suffix}"
    denoise_film(source, target, models["color"])
    before, after = frames_of(source), frames_of(target)
    assert len(before) == len(after) == 6
    largest_error = Fraction(1, 1000) if suffix == ".mkv" else 0
    for old, new in zip(times_of(source), times_of(target), strict=True):
        assert abs(old - new) <= largest_error
    assert packets_of(target, "audio") == packets_of(source, "audio") != []
    for name in ("color_primaries", "color_trc", "colorspace", "color_range", "rotation", "width", "height"):
        assert getattr(after[0], name) == getattr(before[0], name), name
    assert before[0].rotation == 90 and before[0].color_trc == 16
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert new.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        assert new.metadata["title"] == "A walk"
        assert [chapter["metadata"]["title"] for chapter in new.chapters()] == ["one"]
        assert abs(new.duration - old.duration) <= 10**6 * 60 // 600
        assert [stream.type for stream in new.streams if stream.type != "data"] == ["video", "audio"]


def test_the_same_noise_level_for_all_frames_and_the_network_is_told_it(models: Models, tmp_path: Path) -> None:
    """The tiny model adds sigma / 2550 to its input and little else that depends on the frame."""
    source = film(tmp_path / "in.mkv", codec="ffv1", format="gray", num_frames=3)
    denoise_film(source, tmp_path / "out.mkv", models["gray1"], sigma=51.0)
    for old, new in zip(frames_of(source), frames_of(tmp_path / "out.mkv"), strict=True):
        # ffv1 says nothing of the range: 219 levels from black to white.
        pixels = ((planes_in(old)[0] - 16) / 219).astype(np.float32)
        expected = Denoiser.load(models["gray1"], "cpu", threads=1)(pixels, 51.0)
        np.testing.assert_array_equal(planes_in(new)[0], np.clip(np.rint(expected * 219 + 16), 0, 255))


@pytest.mark.parametrize("format", ["yuv420p", "yuv420p10le", "yuv422p10le", "yuv444p", "gbrp10le", "gray10le", "bgr0"])
@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_what_is_left_alone_keeps_every_level(
    models: Models, tmp_path: Path, format: str, size: tuple[int, int]
) -> None:
    source = film(tmp_path / "in.mkv", codec="ffv1", format=format, width=size[0], height=size[1], num_frames=2)
    denoise_film(source, tmp_path / "out.mkv", models["color"], sigma=0.0)
    for old, new in zip(frames_of(source), frames_of(tmp_path / "out.mkv"), strict=True):
        assert new.format.name == old.format.name
        for one, other in zip(planes_in(old), planes_in(new), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_film_without_colour_is_grey_and_its_colour_planes_stay(models: Models, tmp_path: Path, capsys: Read) -> None:
    source = film(tmp_path / "in.mkv", codec="ffv1", is_grey=True, num_frames=2)
    denoise_film(source, tmp_path / "out.mkv", models["gray"])
    assert values_of(capsys)["channels"] == 1
    new = planes_in(frames_of(tmp_path / "out.mkv")[0])
    assert (new[0] != planes_in(frames_of(source)[0])[0]).any()
    assert (new[1] == 128).all() and (new[2] == 128).all()


@pytest.mark.parametrize(
    ("source", "target", "options", "kind", "format"),
    [
        ({"codec": "libx264"}, "out.mkv", {}, "h264", "yuv420p"),
        ({"codec": "libx265", "format": "yuv420p10le"}, "out.mkv", {}, "hevc", "yuv420p10le"),
        ({"codec": "mpeg2video", "time_base": Fraction(1, 25), "durations": (1,)}, "out.mkv", {}, "h264", "yuv420p"),
        ({"codec": "libx264"}, "out.webm", {}, "vp9", "yuv420p"),
        ({"codec": "libx264", "format": "yuv420p10le"}, "out.webm", {}, "av1", "yuv420p10le"),
        ({"codec": "libx264", "format": "gray"}, "out.mkv", {"codec": "vp9", "crf": 30}, "vp9", "yuv420p"),
        ({"codec": "ffv1", "format": "bgr0"}, "out.mkv", {"codec": "h264"}, "h264", "gbrp"),
    ],
)
def test_the_compression_is_the_films_own_or_what_fits(
    models: Models,
    tmp_path: Path,
    capsys: Read,
    source: dict[str, Any],
    target: str,
    options: dict[str, Any],
    kind: str,
    format: str,
) -> None:
    denoise_film(film(tmp_path / "in.mkv", num_frames=3, **source), tmp_path / target, models["color"], **options)
    assert values_of(capsys)["codec"] == kind
    with av.open(str(tmp_path / target)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == kind
    assert {frame.format.name for frame in frames_of(tmp_path / target)} == {format}
    assert len(frames_of(tmp_path / target)) == 3


@pytest.mark.parametrize("name", ["take:1.mkv", "12:30/film.mkv"])
def test_names_with_a_colon_are_no_protocols(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    film(tmp_path / "film.mkv", num_frames=2)
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    denoise_film(Path("film.mkv"), Path(name), models["color"])
    denoise_film(Path(name), Path("again.mkv"), models["color"])
    assert len(frames_of(tmp_path / "again.mkv")) == 2


def test_a_kind_that_is_not_written_is_said(models: Models, tmp_path: Path, capsys: Read) -> None:
    source = film(tmp_path / "in.mkv", codec="mpeg4", time_base=Fraction(1, 25), durations=(1,), num_frames=2)
    denoise_film(source, tmp_path / "out.mkv", models["color"])
    assert "hinas does not write mpeg4; its pictures are compressed as h264" in "".join(values_of(capsys)["notes"])


def test_transparent_films_of_eight_bits_keep_every_level(models: Models, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mov", codec="png", format="rgba", num_frames=2)
    denoise_film(source, tmp_path / "out.mkv", models["color"], sigma=0.0)
    for before, after in zip(frames_of(source), frames_of(tmp_path / "out.mkv"), strict=True):
        assert np.array_equal(before.to_ndarray(format="rgba"), after.to_ndarray(format="rgba"))


def test_a_lower_crf_keeps_more(models: Models, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv")
    for crf in (10, 40):
        denoise_film(source, tmp_path / f"{crf}.mkv", models["color"], crf=crf)
    assert (tmp_path / "10.mkv").stat().st_size > 1.5 * (tmp_path / "40.mkv").stat().st_size


def test_subtitles_attachments_and_covers_are_copied(models: Models, tmp_path: Path) -> None:
    def more(container: Any, stream: Any) -> None:
        container.add_attachment("font.ttf", "font/ttf", b"letters")

    film(tmp_path / "plain.mkv", set_up=more, sound="aac")
    denoise_film(tmp_path / "plain.mkv", tmp_path / "out.mkv", models["color"])
    with av.open(str(tmp_path / "out.mkv")) as container:
        attachment = next(stream for stream in container.streams if stream.type == "attachment")
        assert (attachment.name, attachment.data) == ("font.ttf", b"letters")


def test_the_noise_is_measured_on_several_frames_and_the_model_chosen_once(tmp_path: Path, capsys: Read) -> None:
    generator = np.random.default_rng(1)
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "gray"
        for index in range(6):
            # The first frame is black, as many films begin.
            level = 0.0 if index == 0 else 20.0
            pixels = 16 + generator.normal(100, level, (96, 96)) if level else np.full((96, 96), 16)
            frame = av.VideoFrame.from_ndarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), format="gray")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    denoise_film(tmp_path / "in.mkv", tmp_path / "out.mkv", "auto", sigma=None)  # pyright: ignore[reportArgumentType]
    values = values_of(capsys)
    assert values["model"] == "gray"
    # 219 levels are all there are from black to white.
    assert values["sigma_estimate"] == pytest.approx(20 * 255 / 219, rel=0.1)


def test_a_folder_of_films_and_pictures(models: Models, picture_folder: Path, tmp_path: Path, capsys: Read) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "below").mkdir(parents=True)
    film(source / "below" / "a.mp4", num_frames=2)
    film(source / "b.mkv", num_frames=2)
    (source / "c.mov").write_bytes(b"no film")
    picture = next(picture_folder.glob("*.png"))
    (source / picture.name).write_bytes(picture.read_bytes())
    target.mkdir()
    (target / "b.mkv").write_bytes(b"made by an earlier run")
    with pytest.raises(UserError, match=r"1 of 3 pictures and films failed") as caught:
        denoise_film(source, target, models["color"], skip_existing=True)
    assert "c.mov" in str(caught.value)
    assert len(frames_of(target / "below" / "a.mp4")) == 2
    assert (target / picture.name).is_file()
    assert (target / "b.mkv").read_bytes() == b"made by an earlier run"
    summary = values_of(capsys)["summary"]
    assert (summary["written"], summary["skipped"], summary["failed"]) == (2, 1, 1)


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


def interlaced_film(path: Path) -> tuple[Path, list[np.ndarray]]:
    """A bar that moves between the two half pictures of a frame, compressed without loss, and the frames' luma."""
    lumas: list[np.ndarray] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        context = stream.codec_context
        context.time_base, context.options = Fraction(1, 600), {"crf": "0", "x264-params": "tff=1"}
        context.flags |= int(av.codec.context.Flags.interlaced_dct)
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 1, 1, 1, 1
        for index in range(8):
            frame = av.VideoFrame(96, 64, "yuv420p")
            for plane in frame.planes:
                levels = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
                for field in (0, 1):
                    columns = np.arange(levels.shape[1])
                    levels[field::2] = np.where(abs(columns - 4 * (2 * index + field)) < 6, 180, 100)
            lumas.append(planes_in(frame)[0])
            frame.pts, frame.time_base = 24 * index, Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path, lumas


def test_interlaced_films_are_refused_and_the_option_named(
    mistake: Callable[..., str], models: Models, tmp_path: Path
) -> None:
    source, _ = interlaced_film(tmp_path / "in.mkv")
    said = mistake(app, source, tmp_path / "out.mkv", "--model", models["color"])
    assert "in.mkv: is interlaced" in said and "add --deinterlace" in said
    assert [file.name for file in tmp_path.iterdir()] == ["in.mkv"]


def test_interlaced_films_are_deinterlaced(models: Models, tmp_path: Path, capsys: Read) -> None:
    source, lumas = interlaced_film(tmp_path / "in.mkv")
    denoise_film(source, tmp_path / "out.mkv", models["color"], deinterlace=True, codec="ffv1", sigma=0.0)
    assert "is interlaced: one whole picture" in " ".join(values_of(capsys)["notes"])
    old, new = frames_of(source), frames_of(tmp_path / "out.mkv")
    assert old[0].interlaced_frame and not any(frame.interlaced_frame for frame in new)
    assert times_of(tmp_path / "out.mkv") == times_of(source) and len(new) == 8
    assert new[0].colorspace == old[0].colorspace == 1
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].codec_context.field_order == 1
    for before, frame in list(zip(lumas, new, strict=True))[1:-1]:
        after = planes_in(frame)[0]
        # One half picture stays, and the other no longer lies somewhere else.
        assert any((after[field::2] == before[field::2]).all() for field in (0, 1))
        combs = [np.abs(luma[2:-2] - (luma[1:-3] + luma[3:-1]) / 2).mean() for luma in (before, after)]
        assert combs[1] < combs[0] / 3


def test_frames_of_a_film_that_are_not_interlaced_stay(models: Models, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", codec="ffv1", num_frames=3)
    denoise_film(source, tmp_path / "out.mkv", models["color"], deinterlace=True, sigma=0.0)
    for old, new in zip(frames_of(source), frames_of(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(planes_in(old)[0], planes_in(new)[0])


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
