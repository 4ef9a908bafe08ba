"""A paper's panel drawn again: one level, our models as a line, and plain words where points cannot be compared."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.bench import figure_run
from hinas.bench.bench_settings import BenchSettings, QualitySettings
from hinas.bench.commands import app
from hinas.bench.devices.environment import describe_machine
from hinas.bench.figure_run import FigureRequest, run_figure
from hinas.bench.latency.measure_latency import Rounds
from hinas.bench.latency.progress import Listener
from hinas.bench.latency.timed_method import Size
from hinas.bench.published.paper_figures import figure_named
from hinas.bench.published.published_figures import read_published
from hinas.bench.results.entries import Entry, Latency, Results
from hinas.bench.session import BenchOutcome
from hinas.errors import UserError
from PIL import Image

RUN = {"channels": 1, "origin": "measured", "device": "this processor", "backend": "cpu", "precision": "fp32"}


def _latency(model: str, ms: float) -> Entry:
    timed = Latency(p50=ms, runs=1, samples=(ms,))
    return Entry.model_validate(
        {**RUN, "model": model, "size": "481x321", "batch": 1, "latency_ms": timed, "source": "f"}
    )


def _quality(model: str, psnr_db: float, sigma: float) -> Entry:
    facts = {"psnr_db": psnr_db, "ssim": psnr_db / 40, "dataset": "test", "sigma": sigma, "protocol": "standard"}
    return Entry.model_validate({**RUN, **facts, "model": model, "source": "f"})


MEASURED = (
    *(_latency(model, ms) for model, ms in (("gray", 110.0), ("gray-fast", 40.0), ("FFDNet", 150.0))),
    *(_quality(model, db, 50) for model, db in (("gray", 26.7), ("gray-fast", 26.4), ("noisy input", 14.8))),
    _quality("gray", 29.0, 30),
)


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, list[str], BenchSettings]]:
    """(request, number of images) -> the picture's SVG, what was said, and what was measured."""

    def draw(request: FigureRequest, num_images: int, side: int = 321) -> tuple[str, list[str], BenchSettings]:
        folder = tmp_path / "test"
        folder.mkdir()
        for number in range(num_images):
            Image.fromarray(np.zeros((side, 481), np.uint8)).save(folder / f"{number}.png")
        asked: list[BenchSettings] = []

        def measured(settings: BenchSettings, _: Listener) -> BenchOutcome:
            asked.append(settings)
            return BenchOutcome(results=Results(machine=describe_machine(), entries=MEASURED))

        monkeypatch.setattr(figure_run, "run_bench", measured)
        said: list[str] = []
        settings = BenchSettings(
            quality=QualitySettings(data=str(folder), sigmas=(request.sigma or 50,)),
            sizes=(Size(width=481, height=321),),
            rounds=Rounds.at_least(1),
            out=tmp_path,
        )
        listener = Listener(note=said.append, begin=lambda *_: None, step=lambda *_: None)
        outcome = run_figure(settings, request, listener)
        [picture] = [file for file in outcome.files if file.suffix == ".svg"]
        return picture.read_text(), said, asked[0]

    return draw


def _request(sigma: float | None = 50, **changes: Any) -> FigureRequest:
    return replace(FigureRequest(figure=figure_named("14a"), sigma=sigma, quality="psnr_db"), **changes)


def test_the_panel_has_one_level_our_models_the_papers_and_times_alone(drawn: Callable[..., Any]) -> None:
    picture, said, asked = drawn(_request(), 200)
    for words in (
        "denoising at sigma 50",
        "gray-fast",
        ">gray 26.70<",
        "DBSN",
        "our models",
        "as published, on GTX 1080 Ti",
    ):
        assert words in picture
    assert "29.00<" not in picture, "another level's"
    assert "FFDNet" in picture and "time alone" in picture
    assert "standard protocol" in picture and "HiNAS's authors" in picture
    assert set(asked.models) >= {"gray", "gray-fast"} and "photo" not in asked.models
    assert "Measured on" not in picture and said == []


