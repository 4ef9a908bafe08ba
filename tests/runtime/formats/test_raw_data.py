"""Raw data in packed Bayer: files in and out, what is refused, and the average over eight symmetries of a mosaic."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.amount import Amount
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.model.manifest import ModelManifest
from hinas.runtime.tiling.symmetries import SYMMETRIES_OF_PACKED_BAYER, SYMMETRIES_OF_PICTURES
from hinas.runtime.tiling.window_streams import ensemble_of
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
QUIET = Reporter(quiet=True, json=False)


@pytest.fixture(scope="module")
def raw_model(tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blind model of four channels."""
    path = tmp_path_factory.mktemp("raw") / "raw.onnx"
    return tiny(path, channels=4, conditioned=False, sigma_range=None, alignment=2)


@pytest.fixture
def packed(generator: np.random.Generator) -> Array:
    return generator.random((23, 30, 4), np.float32)


def denoised(source: Path, target: Path, model: Path, **options: Any) -> None:
    denoise_files(Request(source=source, target=target, model=str(model), threads=1, **options), QUIET)


# Mosaics


def packed_of(mosaic: Array) -> Array:
    """(1, 4, h, w) of (2h, 2w)."""
    return np.stack([mosaic[row::2, column::2] for row in (0, 1) for column in (0, 1)])[None].astype(np.float32)


