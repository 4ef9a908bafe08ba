"""Films: every frame denoised, sound and all else copied bit for bit, times, colours and shape kept."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoiser import Denoiser
from stand_ins.film_files import decorated, denoise_film, film, frames_of, packets_of, planes_in, times_of, values_of

av: Any = pytest.importorskip("av")
Models = dict[str, Path]
Read = pytest.CaptureFixture[str]


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