def test_other_images_than_the_papers_are_said_in_the_picture_and_on_the_way(drawn: Callable[..., Any]) -> None:
    picture, said, _ = drawn(_request(), 3)
    assert "Measured on test (3 images), not on BSD200" in picture
    assert any(line.endswith("heights do not compare with the published ones.") for line in said)


def test_as_many_images_of_another_size_are_not_the_papers(drawn: Callable[..., Any]) -> None:
    picture, _, _ = drawn(_request(), 200, side=64)
    assert "whose 0.png is none of BSD200" in picture


def test_ssim_has_a_picture_of_its_own(drawn: Callable[..., Any], tmp_path: Path) -> None:
    picture, _, _ = drawn(_request(quality="ssim"), 3)
    assert "SSIM" in picture and ">gray 0.6675<" in picture
    assert (tmp_path / "figure-14a-ssim.png").is_file()


def test_a_level_that_nothing_was_measured_at_is_an_error(drawn: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="nothing measured has both a time and a quality"):
        drawn(_request(sigma=25), 3)


def test_a_figure_without_models_says_what_it_needs(drawn: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_run, "bundled_names", lambda: ["gray"])
    with pytest.raises(UserError, match=r"--figure 14b: shows super-resolution x3, and no bundled model does that"):
        drawn(FigureRequest(figure=figure_named("14b"), sigma=None, quality="psnr_db"), 3)


def test_what_enlarges_is_timed_on_the_small_picture(
    drawn: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = RUN | {"channels": 3, "task": "super-resolution x3", "model": "sr-x3", "source": "f"}
    timed = Latency(p50=700.0, runs=1, samples=(700.0,))
    scores = {"psnr_db": 28.7, "ssim": 0.8, "dataset": "val", "protocol": "sr-y"}
    entries = (
        Entry.model_validate({**facts, "size": "160x107", "batch": 1, "latency_ms": timed}),
        Entry.model_validate({**facts, **scores}),
    )
    monkeypatch.setattr(f"{__name__}.MEASURED", entries)
    picture, said, asked = drawn(FigureRequest(figure=figure_named("14b"), sigma=None, quality="psnr_db"), 100)
    assert asked.models == ("sr-x3",) and [str(size) for size in asked.sizes] == ["160x107"]
    assert "160x107 pixels, 3 times as wide and high afterwards" in picture
    assert ">sr-x3 28.70<" in picture and "IMDN" in picture
    assert said == []


def test_the_figures_are_those_of_the_papers_tables() -> None:
    rows = read_published()
    assert [row.method for row in figure_named("Figure 14a").rows(rows, 50)] == [
        "MemNet", "NLRN", "DBSN", "N3Net", "HiNAS"
    ]  # fmt: skip
    assert {row.dataset for row in figure_named("14b").rows(rows, None)} == {"BSD100"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--figure", "14c", "--data", "x"], "--figure: got '14c', expected one of 14a, 14b"),
        (["--figure", "14a"], "--figure: shows quality too"),
        (["--figure", "14a", "--data", "x", "--sigma", "30,50"], "has one panel, of one noise level"),
        (["--figure", "14b", "--data", "x", "--sigma", "30"], "which has no noise level"),
        (["--data", "x", "--quality", "ssim"], "--quality: says what a figure shows"),
    ],
)
def test_what_a_figure_cannot_be_is_refused(options: list[str], message: str, mistake: Callable[..., str]) -> None:
    assert message in mistake(app, *options)


def test_a_level_that_the_paper_has_not_leaves_our_points_alone(
    drawn: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figure_run, "read_published", lambda: ())
    picture, said, _ = drawn(_request(), 3)
    assert "gray-fast" in picture and "DBSN" not in picture
    assert any("publishes no time and quality at sigma 50; the figure has our points alone" in line for line in said)