def mosaic_of(packed_BCHW: Array) -> Array:
    _, _, height, width = packed_BCHW.shape
    mosaic = np.empty((2 * height, 2 * width), np.float32)
    for channel in range(4):
        mosaic[channel // 2 :: 2, channel % 2 :: 2] = packed_BCHW[0, channel]
    return mosaic


def reference(windows: Iterable[Array]) -> Generator[Array, None, None]:
    """Of each colour of its own another mixture with the red, green and blue within 5x5 pixels around: the same
    however the mosaic is turned, as long as the colours are where they are said to be."""
    for window in windows:
        mosaic = mosaic_of(window)
        rows, columns = np.indices(mosaic.shape) % 2
        number = rows + columns  # 0 red, 1 green, 2 blue
        around = []
        for colour in range(3):
            has = np.pad((number == colour).astype(np.float32), 2, mode="reflect")
            values = np.pad(np.where(number == colour, mosaic, 0), 2, mode="reflect")
            sums = [
                sum(part[i : i + mosaic.shape[0], j : j + mosaic.shape[1]] for i in range(5) for j in range(5))
                for part in (values, has)
            ]
            around.append(sums[0] / sums[1])
        weights = np.array([[0.5, 0.3, -0.2], [0.1, 0.6, 0.25], [-0.4, 0.2, 0.9]], np.float32)
        yield packed_of(sum(weights[number, colour] * around[colour] for colour in range(3)) + 0.1 * mosaic)


def once(network: Any, window: Array) -> Array:
    (result,) = network([window])
    return result


def test_an_equivariant_network_is_unchanged_by_the_ensemble(generator: np.random.Generator) -> None:
    window = packed_of(generator.random((24, 32)))
    straight = once(reference, window)
    averaged = once(ensemble_of(reference, SYMMETRIES_OF_PACKED_BAYER), window)
    # At the borders the moved mosaic ends elsewhere, and its reflection is another.
    inside = np.s_[:, :, 1:-2, 1:-2]
    np.testing.assert_allclose(averaged[inside], straight[inside], atol=1e-5)
    assert np.abs(averaged - straight).max() < 1
    # As symmetries of pictures they would not be: each channel's pixels lie elsewhere within 2x2.
    wrong = once(ensemble_of(reference, SYMMETRIES_OF_PICTURES), window)
    assert np.abs(wrong - straight)[inside].max() > 0.05


def test_every_symmetry_keeps_colours_and_comes_back(generator: np.random.Generator) -> None:
    colours = np.stack([np.full((3, 4), colour, np.float32) for colour in (1, 2, 2, 3)])[None]
    window = generator.random((1, 4, 3, 4)).astype(np.float32)
    for symmetry in SYMMETRIES_OF_PACKED_BAYER:
        turned = symmetry.turned(colours)
        assert (turned == np.array([1, 2, 2, 3]).reshape(1, 4, 1, 1)).all() and turned.flags.c_contiguous
        assert np.array_equal(symmetry.turned_back(symmetry.turned(window), window), window)
    assert len({symmetry.turned(window).tobytes() for symmetry in SYMMETRIES_OF_PACKED_BAYER}) == 7


def test_a_symmetry_is_the_mosaic_mirrored_about_a_pixel(generator: np.random.Generator) -> None:
    mosaic = generator.random((8, 10)).astype(np.float32)
    mirrored = {symmetry.turned(packed_of(mosaic)).tobytes() for symmetry in SYMMETRIES_OF_PACKED_BAYER}
    # Column 8, the last red one, becomes the first; behind column 0 its neighbour, column 1, is reflected.
    assert packed_of(np.pad(mosaic, ((0, 0), (1, 0)), mode="reflect")[:, -2::-1]).tobytes() in mirrored
    assert packed_of(mosaic.T).tobytes() in mirrored


@pytest.mark.parametrize("alignment", [1, 2])
@pytest.mark.parametrize("ensemble", [True, False])
def test_any_tiling_equals_the_whole(
    tiny: Callable[..., Path], tmp_path: Path, alignment: int, ensemble: bool, packed: Array
) -> None:
    model = tiny(tmp_path / "raw.onnx", channels=4, conditioned=False, sigma_range=None, alignment=alignment)
    whole = Denoiser.load(model, "cpu", ensemble=ensemble)(packed)
    for tile in (4, 6, 11):
        tiled = Denoiser.load(model, "cpu", ensemble=ensemble, tile=tile)(packed)
        np.testing.assert_allclose(tiled, whole, atol=2e-6)


# Files


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_an_array_goes_in_and_out(raw_model: Path, tmp_path: Path, packed: Array, dtype: Any) -> None:
    given = packed if dtype == np.float32 else (packed * 65535).astype(np.uint16)
    np.save(tmp_path / "in.npy", given)
    denoised(tmp_path / "in.npy", tmp_path / "out.npy", raw_model)
    written = np.load(tmp_path / "out.npy")
    assert np.array_equal(written, Denoiser.load(raw_model, "cpu", threads=1)(given))
    assert written.dtype == dtype and not np.array_equal(written, given)


LAYOUTS: dict[str, dict[str, Any]] = {
    "four of a kind": {"photometric": "minisblack", "planarconfig": "contig"},
    "planes": {"photometric": "minisblack", "planarconfig": "separate"},
    "RGB and one more": {"photometric": "rgb", "extrasamples": ["unspecified"]},
    "RGB and alpha": {"photometric": "rgb", "extrasamples": ["unassalpha"]},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tiff_of_floats_goes_in_and_out(raw_model: Path, tmp_path: Path, packed: Array, layout: str) -> None:
    stored = np.moveaxis(packed, 2, 0) if layout == "planes" else packed
    tifffile.imwrite(tmp_path / "in.tif", stored, **LAYOUTS[layout])
    denoised(tmp_path / "in.tif", tmp_path / "out.tif", raw_model)
    written = tifffile.imread(tmp_path / "out.tif")
    assert np.array_equal(written, Denoiser.load(raw_model, "cpu", threads=1)(packed))
    pages = [tifffile.TiffFile(tmp_path / name).pages[0] for name in ("in.tif", "out.tif")]
    before, after = ((page.photometric, page.extrasamples, page.dtype) for page in pages)  # pyright: ignore[reportAttributeAccessIssue]
    assert before == after


def test_an_array_becomes_a_tiff_and_a_preview(raw_model: Path, tmp_path: Path, packed: Array) -> None:
    np.save(tmp_path / "in.npy", np.tile(packed, (3, 3, 1)))
    page = tmp_path / "page.html"
    denoised(tmp_path / "in.npy", tmp_path / "out.tif", raw_model, preview=page)
    assert tifffile.imread(tmp_path / "out.tif").shape == (69, 90, 4)
    assert "90x69 packed Bayer 32-bit" in page.read_text(encoding="utf-8")


def test_values_beyond_black_and_white_stay(
    raw_model: Path, tmp_path: Path, packed: Array, capsys: pytest.CaptureFixture[str]
) -> None:
    packed[3, 4] = (-0.25, 0.5, 0.5, 1.75)
    np.save(tmp_path / "in.npy", packed)
    request = Request(source=tmp_path / "in.npy", target=tmp_path / "out.npy", model=str(raw_model), threads=1)
    denoise_files(request, Reporter(quiet=False, json=False))
    within = np.clip(packed, 0, 1)
    expected = Denoiser.load(raw_model, "cpu", threads=1)(within) + (packed - within)
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)
    told = capsys.readouterr().err
    assert told.count("lie outside 0..1 (from -0.25 to 1.75)") == told.count("lie outside") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda packed: packed[:, :, :3],
            "has 3 channels, but the model is for raw data: give packed Bayer of 4, the red",
        ),
        (lambda packed: packed[:, :, 0], "has 1 channel, but the model is for raw data"),
        (lambda packed: np.moveaxis(packed, 2, 0), r"shape \(4, 23, 30\).*move them behind with numpy.moveaxis"),
        (lambda packed: np.where(np.indices(packed.shape)[2] == 3, np.nan, packed), "not finite"),
        (lambda packed: 5 * packed, "outside 0..1.*scale the values first"),
    ],
)
def test_what_is_no_raw_data_is_refused(
    raw_model: Path, tmp_path: Path, packed: Array, change: Callable[[Array], Array], words: str
) -> None:
    np.save(tmp_path / "in.npy", change(packed).astype(np.float32))
    with pytest.raises(UserError, match=words) as refused:
        denoised(tmp_path / "in.npy", tmp_path / "out.npy", raw_model)
    assert "\n" not in str(refused.value) and not (tmp_path / "out.npy").exists()


