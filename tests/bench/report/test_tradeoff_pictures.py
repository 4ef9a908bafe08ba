"""The pictures of a session: which files there are, of what, and what time buys."""

from pathlib import Path
from typing import Any

import pytest
from hinas.bench.report.gain_lines import gain_lines, photograph_entries
from hinas.bench.report.tradeoff import Group, Panel, TradeoffPoint, tradeoff_panels
from hinas.bench.report.tradeoff_pictures import our_models, write_pictures, write_what_time_buys
from hinas.bench.results.entries import Entry, Latency, Results
from stand_ins.machine import MACHINE

RUN = {"device": "this processor", "backend": "cpu", "precision": "fp32", "threads": 1, "source": "file"}


def _latency(model: str, channels: int, ms: float, size: str = "500x400") -> Entry:
    timed = {"size": size, "batch": 1, "latency_ms": Latency(p50=ms, runs=1, samples=(ms,))}
    return Entry.model_validate(RUN | timed | {"model": model, "channels": channels, "origin": "measured"})


def _quality(model: str, channels: int, psnr_db: float, sigma: float | None = 50, **changes: Any) -> Entry:
    facts = {"psnr_db": psnr_db, "ssim": 0.7, "dataset": "test", "sigma": sigma, "protocol": "standard"}
    return Entry.model_validate(RUN | facts | {"model": model, "channels": channels, "origin": "measured"} | changes)


def _results(*entries: Entry) -> Results:
    return Results(machine=MACHINE, entries=entries)


GREY = (
    _latency("gray", 1, 20.0),
    _latency("gray", 1, 200.0, "1000x1000"),
    *(_quality("gray", 1, 27 - level / 50, level) for level in (30, 50, 70)),
    *(_quality("noisy input", 1, 20 - level / 10, level) for level in (30, 50, 70)),
)
COLOUR = (_latency("color", 3, 30.0), _quality("color", 3, 28.0), _quality("noisy input", 3, 15.0))


PHOTOGRAPHS = (
    _latency("photo", 3, 40.0).model_copy(update={"task": "camera"}),
    *(
        _quality(model, 3, psnr_db, sigma=None, task=f"camera ISO {iso}{part}", protocol=f"task cases{part}")
        for iso, gain in ((400, 2.0), (1600, 3.2), (6400, 4.0))
        for part, more in (("", 0.0), (", brightness", 0.5))
        for model, psnr_db in (("photo", 36 + gain + more), ("noisy input", 36.0))
    ),
)


def _names(files: list[Path]) -> set[str]:
    assert all(file.is_file() for file in files)
    return {file.name.removesuffix(".png") for file in files if file.suffix == ".png"}


def test_every_kind_and_level_has_a_picture_and_one_of_them_is_shown_first(tmp_path: Path) -> None:
    files = write_pictures(_results(*GREY), ["500x400"], tmp_path)
    levels = {f"tradeoff-gray-sigma-{level}" for level in (30, 50, 70)}
    assert _names(files) == {"tradeoff", *levels}
    assert (tmp_path / "tradeoff.svg").read_bytes() == (tmp_path / "tradeoff-gray-sigma-50.svg").read_bytes()
    drawing = (tmp_path / "tradeoff-gray-sigma-30.svg").read_text(encoding="utf-8")
    assert "Denoising of grey images at sigma 30" in drawing and "gray 26.40" in drawing


def test_other_sizes_and_ssim_end_and_begin_the_name(tmp_path: Path) -> None:
    level = (*GREY[:2], _quality("gray", 1, 26.0), *COLOUR)
    files = write_pictures(_results(*level), ["500x400", "1000x1000"], tmp_path, quality="ssim")
    names = {"tradeoff-ssim-gray-sigma-50", "tradeoff-ssim-gray-sigma-50-1000x1000", "tradeoff-ssim-color-sigma-50"}
    assert _names(files) == {"tradeoff-ssim", *names}
    first = (tmp_path / "tradeoff-ssim.svg").read_text(encoding="utf-8")
    assert "colour images" in first and "color 0.7000" in first


