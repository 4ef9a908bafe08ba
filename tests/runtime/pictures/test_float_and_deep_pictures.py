"""Floating-point pictures (TIFF, .npy) and TIFFs of unusual depths: values and kinds of numbers stay."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.enlarged import enlarged_alpha
from hinas.runtime.pictures.image_files import check_writable, decoded_bytes, read_picture, write_picture
from hinas.runtime.pictures.picture import Picture

QUIET = Reporter(quiet=True, json=False)


def values(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.random(shape, np.float32)


def rewritten(source: Path, target: Path) -> Picture:
    picture = read_picture(source)
    write_picture(picture, target, format="NumPy" if target.suffix == ".npy" else "TIFF")
    return picture


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("num", [1, 3, 4])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_float_tiffs_keep_every_value(
    tmp_path: Path, generator: np.random.Generator, dtype: Any, num: int, compression: str | None
) -> None:
    array = values(generator, 9, 7, num).astype(dtype)
    array = array[:, :, 0] if num == 1 else array
    kind: dict[str, Any] = {"photometric": "rgb" if num > 1 else "minisblack", "compression": compression}
    if num == 4:
        kind["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(tmp_path / "in.tif", array, **kind)
    picture = rewritten(tmp_path / "in.tif", tmp_path / "out.tif")
    assert picture.bits == 32 and picture.pixels.dtype == np.float32
    written = tifffile.imread(tmp_path / "out.tif")
    assert written.dtype == dtype
    assert np.array_equal(written, array)


@pytest.mark.parametrize("name", ["in.tif", "in.npy"])
def test_what_lies_beyond_black_and_white_goes_around_the_network(
    models: dict[str, Path], tmp_path: Path, generator: np.random.Generator, name: str
) -> None:
    bright = values(generator, 40, 30, 3)
    bright[3, 4] = (7.5, 1.0, -0.25)
    results: list[np.ndarray] = []
    for folder, content in (("plain", bright.clip(0, 1)), ("bright", bright)):
        (tmp_path / folder).mkdir()
        source, target = tmp_path / folder / name, tmp_path / folder / f"out{Path(name).suffix}"
        _write(source, content)
        model = str(models["color1"])
        denoise_files(Request(source=source, target=target, model=model, sigma=20.0, threads=1), QUIET)
        results.append(_read(target))
    assert np.allclose(results[1] - results[0], bright - bright.clip(0, 1), atol=1e-6)
    note = read_picture(tmp_path / "bright" / name).notes[0]
    assert "some values lie outside 0..1 (from -0.25 to 7.5): what they exceed it by stays" in note


def _write(path: Path, array: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        tifffile.imwrite(path, array, photometric="rgb")


def _read(path: Path) -> np.ndarray:
    return np.load(path) if path.suffix == ".npy" else tifffile.imread(path)


def test_values_on_another_scale_are_refused_with_a_reason(tmp_path: Path, generator: np.random.Generator) -> None:
    tifffile.imwrite(tmp_path / "in.tif", values(generator, 20, 20) * 4095)
    with pytest.raises(UserError, match=r"in\.tif: .*% of its values lie outside 0..1 .* scale the values first"):
        read_picture(tmp_path / "in.tif")
    array = values(generator, 20, 20)
    array[2, 3] = np.nan
    np.save(tmp_path / "in.npy", array)
    with pytest.raises(UserError, match=r"in\.npy: holds values that are not finite"):
        read_picture(tmp_path / "in.npy")


def test_floats_fit_into_tiff_and_npy_alone(tmp_path: Path, generator: np.random.Generator) -> None:
    np.save(tmp_path / "in.npy", values(generator, 8, 9) * 1.05)
    picture = read_picture(tmp_path / "in.npy")
    assert picture.beyond is not None
    with pytest.raises(UserError, match="floating point and PNG holds whole numbers; write TIFF, OpenEXR or NumPy"):
        check_writable(picture, "PNG")
    with pytest.raises(UserError, match=r"beyond 0\.\.1, which a model that enlarges cannot carry"):
        check_writable(picture, "TIFF", scale=2)
    write_picture(picture, tmp_path / "out.tif", format="TIFF")
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), np.load(tmp_path / "in.npy"))


def test_an_opacity_of_floats_is_enlarged_as_one_of_8_bits(generator: np.random.Generator) -> None:
    alpha = np.kron(generator.integers(80, 180, (4, 5)), np.ones((3, 3))).astype(np.uint8)
    enlarged = enlarged_alpha(alpha / np.float32(255), 2)
    assert enlarged.dtype == np.float32
    assert np.abs(enlarged * 255 - enlarged_alpha(alpha, 2)).max() < 1.5


def test_a_page_shows_floats(models: dict[str, Path], tmp_path: Path, generator: np.random.Generator) -> None:
    np.save(tmp_path / "in.npy", values(generator, 60, 70, 3))
    page, target = tmp_path / "page.html", tmp_path / "out.npy"
    request = Request(
        source=tmp_path / "in.npy", target=target, model=str(models["color"]), sigma=20.0, threads=1, preview=page
    )
    denoise_files(request, QUIET)
    assert "70x60 colour 32-bit" in page.read_text(encoding="utf-8")


def test_inverted_grey_of_floats(tmp_path: Path, generator: np.random.Generator) -> None:
    array = values(generator, 6, 5)
    tifffile.imwrite(tmp_path / "in.tif", array, photometric="miniswhite")
    assert np.array_equal(read_picture(tmp_path / "in.tif").pixels, 1 - array)


@pytest.mark.parametrize(("bits", "dtype"), [(4, np.uint8), (10, np.uint16), (12, np.uint16), (14, np.uint16)])
@pytest.mark.parametrize("num", [1, 3])
def test_unusual_depths_are_stretched_without_loss(
    tmp_path: Path, generator: np.random.Generator, bits: int, dtype: Any, num: int
) -> None:
    most, white = 2**bits - 1, np.iinfo(dtype).max
    array = generator.integers(0, most, (8, 10, 3), dtype, endpoint=True)
    array[0, 0] = most
    array = array[:, :, 0] if num == 1 else array
    photometric = "rgb" if num == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "in.tif", array, photometric=photometric, bitspersample=bits)
    picture = rewritten(tmp_path / "in.tif", tmp_path / "out.tif")
    assert picture.notes == (f"{bits} bits per channel became {np.dtype(dtype).itemsize * 8}",)
    assert picture.pixels.dtype == dtype and picture.pixels.max() == white
    back = np.rint(tifffile.imread(tmp_path / "out.tif").astype(float) * most / white)
    assert np.array_equal(back, array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.float32])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 2), (6, 5, 4)])
def test_arrays_keep_shape_type_and_values(
    tmp_path: Path, generator: np.random.Generator, dtype: Any, shape: tuple[int, ...]
) -> None:
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    array = np.asfortranarray((values(generator, *shape) * white).astype(dtype))
    np.save(tmp_path / "in.npy", array)
    picture = rewritten(tmp_path / "in.npy", tmp_path / "out.npy")
    assert picture.is_colour == (shape[-1] in (3, 4) and len(shape) == 3)
    written = np.load(tmp_path / "out.npy")
    assert written.dtype == np.dtype(dtype).newbyteorder("=")
    assert written.shape == shape and np.array_equal(written, array)
    assert decoded_bytes(tmp_path / "out.npy") >= array.nbytes


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4)), "an array of float64; .* use astype first"),
        (np.zeros((4, 4), np.int32), "an array of int32"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape .2, 4, 4, 3.; expected"),
        (np.zeros((0, 4), np.uint8), "4x0 pixels"),
        (np.array([{}]), "an array of object"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "in.npy", array, allow_pickle=True)
    with pytest.raises(UserError, match=rf"in\.npy: .*{words}"):
        read_picture(tmp_path / "in.npy")


def test_a_header_that_claims_more_than_the_file_holds(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((20, 20), np.uint8))
    data = (tmp_path / "in.npy").read_bytes()
    (tmp_path / "in.npy").write_bytes(data[:-1])
    with pytest.raises(UserError, match="truncated array"):
        read_picture(tmp_path / "in.npy")
    (tmp_path / "in.npy").write_bytes(data.replace(b"}", b" "))
    with pytest.raises(UserError, match="damaged array: its header cannot be read"):
        read_picture(tmp_path / "in.npy")
