"""The denoiser: exactness under tiling, types and shapes, noise levels, failures of the backend at every tile."""

import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.backends.backend import Backend
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.backends.open_backend import twin_in_fp32
from hinas.runtime.model.manifest import ModelManifest
from hinas.runtime.tiling.window_limits import OutOfMemoryError
from hypothesis import given, settings
from hypothesis import strategies as st

Models = dict[str, Path]


def random_image(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if dtype == np.float32:
        return generator.random(shape, np.float32)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def load(model: Path, **options: Any) -> Denoiser:
    return Denoiser.load(model, threads=1, **options)


@pytest.mark.parametrize("name", ["gray", "color", "gray1", "color1"])
@given(height=st.integers(1, 90), width=st.integers(1, 90), tile=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_any_tile_gives_the_whole_images_result(models: Models, name: str, height: int, width: int, tile: int) -> None:
    image = random_image((height, width, 3) if "color" in name else (height, width), np.float32, height * 91 + width)
    whole = load(models[name], tile=1000)(image, sigma=25)
    assert np.abs(load(models[name], tile=tile)(image, sigma=25) - whole).max() < 1e-5
    assert not np.array_equal(whole, image)


def test_the_same_plan_gives_the_same_bits(models: Models) -> None:
    image = random_image((61, 83), np.float32)
    denoiser = load(models["gray"], tile=20)
    assert np.array_equal(denoiser(image, sigma=25), load(models["gray"], tile=20)(image, sigma=25))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (9, 8), (9, 8, 1), (9, 8, 3), (1, 1, 3)])
def test_shape_and_dtype_stay(models: Models, shape: tuple[int, ...], dtype: Any) -> None:
    image = random_image(shape, dtype)
    result = load(models["color"])(image, sigma=25)
    assert result.shape == image.shape
    assert result.dtype == image.dtype


def test_the_three_depths_agree(models: Models) -> None:
    image = random_image((30, 40), np.uint8)
    denoiser = load(models["gray"])
    as_float = denoiser(image.astype(np.float32) / np.float32(255), sigma=25)
    expected = np.clip(as_float, 0, 1)
    assert np.abs(denoiser(image, sigma=25) / 255 - expected).max() <= 0.5 / 255 + 1e-6
    assert np.abs(denoiser(image.astype(np.uint16) * 257, sigma=25) / 65535 - expected).max() <= 0.5 / 65535 + 1e-6


def test_float_is_neither_rounded_nor_clipped(models: Models) -> None:
    result = load(models["gray1"])(np.full((20, 20), 1.5, np.float32), sigma=75)
    assert result.max() > 1
    assert len(np.unique(result * 255 % 1)) > 5


def test_views_are_denoised_like_copies(models: Models) -> None:
    image = random_image((40, 31, 3), np.uint8)
    denoiser = load(models["color"])
    assert np.array_equal(denoiser(image[::-1, ::2], sigma=25), denoiser(image[::-1, ::2].copy(), sigma=25))


def test_a_grey_image_through_a_colour_model_is_the_average_of_three_equal_channels(models: Models) -> None:
    image = random_image((21, 33), np.float32)
    denoiser = load(models["color"], tile=10)
    colour = denoiser(np.dstack([image] * 3), sigma=25)
    assert np.allclose(denoiser(image, sigma=25), colour.mean(axis=2), atol=1e-6)


def test_a_colour_image_through_a_grey_model_is_refused(models: Models) -> None:
    with pytest.raises(UserError, match="use the model 'color'"):
        load(models["gray"])(random_image((8, 8, 3), np.uint8))


