"""Interlaced films are refused, or deinterlaced where that is asked for."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.runtime.denoise_command import app
from stand_ins.film_files import denoise_film, film, frames_of, planes_in, times_of, values_of

av: Any = pytest.importorskip("av")
Models = dict[str, Path]
Read = pytest.CaptureFixture[str]


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
