"""Scores of super-resolution: what methods are given, what of their results counts, and what is written of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.bench.bench_settings import BenchSettings, QualitySettings
from hinas.bench.latency.measure_latency import Rounds
from hinas.bench.latency.progress import Listener
from hinas.bench.latency.timed_method import Size
from hinas.bench.quality.clean_images import ImageSet
from hinas.bench.quality.enlarging import BICUBIC, luma, measure_enlarging, small_and_clean
from hinas.bench.quality.measure_quality import Denoise, ScoredMethod
from hinas.bench.quality.psnr_ssim import psnr_db
from hinas.bench.results.result_texts import results_table
from hinas.bench.session import run_bench
from hinas.search.bicubic import enlarged
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """Two pictures in colour, of sides that are no multiples of 3."""
    files = (tmp_path / "a.png", tmp_path / "b.png")
    for index, file in enumerate(files):
        rows, columns = np.mgrid[:61, : 70 + index]
        waves = [127 + 90 * np.sin((rows + turn * columns) / 4) for turn in (0, 1, 2)]
        Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8)).save(file)
    return ImageSet(name="two", files=files, warnings=())


def method(name: str, enlarge: Denoise, *, channels: int = 3, scale: int = 3) -> ScoredMethod:
    return ScoredMethod(
        name=name, channels=channels, sigma_range=None, denoise=enlarge, scale=scale,
        facts={"model": name, "channels": channels, "source": "a test"},
    )  # fmt: skip


def as_bicubic(scale: int) -> Denoise:
    return lambda small, sigma: enlarged(small, scale).astype(np.float32)


def test_a_method_is_given_a_small_8_bit_picture_and_bicubic_scores_as_the_baseline(images: ImageSet) -> None:
    seen: list[NDArray[np.float32]] = []

    def watched(small: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        seen.append(small)
        return as_bicubic(3)(small, sigma)

    scores = measure_enlarging([method("same", watched), method("other", as_bicubic(2), scale=2)], images)
    assert [one.shape for one in seen] == [(20, 23, 3), (20, 23, 3)]
    assert all(np.allclose(255 * one, np.rint(255 * one), atol=1e-4) and one.max() <= 1 for one in seen)
    three, two = "super-resolution x3", "super-resolution x2"
    assert {(score.model, score.task, score.width, score.height) for score in scores} >= {
        ("same", three, 69, 60), (BICUBIC, three, 69, 60), ("other", two, 70, 60), (BICUBIC, two, 70, 60),
    }  # fmt: skip
    by_place = {(score.model, score.task, score.image): score for score in scores}
    for (model, task, image), score in by_place.items():
        assert score.psnr_db == pytest.approx(by_place[BICUBIC, task, image].psnr_db, abs=1e-3)
        assert (score.seconds is None) == (model == BICUBIC) and score.sigma is None


def test_the_border_and_the_colour_do_not_count(images: ImageSet) -> None:
    clean = np.asarray(Image.open(images.files[0]))

    def changed(small: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        output = (clean[:60, :69] / 255).astype(np.float32)
        # As much brightness from red as is taken from blue.
        output += np.array([24.966, 0, -65.481], np.float32) / 1000
        output[:3] = output[-3:] = output[:, :3] = output[:, -3:] = 0.5
        return output

    [score] = [
        score
        for score in measure_enlarging(
            [method("changed", changed)], ImageSet(name="one", files=images.files[:1], warnings=())
        )
        if score.model == "changed"
    ]
    assert score.psnr_db > 90 and score.ssim > 0.9999


def test_grey_and_colour_have_one_brightness() -> None:
    grey = np.arange(0, 256, 5).astype(np.uint8).reshape(4, 13)
    np.testing.assert_allclose(luma(grey), luma(np.stack([grey] * 3, axis=-1)))
    np.testing.assert_allclose(luma(grey)[0, :2], [16, 16 + 5 * 219 / 255])


def test_a_picture_too_small_for_a_scale_is_left_out(images: ImageSet, tmp_path: Path) -> None:
    Image.new("RGB", (60, 18)).save(tmp_path / "flat.png")
    warnings: list[str] = []
    together = ImageSet(name="three", files=(*images.files, tmp_path / "flat.png"), warnings=())
    scores = measure_enlarging([method("same", as_bicubic(4), scale=4)], together, warn=warnings.append)
    assert len(scores) == 4
    assert warnings == [f"{tmp_path / 'flat.png'}: 60x16 is smaller than 19x19, which x4 needs, skipped"]


@pytest.mark.slow
def test_a_session_scores_models_that_enlarge_beside_bicubic(
    tiny: Callable[..., Path], models: dict[str, Path], images: ImageSet, tmp_path: Path
) -> None:
    blind: dict[str, Any] = {"conditioned": False, "sigma_range": None}
    larger = tiny(tmp_path / "larger.onnx", channels=3, scale=2, **blind)
    told = tiny(tmp_path / "told.onnx", channels=3, scale=2)
    notes: list[str] = []
    settings = BenchSettings(
        models=(str(larger), str(told), str(models["gray"])),
        quality=QualitySettings(data=str(images.files[0].parent / "?.png"), sigmas=(30.0,)),
        sizes=(Size(width=32, height=24),),
        rounds=Rounds.at_least(1),
        out=tmp_path / "out",
    )
    listener = Listener(note=notes.append, begin=lambda *_: None, step=lambda: None)
    outcome = run_bench(settings, listener)
    assert "note: told enlarges and takes a noise level: its latency is measured, its quality is not" in notes
    scored = [entry for entry in outcome.results.entries if entry.ssim is not None]
    found = {(entry.model, entry.task, entry.protocol, entry.sigma) for entry in scored}
    assert found == {
        ("noisy input", "denoise", "standard", 30.0),
        ("gray", "denoise", "standard", 30.0),
        (BICUBIC, "super-resolution x2", "sr-y", None),
        ("larger", "super-resolution x2", "sr-y", None),
    }
    small, clean = small_and_clean(np.asarray(Image.open(images.files[0])), 2)
    border = (slice(2, -2),) * 2
    expected = psnr_db(luma(enlarged(small, 2))[border], luma(clean)[border])
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    [bicubic] = [entry for entry in document["entries"] if entry["model"] == BICUBIC]
    assert bicubic["num_images"] == 2 and bicubic["psnr_db"] == pytest.approx(expected, abs=1.0)
    table = results_table(outcome.results)
    assert "super-resolution x2" in table and "sr-y protocol" in table
    assert (tmp_path / "out" / "tradeoff-super-resolution-x2.png") in outcome.files
    assert "Super-resolution, bicubic, Y" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
