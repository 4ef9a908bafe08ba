"""How much of a network's change a picture gets: strength, chroma, and a measured level times a factor."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime import Denoiser, denoise_command
from hinas.runtime.amount import Amount
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.denoise_request import Request
from hinas.runtime.files import huge_tiff
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

Models = dict[str, Path]
WEIGHTS = np.array([0.299, 0.587, 0.114])


def noisy(shape: tuple[int, ...], dtype: Any = np.float32, *, sigma: float = 25, seed: int = 0) -> np.ndarray:
    values = 0.5 + sigma / 255 * np.random.default_rng(seed).standard_normal(shape)
    if dtype == np.float32:
        return values.astype(dtype)
    return np.rint(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def white_of(dtype: Any) -> float:
    return 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)


def load(model: Path, **options: Any) -> Denoiser:
    return Denoiser.load(model, "cpu", threads=1, **options)


@given(strength=st.floats(0, 1, width=32), dtype=st.sampled_from([np.uint8, np.uint16, np.float32]))
@settings(max_examples=15, deadline=None)
def test_up_to_1_is_the_mixture_bit_for_bit(models: Models, strength: float, dtype: Any) -> None:
    """1 is the network's own answer, without a difference in any bit."""
    image = noisy((13, 17, 3), dtype)
    window = np.moveaxis(np.divide(image, np.float32(white_of(dtype)), dtype=np.float32), 2, 0)[np.newaxis]
    answer = OnnxRuntimeCpu(models["color1"], threads=1).run(window, np.full(1, 25, np.float32))

    def pixels(values: np.ndarray) -> np.ndarray:
        values = np.moveaxis(values[0], 0, 2)
        white = white_of(dtype)
        return values if dtype == np.float32 else np.clip(np.rint(values * np.float32(white)), 0, white).astype(dtype)

    denoiser = load(models["color1"])
    mixture = window + np.float32(strength) * (answer - window)
    if strength < 1:
        assert np.array_equal(denoiser(image, sigma=25, strength=strength), pixels(mixture))
    assert np.array_equal(denoiser(image, sigma=25, strength=1, chroma=1), pixels(answer))
    assert np.array_equal(denoiser(image, sigma=25), pixels(answer))


@given(factor=st.floats(1, 4))
@settings(max_examples=8, deadline=None)
def test_above_1_the_network_is_told_more_noise(models: Models, factor: float) -> None:
    image, denoiser = noisy((40, 50, 3), np.uint16, sigma=15), load(models["color"], tile=20)
    assert np.array_equal(denoiser(image, sigma=18, strength=factor), denoiser(image, sigma=18 * factor))
    estimate = denoiser.noise_level(image).estimate
    assert estimate is not None and 10 < estimate < 18
    assert np.array_equal(denoiser(image, strength=factor), denoiser(image, sigma=estimate * factor))


def test_the_models_range_cuts_it_off_and_a_note_says_so(models: Models) -> None:
    image, denoiser = noisy((64, 64), sigma=8), load(models["narrow"])
    with pytest.warns(
        UserWarning, match=r"^sigma is 8 grey levels, times 2 is 16\.0, .* trained for 5 to 10; using 10"
    ):
        assert np.array_equal(denoiser(image, sigma=8, strength=2), denoiser(image, sigma=10))
    with pytest.warns(UserWarning, match=r"is estimated at [78]\.\d grey levels, times 4 is [23]\d\.\d, .*; using 10"):
        assert np.array_equal(denoiser(image, strength=4), denoiser(image, sigma=10))
    low = denoiser.noise_level(image, factor=0.25)
    assert low.sigma == 5
    assert low.range_note is not None and "times 0.25 is" in low.range_note
    assert denoiser.noise_level(image, 8, factor=1.25).range_note is None


def test_a_level_outside_the_range_is_a_mistake_whatever_the_strength(models: Models) -> None:
    with pytest.raises(UserError, match="sigma is 76; this model was trained for 0 to 75 grey levels"):
        load(models["gray"])(noisy((9, 9)), sigma=76, strength=2)


