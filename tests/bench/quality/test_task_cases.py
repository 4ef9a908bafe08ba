"""Networks for another task than white noise and larger pictures, scored on the cases of their task."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hinas.bench.bench_settings import BenchSettings, QualitySettings
from hinas.bench.devices.environment import describe_machine
from hinas.bench.latency.measure_latency import Rounds
from hinas.bench.latency.progress import Listener
from hinas.bench.latency.timed_method import Size
from hinas.bench.methods import session_methods as session_methods_module
from hinas.bench.methods.open_networks import Variants
from hinas.bench.methods.session_methods import scored_methods, session_methods
from hinas.bench.quality.clean_images import ImageSet, clean_pixels
from hinas.bench.quality.measure_quality import NOISY_INPUT, Denoise, ScoredMethod
from hinas.bench.quality.psnr_ssim import psnr_db
from hinas.bench.quality.task_cases import case_examples, measure_task_cases
from hinas.bench.session import run_bench
from hinas.search.tasks.interface import TaskOptions
from hinas.search.tasks.registry import configured_task, task_names
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """Two colour pictures with waves."""
    files = (tmp_path / "a.png", tmp_path / "b.png")
    for index, file in enumerate(files):
        rows, columns = np.mgrid[:41, : 50 + index]
        waves = [127 + 90 * np.sin((rows + turn * columns) / 4) for turn in (0, 1, 2)]
        Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8)).save(file)
    return ImageSet(name="two", files=files, warnings=())


def _method(name: str, task: str, denoise: Denoise, channels: int = 3) -> ScoredMethod:
    facts = {"model": name, "channels": channels, "source": "a test"}
    return ScoredMethod(name=name, channels=channels, sigma_range=None, denoise=denoise, task=task, facts=facts)


def _unchanged(picture: NDArray[np.float32], _: float) -> NDArray[np.float32]:
    return picture


@pytest.mark.parametrize("task", [name for name in task_names() if name not in ("denoise", "super-resolution")])
def test_every_case_is_scored_and_doing_nothing_is_the_baseline(task: str, images: ImageSet) -> None:
    channels = 4 if task == "raw" else 3
    scores = measure_task_cases([_method("same", task, _unchanged, channels)], images)
    cases = {f"{task} {case.name}" for case in configured_task(task, TaskOptions()).cases}
    expected = {(case, "task cases") for case in cases}
    if channels == 3:
        expected |= {(f"{case}, brightness", "task cases, brightness") for case in cases}
    by_place = {(score.model, score.task, score.protocol, score.image): score for score in scores}
    assert len(by_place) == len(scores) == 2 * len(expected) * len(images.files)
    assert {(score.task, score.protocol) for score in scores} == expected
    for (model, case, protocol, image), score in by_place.items():
        assert score.psnr_db == by_place[NOISY_INPUT, case, protocol, image].psnr_db < 60
        assert (score.seconds is None) == (model == NOISY_INPUT) and score.sigma is None and score.channels == channels
    again = measure_task_cases([_method("same", task, _unchanged, channels)], images)
    assert [dataclasses.replace(one, seconds=None) for one in again] == [
        dataclasses.replace(one, seconds=None) for one in scores
    ]


def test_a_score_is_that_of_the_output_against_the_clean_picture(images: ImageSet) -> None:
    def darker(picture: NDArray[np.float32], _: float) -> NDArray[np.float32]:
        return picture * np.float32(0.9)

    file = images.files[0]
    one = ImageSet(name="one", files=(file,), warnings=())
    found = {score.task: score for score in measure_task_cases([_method("darker", "derain", darker)], one)
             if (score.model, score.protocol) == ("darker", "task cases")}  # fmt: skip
    for case, example in case_examples("derain", clean_pixels(file, 3), "elsewhere/a.jpg"):
        output = 229.5 * example.degraded_BCHW[0].transpose(1, 2, 0)
        assert found[f"derain {case}"].psnr_db == pytest.approx(psnr_db(output, clean_pixels(file, 3)), abs=1e-3)


def test_a_network_is_told_the_strength_that_its_task_states(images: ImageSet) -> None:
    told: list[float] = []

    def watched(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        told.append(sigma)
        return picture

    measure_task_cases([_method("watched", "camera", watched)], images)
    assert len(told) == 6 and told[0] < told[1] < told[2]


def test_a_picture_too_small_is_left_out(images: ImageSet, tmp_path: Path) -> None:
    Image.new("RGB", (60, 18)).save(tmp_path / "flat.png")
    warnings: list[str] = []
    together = ImageSet(name="three", files=(*images.files, tmp_path / "flat.png"), warnings=())
    scores = measure_task_cases([_method("same", "derain", _unchanged)], together, warn=warnings.append)
    assert len({score.image for score in scores}) == 2
    assert warnings == [f"{tmp_path / 'flat.png'}: 60x18 is smaller than 22x22, skipped"]


def test_a_session_scores_each_model_on_what_it_is_for(
    tiny: Callable[..., Path], models: dict[str, Path], images: ImageSet, tmp_path: Path
) -> None:
    raw = tiny(tmp_path / "mosaic.onnx", channels=4, conditioned=False, sigma_range=None)
    settings = BenchSettings(
        models=(str(raw), str(models["color"])), sizes=(Size(width=32, height=32),), threads=1,
        rounds=Rounds(fewest=1, seconds=0.01), out=tmp_path / "out",
        quality=QualitySettings(data=str(tmp_path), limit=1, sigmas=(30.0,)),
    )  # fmt: skip
    run_bench(settings, Listener())
    entries = json.loads((tmp_path / "out" / "results.json").read_text())["entries"]
    assert {(entry["model"], entry["task"]) for entry in entries if entry.get("protocol") == "task cases"} == {
        (name, f"raw ISO {iso}") for name in ("mosaic", NOISY_INPUT) for iso in (400, 1600, 6400)
    }
    assert {entry["model"] for entry in entries if entry.get("protocol") == "standard"} == {"color", NOISY_INPUT}


def _notes_of(task: str, models: dict[str, Path], folder: Path) -> list[str]:
    """What a session says of a network for `task` beside a denoiser, which alone is scored."""
    found = session_methods(
        [str(models["gray"])], None, {}, sizes=[Size(width=32, height=32)], variants=Variants(), folder=folder,
        note=lambda _: None,
    )  # fmt: skip
    [network] = found.networks
    other = _method("other", task, _unchanged)
    stand_in = SimpleNamespace(name="other", task=task, manifest=network.manifest, scored=lambda _: other)
    notes: list[str] = []
    given: Any = dataclasses.replace(found, networks=(network, stand_in))
    scored = scored_methods(given, (), sigmas=(30,), machine=describe_machine(), threads=1, note=notes.append)
    assert [method.name for method in scored] == ["gray"]
    return notes


def test_a_task_that_nobody_knows_is_timed_and_not_scored(models: dict[str, Path], tmp_path: Path) -> None:
    assert _notes_of("later", models, tmp_path) == [
        "note: other is for later: its latency is measured, its quality is not"
    ]


def test_without_pytorch_a_task_is_timed_and_not_scored(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_methods_module, "find_spec", lambda _: None)
    [note] = _notes_of("derain", models, tmp_path)
    assert note.startswith("note: other is for derain: its quality is measured where PyTorch is installed: pip install")