def test_pictures_are_refused_by_models_for_raw_data(raw_model: Path, tmp_path: Path, packed: Array) -> None:
    pixels = (packed * 255).astype(np.uint8)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "in.png")
    with pytest.raises(UserError, match=r"in\.png: a picture in PNG.*raw data; give packed Bayer as \.npy or TIFF"):
        denoised(tmp_path / "in.png", tmp_path / "out.png", raw_model)
    np.save(tmp_path / "in.npy", pixels)
    with pytest.raises(UserError, match="4 channels, which PNG cannot hold; write TIFF or NumPy"):
        denoised(tmp_path / "in.npy", tmp_path / "out.png", raw_model)
    with pytest.raises(UserError, match=r"image has 3 channels.*give packed Bayer of 4 channels.*another model"):
        Denoiser.load(raw_model, "cpu")(pixels[:, :, :3])


def test_raw_data_are_refused_by_models_for_pictures(models: dict[str, Path], tmp_path: Path, packed: Array) -> None:
    tifffile.imwrite(tmp_path / "in.tif", packed, photometric="minisblack", planarconfig="contig")
    for model, words in ((models["color"], "model for them with --model"), (models["blind"], "a model for raw data")):
        with pytest.raises(UserError, match=rf"in\.tif: .*4 channels.*{words}"):
            denoised(tmp_path / "in.tif", tmp_path / "out.tif", model)


def test_pages_of_raw_data_are_refused(raw_model: Path, tmp_path: Path, packed: Array) -> None:
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for page in (packed, packed):
            writer.write(page, photometric="minisblack", planarconfig="contig")
    with pytest.raises(UserError, match="a TIFF of 4 channels or of several layers"):
        denoised(tmp_path / "in.tif", tmp_path / "out.tif", raw_model)


def test_raw_data_have_no_chroma_and_no_level(raw_model: Path, packed: Array) -> None:
    model = Denoiser.load(raw_model, "cpu")
    with pytest.raises(UserError, match="chroma is 2, but raw data have no chroma"):
        model(packed, chroma=2)
    with pytest.raises(UserError, match="takes no noise level"):
        model(packed, sigma=20)
    half = model(packed, strength=0.5)
    np.testing.assert_allclose(half, (packed + model(packed)) / 2, atol=1e-6)
    assert Amount(strength=0.5).chroma == 1


def test_a_model_file_of_raw_data_says_so(raw_model: Path) -> None:
    manifest = Denoiser.load(raw_model, "cpu").manifest
    assert manifest.is_raw and ModelManifest.from_metadata(manifest.to_metadata()) == manifest
    for change, words in (
        ({"channels": 3}, "hinas.channels is 3; allowed: 4, as the task is raw"),
        ({"task": "denoise"}, "hinas.channels is 4; allowed: 1 or 3"),
        ({"conditioned": True, "sigma_range": (0.0, 9.0)}, "hinas.conditioned"),
    ):
        with pytest.raises(UserError, match=words):
            replace(manifest, **change)