def test_a_picture_without_noise_stays_as_it_is(models: Models) -> None:
    image = np.full((64, 64), 99, np.uint8)
    assert np.array_equal(load(models["narrow"])(image, strength=3), image)
    assert np.array_equal(load(models["gray"])(noisy((9, 9)), sigma=0, strength=3), noisy((9, 9)))


@pytest.mark.parametrize("name", ["single", "blind"])
def test_a_model_without_a_level_says_what_to_do(models: Models, name: str) -> None:
    denoiser, image = load(models[name]), noisy((9, 9, 3) if name == "blind" else (9, 9))
    words = "strength is 2, but this model takes no noise level .* use a strength of at most 1, or a model that takes"
    with pytest.raises(UserError, match=words):
        denoiser(image, strength=2)
    with pytest.raises(UserError, match=r"sigma is to be multiplied by 1\.5, but .* no noise level; leave sigma out"):
        denoiser.noise_level(image, factor=1.5)


@pytest.mark.parametrize("value", [-0.1, 4.1, float("nan"), float("inf")])
@pytest.mark.parametrize(("name", "most"), [("strength", 4), ("chroma", 2)])
def test_numbers_that_are_not_allowed(models: Models, name: str, most: int, value: float) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(UserError, match=rf"{name} is .*; allowed: a number from 0 to {most}"):
        load(models["gray"])(noisy((9, 9)), sigma=25, **options)