@pytest.mark.parametrize("name", ["gray", "single"])
def test_sigma_zero_is_a_copy_bit_for_bit(models: Models, name: str) -> None:
    image = random_image((17, 5), np.uint16)
    result = load(models[name])(image, sigma=0)
    assert np.array_equal(result, image)
    assert not np.shares_memory(result, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_strength_mixes_before_rounding(models: Models, dtype: Any) -> None:
    image = random_image((37, 45), dtype)
    denoiser = load(models["gray"], tile=20)
    assert np.array_equal(denoiser(image, sigma=25, strength=0), image)
    assert np.array_equal(denoiser(image, sigma=25, strength=1), denoiser(image, sigma=25))
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    values = image.astype(np.float32) / np.float32(white)
    expected = values + np.float32(0.3) * (denoiser(values, sigma=25) - values)
    expected = expected if dtype == np.float32 else np.clip(np.rint(expected * white), 0, white)
    assert np.abs(denoiser(image, sigma=25, strength=0.3).astype(np.float64) - expected).max() <= 1e-6 * white


def test_sigma_reaches_the_network(models: Models) -> None:
    image = random_image((16, 16), np.float32)
    denoiser = load(models["gray"])
    assert np.allclose(denoiser(image, sigma=60) - denoiser(image, sigma=9), 51 / 2550, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sigma", "words"),
    [
        ("gray", 76, "sigma is 76; this model was trained for 0 to 75 grey levels"),
        ("gray", -1, "sigma is -1; allowed: a number of at least 0"),
        ("gray", float("nan"), "sigma is nan; allowed"),
        ("single", 50, "sigma is 50; this model was trained for 30 alone"),
        ("blind", 50, "sigma is 50, but this model takes no noise level"),
    ],
)
def test_a_level_that_the_model_cannot_take(models: Models, name: str, sigma: float, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(models[name])(random_image((8, 8), np.uint8), sigma=sigma)


def test_a_model_for_one_level_takes_that_level_or_none(models: Models) -> None:
    image = random_image((9, 9), np.uint8)
    denoiser = load(models["single"])
    assert np.array_equal(denoiser(image, sigma=30), denoiser(image))


def test_an_estimate_beyond_the_range_is_moved_into_it_and_said(models: Models) -> None:
    denoiser = load(models["narrow"])
    generator = np.random.default_rng(0)
    image = np.float32(0.5) + generator.standard_normal((64, 64), np.float32) * np.float32(40 / 255)
    with pytest.warns(UserWarning, match=r"estimated at (39|40|41)\.\d grey levels, .* 5 to 10; using 10"):
        result = denoiser(image)
    assert np.array_equal(result, denoiser(image, sigma=10))


def test_a_picture_without_noise_is_left_as_it_is(models: Models) -> None:
    image = np.full((64, 64), 99, np.uint8)
    assert np.array_equal(load(models["gray"])(image), image)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ([[1, 2]], "is a list; expected a NumPy array"),
        (np.zeros((4, 4)), "values are float64; expected uint8, uint16, or float32"),
        (np.zeros((4, 4, 4), np.uint8), "has 4 channels, but the model is for pictures"),
        (np.zeros((0, 4), np.uint8), "it has no pixels"),
        (np.full((4, 4), np.nan, np.float32), r"not finite \(NaN or infinity\); expected 0\.\.1"),
    ],
)
def test_images_of_the_wrong_kind(models: Models, image: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(models["gray"])(image)


@pytest.mark.parametrize("sigma", ["auto", "20", [20]])
def test_a_level_that_is_no_number(models: Models, sigma: Any) -> None:
    with pytest.raises(UserError, match=r"expected a number in grey levels 0\.\.255, or None, which measures it"):
        load(models["gray"])(random_image((20, 20), np.uint8), sigma=sigma)
    with pytest.raises(UserError, match="strength is 'much'; allowed: a number from 0 to 4"):
        load(models["gray"])(random_image((20, 20), np.uint8), sigma=20, strength="much")  # pyright: ignore[reportArgumentType]


def test_float_pixels_that_look_like_grey_levels_are_said(models: Models) -> None:
    image = random_image((20, 20), np.uint8).astype(np.float32)
    with pytest.warns(UserWarning, match="reach 25., but white is 1; divide grey levels by 255"):
        load(models["gray"])(image, sigma=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Lights beyond white are no reason.
        image[:2] *= 10
        load(models["gray"])(image / np.float32(255), sigma=20)


def test_an_output_that_is_not_finite_names_the_tile(models: Models) -> None:
    with pytest.raises(UserError, match=r"tile 1 of 9 \(rows 0 to 13, columns 0 to 13\): the model's output is not"):
        load(models["infinite"], tile=10)(random_image((30, 30), np.uint8), sigma=25)


def test_progress_counts_every_tile(models: Models) -> None:
    seen: list[tuple[int, int]] = []
    denoiser = load(models["gray"], tile=16)
    image = random_image((50, 40), np.uint8)
    denoiser(image, sigma=25, progress=lambda done, total: seen.append((done, total)))
    total = len(denoiser.plan_for(image))
    assert total > 4
    assert seen == [(index + 1, total) for index in range(total)]


class FailingBackend(Backend):
    """The CPU backend, except that run number `fails_at` runs out of memory."""

    def __init__(self, inner: OnnxRuntimeCpu, fails_at: int) -> None:
        self._inner = inner
        self._fails_at = fails_at
        self.windows: list[tuple[int, ...]] = []
        self.num_released = 0

    @property
    def manifest(self) -> ModelManifest:
        return self._inner.manifest

    @property
    def description(self) -> str:
        return "failing"

    def run(self, noisy_BCHW: Any, sigma_B: Any) -> Any:
        self.windows.append(noisy_BCHW.shape[2:])
        if len(self.windows) - 1 == self._fails_at:
            raise OutOfMemoryError("injected")
        return self._inner.run(noisy_BCHW, sigma_B)

    def bytes_per_pixel(self) -> int:
        return 100

    def release_memory(self) -> None:
        self.num_released += 1


@pytest.mark.parametrize("name", ["gray", "color"])
def test_running_out_of_memory_at_any_tile_keeps_what_is_done(models: Models, name: str) -> None:
    shape = (130, 150) if name == "gray" else (61, 70, 3)
    tile = 50 if name == "gray" else 20
    image = random_image(shape, np.float32)
    inner = OnnxRuntimeCpu(models[name], threads=1)
    whole = Denoiser(inner)(image, sigma=25)
    num_tiles = len(Denoiser(inner, tile=tile).plan_for(image))
    assert num_tiles >= 6
    for index in range(num_tiles):
        backend = FailingBackend(inner, index)
        with pytest.warns(UserWarning, match="out of memory; going on with smaller windows"):
            result = Denoiser(backend, tile=tile)(image, sigma=25)
        assert np.abs(result - whole).max() < 1e-5
        # Each tile before the failure ran once; the failed one and all later ones in smaller windows.
        failed = backend.windows[index]
        assert all(math.prod(window) < math.prod(failed) for window in backend.windows[index + 1 :])
        assert len(backend.windows) - index - 1 >= 2 * (num_tiles - index)
        assert backend.num_released == 2


def test_memory_that_never_suffices_is_said(models: Models) -> None:
    class AlwaysFailing(FailingBackend):
        def run(self, noisy_BCHW: Any, sigma_B: Any) -> Any:
            raise OutOfMemoryError("injected")

    backend = AlwaysFailing(OnnxRuntimeCpu(models["gray"], threads=1), 0)
    with warnings.catch_warnings(), pytest.raises(UserError, match="out of memory even with the smallest tiles"):
        warnings.simplefilter("ignore")
        Denoiser(backend)(random_image((200, 200), np.uint8), sigma=25)


class Overflowing(FailingBackend):
    """Computes in bf16, and gives one infinity in run number `fails_at`."""

    @property
    def manifest(self) -> ModelManifest:
        return dataclasses.replace(self._inner.manifest, precision="bf16")

    def run(self, noisy_BCHW: Any, sigma_B: Any) -> Any:
        self.windows.append(noisy_BCHW.shape[2:])
        result = np.array(self._inner.run(noisy_BCHW, sigma_B))
        if len(self.windows) - 1 == self._fails_at:
            result[0, 0, 3, 3] = np.inf
        return result


def test_a_window_that_is_not_finite_is_run_again_in_fp32_and_the_person_told(models: Models) -> None:
    image = random_image((61, 83), np.uint8)
    inner = OnnxRuntimeCpu(models["gray"], threads=1)
    expected = Denoiser(inner, tile=20)(image, sigma=25)
    for index in range(len(Denoiser(inner, tile=20).plan_for(image))):
        denoiser = Denoiser(Overflowing(inner, index), tile=20, in_fp32=lambda: inner)
        with pytest.warns(UserWarning, match="not finite in bf16 for one window; it was run again in fp32"):
            assert np.array_equal(denoiser(image, sigma=25), expected)
    with pytest.raises(UserError, match=r"tile 2 of .*: the model's output is not finite"):
        Denoiser(Overflowing(inner, 1), tile=20)(image, sigma=25)


def test_the_fp32_twin_is_the_same_network_beside_the_file(models: Models, tmp_path: Path) -> None:
    def written(name: str, source: str, **entries: str) -> Path:
        model = onnx.load(models[source])
        for entry in model.metadata_props:
            entry.value = entries.get(entry.key.removeprefix("hinas."), entry.value)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    half = written("half.onnx", "gray", precision="fp16")
    manifest = OnnxRuntimeCpu(half).manifest
    assert twin_in_fp32(half, manifest) is None
    written("a.onnx", "gray", training='{"iterations": 1}')
    written("b.onnx", "gray", precision="int8")
    (tmp_path / "c.onnx").write_bytes(b"damaged")
    assert twin_in_fp32(half, manifest) is None
    whole = written("d.onnx", "gray")
    twin = twin_in_fp32(half, manifest)
    assert twin is not None and twin.manifest == OnnxRuntimeCpu(whole).manifest
    assert twin_in_fp32(whole, twin.manifest) is None


def test_an_approximate_model_runs_whole_or_blended_with_a_warning(models: Models) -> None:
    image = random_image((60, 70), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = load(models["whole"])(image, sigma=25)
    with pytest.warns(UserWarning, match="blended"):
        tiled = load(models["whole"], tile=20)(image, sigma=25)
    # Tiles differ from the whole in their means alone: a few hundredths.
    assert 1e-4 < np.abs(tiled - whole).max() < 0.2


def test_a_listener_hears_what_else_is_a_warning_at_the_callers_line(models: Models) -> None:
    image = random_image((60, 70), np.float32)
    denoiser, notes = load(models["whole"], tile=20), list[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heard = denoiser(image, sigma=25, listener=notes.append)
    with pytest.warns(UserWarning) as caught:
        assert np.array_equal(denoiser(image, sigma=25), heard)
    assert [str(warning.message) for warning in caught] == notes
    assert [warning.filename for warning in caught] == [__file__]


def test_what_was_noted_before_a_failure_is_still_said(models: Models) -> None:
    backend = FailingBackend(OnnxRuntimeCpu(models["infinite"], threads=1), 0)
    with (
        pytest.warns(UserWarning, match="out of memory; going on with smaller windows"),
        pytest.raises(UserError, match="the model's output is not finite"),
    ):
        Denoiser(backend)(random_image((200, 200), np.uint8), sigma=25)


def test_blending_weights_sum_to_one(models: Models) -> None:
    """On a constant image every tile answers alike away from the borders, so blending must not show."""
    image = np.full((60, 70), 0.5, np.float32)
    whole = load(models["whole"], tile=1000)(image, sigma=25)
    with pytest.warns(UserWarning, match="blended"):
        tiled = load(models["whole"], tile=16)(image, sigma=25)
    assert np.abs(tiled - whole).max() < 1e-5


def test_the_ensemble_of_a_symmetric_picture_is_symmetric(models: Models) -> None:
    quarter = random_image((12, 12), np.float32)
    quarter = quarter + quarter.T
    image = np.block([[quarter, quarter[:, ::-1]], [quarter[::-1], quarter[::-1, ::-1]]])
    plain, mean = (load(models["gray"], ensemble=on)(image, sigma=25) for on in (False, True))
    assert np.allclose(mean, mean[::-1], atol=1e-6)
    assert np.allclose(mean, mean.T, atol=1e-6)
    assert not np.allclose(plain, plain[::-1], atol=1e-3)


def test_the_ensemble_is_exact_under_tiling(models: Models) -> None:
    image = random_image((41, 67), np.float32)
    whole = load(models["gray"], ensemble=True)(image, sigma=25)
    assert np.abs(load(models["gray"], ensemble=True, tile=16)(image, sigma=25) - whole).max() < 1e-5


@pytest.mark.parametrize(("option", "words"), [({"tile": 0}, "tile is 0"), ({"memory_bytes": -5}, "memory is -5")])
def test_senseless_options(models: Models, option: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(models["gray"], **option)
