"""The models that ship: exact under tiling on odd sizes, and useful."""

from pathlib import Path

import numpy as np
import pytest
from hinas.bench.quality.task_cases import case_examples
from hinas.runtime import Denoiser
from hinas.runtime.model.bundled_models import MODELS_FOLDER, model_file
from hinas.runtime.model.manifest import ModelManifest
from hinas.search.bicubic import enlarged, reduced
from PIL import Image

NAMES = ["gray", "gray-best", "gray-fast", "color", "color-best", "color-fast", "photo", "photo-fast"]
ENLARGING = {"sr-x2": 2, "sr-x3": 3, "sr-x4": 4}
BLIND = "derain"
CLEAN = Path(__file__).parents[3] / "examples" / "clean.png"


def noisy_picture(name: str, height: int, width: int) -> np.ndarray:
    generator = np.random.default_rng(3)
    rows, columns = np.mgrid[0:height, 0:width]
    clean = 0.5 + 0.3 * np.sin(rows / 17) * np.cos(columns / 23)
    clean = np.dstack([clean, clean**2, 1 - clean]) if not name.startswith("gray") else clean
    return (clean + generator.standard_normal(clean.shape) * 25 / 255).astype(np.float32)


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def whole(name: str) -> np.ndarray:
    return Denoiser.load(name, threads=1, tile=4096)(noisy_picture(name, 301, 531), sigma=25)


def test_the_folder_holds_the_models(name: str) -> None:
    assert (MODELS_FOLDER / f"{name}.onnx").is_file()


@pytest.mark.parametrize("tile", [64, 100, 200])
def test_tiled_equals_whole(name: str, whole: np.ndarray, tile: int) -> None:
    image = noisy_picture(name, 301, 531)
    denoiser = Denoiser.load(name, threads=1, tile=tile)
    assert len(denoiser.plan_for(image)) > 1
    tiled = denoiser(image, sigma=25)
    assert np.abs(tiled - whole).max() < 1e-5
    same = np.rint(tiled.clip(0, 1) * 255) == np.rint(whole.clip(0, 1) * 255)
    # A value within 1e-5 of a half may round to either side.
    near_half = np.abs(whole * 255 % 1 - 0.5) < 1e-5 * 255
    assert (same | near_half).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (47, 91)])
def test_tiny_and_odd_sizes(name: str, size: tuple[int, int]) -> None:
    image = noisy_picture(name, *size)
    result = Denoiser.load(name, threads=1)(image, sigma=25)
    assert result.shape == image.shape
    assert np.isfinite(result).all()


def test_noise_goes_down_by_far(name: str, whole: np.ndarray) -> None:
    noisy = noisy_picture(name, 301, 531)
    rows, columns = np.mgrid[0:301, 0:531]
    clean = 0.5 + 0.3 * np.sin(rows / 17) * np.cos(columns / 23)
    clean = np.dstack([clean, clean**2, 1 - clean]) if not name.startswith("gray") else clean
    assert np.mean((whole - clean) ** 2) < 0.1 * np.mean((noisy - clean) ** 2)


def test_the_manifest_is_that_of_a_finished_model(name: str) -> None:
    manifest: ModelManifest = Denoiser.load(name, threads=1).manifest
    assert manifest.channels == (1 if name.startswith("gray") else 3)
    assert manifest.weights == "trained"
    assert manifest.tiling == "exact"
    assert manifest.conditioned


def test_no_other_model_lies_in_the_folder() -> None:
    in_int8 = {f"{name}.{target}.int8" for name in NAMES for target in ("ort", "openvino")}
    assert {Path(file).stem for file in MODELS_FOLDER.glob("*.onnx")} == {*NAMES, *ENLARGING, BLIND, *in_int8}


@pytest.mark.parametrize(("name", "scale"), ENLARGING.items())
def test_pictures_are_enlarged_better_than_by_bicubic_and_the_same_in_tiles(name: str, scale: int) -> None:
    with Image.open(CLEAN) as picture:
        clean = np.asarray(picture, np.float32)[: 48 * scale, 120 : 120 + 60 * scale]
    small = reduced(clean, scale).round().clip(0, 255) / 255
    tiled, whole = (Denoiser.load(name, threads=1, tile=tile)(small.astype(np.float32)) for tile in (32, 4096))
    assert np.abs(tiled - whole).max() < 1e-5
    of_network, of_bicubic = (
        np.mean((result.clip(0, 255) - clean) ** 2) for result in (whole * 255, enlarged(small * 255, scale))
    )
    assert of_network < 0.9 * of_bicubic


@pytest.mark.parametrize(("name", "scale"), ENLARGING.items())
def test_models_that_enlarge_say_so_and_are_small(name: str, scale: int) -> None:
    manifest = Denoiser.load(name, threads=1).manifest
    assert (manifest.scale, manifest.channels, manifest.task) == (scale, 3, "super-resolution")
    assert (manifest.weights, manifest.tiling, manifest.conditioned) == ("trained", "exact", False)
    assert (MODELS_FOLDER / f"{name}.onnx").stat().st_size < 2_000_000


@pytest.fixture(scope="module")
def rainy() -> tuple[np.ndarray, np.ndarray]:
    """(in medium rain, clean): a part of the example."""
    with Image.open(CLEAN) as picture:
        clean = np.asarray(picture.convert("RGB"))[:160, :200]
    *_, (name, example), _ = case_examples("derain", clean, CLEAN)
    assert name == "medium"
    return example.degraded_BCHW[0].transpose(1, 2, 0), example.clean_BCHW[0].transpose(1, 2, 0)


def test_rain_goes_away_and_a_dry_picture_stays(rainy: tuple[np.ndarray, np.ndarray]) -> None:
    in_rain, clean = rainy
    derain = Denoiser.load(BLIND, threads=1)
    assert derain.manifest.task == "derain" and not derain.manifest.conditioned
    before = np.mean((in_rain - clean) ** 2)
    assert np.mean((derain(in_rain) - clean) ** 2) < 0.1 * before
    assert np.mean((derain(clean) - clean) ** 2) < 0.01 * before
    tiled, whole = (Denoiser.load(BLIND, threads=1, tile=tile)(in_rain) for tile in (64, 4096))
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_a_path_means_a_file_before_a_bundled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_file(Path("color")) == model_file("color") == MODELS_FOLDER / "color.onnx"
    Path("color").write_bytes(b"a model of somebody's own")
    assert model_file(Path("color")) == Path("color")
    assert model_file("color") == MODELS_FOLDER / "color.onnx"