@given(
    strength=st.floats(0, 1),
    chroma=st.floats(0, 2),
    tile=st.integers(4, 40),
    ensemble=st.booleans(),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
@settings(max_examples=40, deadline=None)
def test_chroma_multiplies_what_luma_leaves_of_the_change(
    models: Models, strength: float, chroma: float, tile: int, ensemble: bool, dtype: Any
) -> None:
    """In tiles, with the ensemble, and in every depth."""
    image, denoiser = noisy((23, 31, 3), dtype), load(models["color"], tile=tile, ensemble=ensemble)
    white = white_of(dtype)
    values = np.divide(image, np.float32(white), dtype=np.float32)
    change = denoiser(values, sigma=25).astype(np.float64) - values
    luma = (change @ WEIGHTS)[:, :, np.newaxis]
    expected = values + strength * (luma + chroma * (change - luma))
    result = denoiser(image, sigma=25, strength=strength, chroma=chroma) / white
    if dtype == np.float32:
        assert np.abs(result - expected).max() < 2e-6
    else:
        assert np.abs(result - expected.clip(0, 1)).max() < 0.5 / white + 2e-6


@pytest.mark.parametrize(("dtype", "rounding"), [(np.uint8, 1), (np.uint16, 1), (np.float32, 1e-6)])
def test_chroma_0_leaves_the_colours_and_takes_the_same_luma(models: Models, dtype: Any, rounding: float) -> None:
    image, denoiser = noisy((40, 50, 3), dtype, sigma=12), load(models["color"], tile=24)
    kept, whole = (denoiser(image, sigma=25, chroma=chroma).astype(np.float64) for chroma in (0, 1))
    for channel in (0, 1):
        was = image[:, :, channel].astype(np.float64) - image[:, :, 2]
        assert np.abs(kept[:, :, channel] - kept[:, :, 2] - was).max() <= rounding
    is_clipped = (np.minimum(kept, whole).min(axis=2) <= 0) | (np.maximum(kept, whole).max(axis=2) >= white_of(dtype))
    assert is_clipped.mean() < 0.2
    assert np.abs((kept - whole) @ WEIGHTS)[~is_clipped].max() <= rounding
    assert np.abs((kept - image) @ WEIGHTS).max() > 10 * rounding
    grey = np.dstack([noisy((20, 20), dtype)] * 3)
    assert np.ptp(denoiser(grey, sigma=25, chroma=0), axis=2).max() <= (0 if dtype != np.float32 else rounding)


@pytest.mark.parametrize(("name", "shape"), [("gray", (21, 30)), ("color", (21, 30)), ("color", (21, 30, 1))])
def test_grey_pictures_have_no_colours_to_change(models: Models, name: str, shape: tuple[int, ...]) -> None:
    image, denoiser = noisy(shape), load(models[name])
    assert np.array_equal(denoiser(image, sigma=25, chroma=0), denoiser(image, sigma=25))
    half = denoiser(image, sigma=25, strength=0.5)
    assert np.array_equal(denoiser(image, sigma=25, strength=0.5, chroma=2), half)


def test_blended_tiles_keep_the_colours_too(tiny: Callable[..., Path], tmp_path: Path) -> None:
    denoiser = load(tiny(tmp_path / "whole.onnx", channels=3, tiling="approximate"), tile=20)
    image = noisy((50, 60, 3))
    with pytest.warns(UserWarning, match="blended"):
        kept = denoiser(image, sigma=25, chroma=0)
    assert np.abs((kept - image) - (kept - image)[:, :, :1]).max() < 1e-6
    assert np.abs(kept - image).max() > 0.01


def test_a_model_that_enlarges_takes_more_strength_and_no_chroma(tiny: Callable[..., Path], tmp_path: Path) -> None:
    denoiser, image = load(tiny(tmp_path / "twice.onnx", channels=3, scale=2)), noisy((9, 8, 3))
    words = "chroma is 0, but this model enlarges pictures 2 times: .* leave chroma out"
    with pytest.raises(UserError, match=words):
        denoiser(image, sigma=25, chroma=0)
    assert np.array_equal(denoiser(image, sigma=25, strength=2), denoiser(image, sigma=50))


def run(source: Path, target: Path, model: Path, **options: Any) -> None:
    request = Request(source=source, target=target, model=str(model), threads=1, **options)
    denoise_files(request, Reporter(quiet=True, json=True))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_in_bands_the_pixels_are_those_in_memory(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dtype: Any
) -> None:
    tifffile.imwrite(tmp_path / "in.tif", noisy((75, 61, 3), dtype, sigma=15), photometric="rgb", rowsperstrip=7)
    options: dict[str, Any] = {"amount": Amount(strength=1.5, chroma=0.3), "sigma_factor": 1.2, "tile": 24}
    run(tmp_path / "in.tif", tmp_path / "memory.tif", models["color"], **options)
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    run(tmp_path / "in.tif", tmp_path / "bands.tif", models["color"], **options)
    whole, bands = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert whole["sigma"] == bands["sigma"] == pytest.approx(1.8 * bands["sigma_estimate"])
    assert "bands" in bands["notes"][0]
    assert np.array_equal(tifffile.imread(tmp_path / "bands.tif"), tifffile.imread(tmp_path / "memory.tif"))


def test_the_command_multiplies_once(models: Models, tmp_path: Path) -> None:
    image = noisy((60, 70, 3), np.uint8, sigma=10)
    Image.fromarray(image).save(tmp_path / "in.png")
    arguments = ["in.png", "out.png", "--model", str(models["color"]), "--sigma", "auto*1.5", "--strength", "2"]
    command = [sys.executable, "-m", "hinas.runtime.denoise_command", *arguments, "--chroma", "0.5"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    denoiser = load(models["color"])
    estimate = denoiser.noise_level(image).estimate
    assert estimate is not None
    assert f"sigma {3 * estimate:.1f} (estimated, times 3)" in result.stdout
    expected = denoiser(image, sigma=3 * estimate, chroma=0.5)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), expected)


def test_the_command_names_the_range(models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(noisy((64, 64), np.uint8, sigma=8)).save(tmp_path / "in.png")
    run(tmp_path / "in.png", tmp_path / "out.png", models["narrow"], sigma=8.0, amount=Amount(strength=2))
    values = json.loads(capsys.readouterr().out)
    assert values["sigma"] == 10
    assert [note for note in values["notes"] if "sigma is 8 grey levels, times 2 is 16.0" in note]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strength", "5"], "error: strength is 5; allowed: a number from 0 to 4\n"),
        (["--chroma", "3"], "error: chroma is 3; allowed: a number from 0 to 2\n"),
        (["--sigma", "auto*9"], "error: --sigma auto*9: allowed after auto*: a number above 0 and up to 4"),
        (["--sigma", "auto/2"], "error: --sigma auto/2: allowed: auto, or a number"),
    ],
)
def test_mistakes_are_the_runs_and_no_pictures(mistake: Callable[..., str], arguments: list[str], words: str) -> None:
    assert mistake(denoise_command.app, "photos", "clean", *arguments).startswith(words)