def test_ours_are_the_measured_models_and_neither_peers_nor_programs() -> None:
    others = (
        _quality("FFDNet", 1, 26.4),
        _quality("BM3D", 1, 25.0, backend=None),
        _quality("theirs", 1, 25.0, source="program: theirs {in} {out}"),
        _quality("paper's", 1, 27.0, origin="published"),
    )
    assert our_models(_results(*GREY, *others)) == {"gray"}


def test_nothing_measured_leaves_no_picture(tmp_path: Path) -> None:
    latency_alone = _results(GREY[0])
    assert write_pictures(latency_alone, ["500x400"], tmp_path) == []
    assert write_what_time_buys(latency_alone, "500x400", tmp_path) == []


def test_what_time_buys_has_a_panel_for_each_kind_of_picture(tmp_path: Path) -> None:
    peer = (_latency("FFDNet", 1, 25.0), _quality("FFDNet", 1, 26.4))
    files = write_what_time_buys(_results(*PHOTOGRAPHS, *GREY, *COLOUR, *peer), "500x400", tmp_path)
    assert [file.name for file in files] == ["what-time-buys.png", "what-time-buys.svg"]
    drawing = files[1].read_text(encoding="utf-8")
    for words in (
        "grey images, sigma 50",
        "colour images, sigma 50",
        "gray +11.00",
        "color +13.00",
        "FFDNet +11.40",
        "photographs, ISO 1600",
        "photo +3.20",
        "A dB is as high in every panel",
        "time for one megapixel (ms)",
        "other methods",
    ):
        assert words in drawing


def test_photographs_take_the_time_of_their_network_and_the_middle_of_the_cases(tmp_path: Path) -> None:
    write_what_time_buys(_results(*PHOTOGRAPHS), "500x400", tmp_path)
    drawing = (tmp_path / "what-time-buys.svg").read_text(encoding="utf-8")
    assert "photographs, ISO 1600" in drawing and "photo +3.20" in drawing
    assert "every panel" not in drawing
    [line] = gain_lines(
        tradeoff_panels(photograph_entries(PHOTOGRAPHS), "500x400", noisy_input="noisy input"), megapixels=0.2
    )
    assert [point.time_ms for point in line.points] == [200.0]


def _panel(sigma: float, noisy: float | None, *points: tuple[str, float, float, str]) -> Panel:
    return Panel(
        task="denoise",
        channels=1,
        sigma=sigma,
        quality="psnr_db",
        noisy_quality=noisy,
        points=tuple(
            TradeoffPoint(
                model=model,
                conditions=("", "", ""),
                time_ms=time_ms,
                time_range_ms=None,
                quality=quality,
                parameters=None,
                group=Group(
                    origin="published" if device == "paper's" else "measured",
                    device=device,
                    protocol="standard",
                    dataset="test",
                ),
            )
            for model, time_ms, quality, device in points
        ),
    )


def test_a_gain_is_over_the_noisy_input_and_a_time_that_of_a_megapixel() -> None:
    middle = _panel(50, 15.0, ("a", 10.0, 26.0, "here"), ("a", 1.0, 26.0, "gpu"), ("b", 1.0, 27.0, "paper's"))
    outer = [_panel(sigma, 15.0, ("a", 10.0, 26.0, "here")) for sigma in (30, 70)]
    lines = gain_lines([outer[0], middle, outer[1]], megapixels=0.25)
    assert [(line.device, line.noise) for line in lines] == [("gpu", "sigma 50"), ("here", "sigma 50")]
    [point] = lines[1].points
    assert (point.time_ms, point.quality) == (40.0, pytest.approx(11.0))
    assert gain_lines([_panel(50, None, ("a", 10.0, 26.0, "here"))], megapixels=0.25) == []
