"""Cameras' raw files: one alone is developed without noise reduction and denoised; in a folder a note says how."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.exif.exif_block import directory_from
from hinas.runtime.pictures.formats import raw_files
from hinas.runtime.pictures.image_files import decoded_bytes, read_picture
from PIL import Image
from stand_ins.raw_files import EXPOSURE_TIME, MAKE, mosaic_from, write_dng

pytest.importorskip("rawpy")

SIZE = 64, 96
_EXIF, _MAKER_NOTE = 34665, 37500


def run(source: Path, target: Path, model: Path | str) -> None:
    request = Request(source=source, target=target, model=str(model), sigma=20.0, threads=1)
    denoise_files(request, Reporter(quiet=False, json=False))


def encoded(linear: np.ndarray) -> np.ndarray:
    """Levels 0..65535 of sRGB's curve."""
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 65535 * curve


def slope(low: float, high: float) -> np.ndarray:
    """Grey linear light (H, W, 3) that rises from left to right."""
    return np.broadcast_to(np.linspace(low, high, SIZE[1])[None, :, None], (*SIZE, 3))


@pytest.mark.parametrize("brightest", [0.2, 0.9])
def test_exposure_stays_as_taken(tmp_path: Path, brightest: float) -> None:
    light = slope(0.01, brightest)
    source = write_dng(tmp_path / "shot.dng", mosaic_from(light))
    picture = read_picture(source)
    assert (picture.bits, picture.num_channels, picture.format) == (16, 3, "camera raw")
    inside = np.s_[4:-4, 4:-4]
    assert np.abs(picture.pixels[inside] - encoded(light)[inside]).max() < 0.004 * 65535
    assert decoded_bytes(source) == picture.pixels.nbytes
    assert any("no noise reduction" in note for note in picture.notes)


def test_colours_are_those_of_the_sensor(tmp_path: Path) -> None:
    light = np.broadcast_to(np.array([0.5, 0.2, 0.1]), (*SIZE, 3))
    picture = read_picture(write_dng(tmp_path / "shot.dng", mosaic_from(light)))
    middle = np.median(picture.pixels[8:-8, 8:-8], axis=(0, 1))
    assert np.abs(middle - encoded(np.array([0.5, 0.2, 0.1]))).max() < 0.005 * 65535


def test_the_noise_of_the_sensor_is_all_there(tmp_path: Path, generator: np.random.Generator) -> None:
    """Demosaicing keeps what was measured: the green of every pixel that had a green filter."""
    light = 0.3 + np.repeat(generator.normal(0, 0.03, (*SIZE, 1)), 3, axis=2)
    picture = read_picture(write_dng(tmp_path / "shot.dng", mosaic_from(light)))
    is_green = np.zeros(SIZE, bool)
    is_green[8:-8:2, 9:-8:2] = is_green[9:-8:2, 8:-8:2] = True
    measured = picture.pixels[:, :, 1][is_green].astype(float)
    expected = encoded(light)[:, :, 1][is_green]
    # The sensor's 14 bits and its matrix, which takes some of the neighbouring colours, leave a little.
    assert np.abs(measured - expected).std() < 0.1 * expected.std()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pixels_stand_upright_and_the_shot_is_described(tmp_path: Path, orientation: int) -> None:
    source = write_dng(tmp_path / "shot.dng", mosaic_from(slope(0.01, 0.9)), orientation=orientation)
    picture = read_picture(source)
    turned = np.rot90(encoded(slope(0.01, 0.9))[:, :, 1], {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    assert picture.pixels.shape[:2] == turned.shape
    assert np.corrcoef(picture.pixels[:, :, 1].ravel(), turned.ravel())[0, 1] > 0.99
    assert picture.metadata.exif is not None
    tags = directory_from(picture.metadata.exif)
    assert (tags[271].data, tags[274].data) == (MAKE, b"\1\0")
    below = tags[_EXIF].directory
    assert below is not None and EXPOSURE_TIME in below and _MAKER_NOTE not in below
    # The sensor's own: levels, matrix, where its pixels lie.
    assert not {273, 50714, 50721} & set(tags)


def test_one_file_becomes_a_denoised_picture(
    models: dict[str, Path], tmp_path: Path, generator: np.random.Generator
) -> None:
    mosaic = mosaic_from(slope(0.05, 0.8) + generator.normal(0, 0.02, (*SIZE, 1)))
    source = write_dng(tmp_path / "shot.dng", mosaic)
    run(source, tmp_path / "out.tif", models["color1"])
    written = tifffile.imread(tmp_path / "out.tif")
    assert (written.shape, written.dtype) == ((*SIZE, 3), np.uint16)
    tifffile.imwrite(tmp_path / "developed.tif", read_picture(source).pixels, photometric="rgb")
    run(tmp_path / "developed.tif", tmp_path / "same.tif", models["color1"])
    assert np.array_equal(written, tifffile.imread(tmp_path / "same.tif"))


def test_mistakes_are_named(models: dict[str, Path], tmp_path: Path) -> None:
    source = write_dng(tmp_path / "shot.dng", mosaic_from(slope(0, 1)))
    with pytest.raises(UserError, match=r"b\.dng: raw files are read and not written; name it \.tif or \.png"):
        run(source, tmp_path / "b.dng", models["color1"])
    with pytest.raises(UserError, match=r"16 bits per channel and JPEG holds 8; write PNG or TIFF"):
        run(source, tmp_path / "b.jpg", models["color1"])
    for name, content in (("a.cr3", b"no raw file at all"), ("b.nef", source.read_bytes()[:1000]), ("c.arw", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}: a raw file that LibRaw cannot develop \(.+\); use another"):
            run(tmp_path / name, tmp_path / "b.tif", models["color1"])
    whole = source.read_bytes()
    # The same pixels once more at the end, where the tag now points; some are cut off, the head is whole.
    pixels_at = struct.pack("<HHI", 273, 4, 1)
    moved = whole.replace(pixels_at + struct.pack("<I", 8), pixels_at + struct.pack("<I", len(whole)))
    (tmp_path / "cut.dng").write_bytes(moved + whole[8:8000])
    with pytest.raises(UserError, match=r"cut\.dng: a raw file that LibRaw cannot develop \(.+\); use another"):
        run(tmp_path / "cut.dng", tmp_path / "b.tif", models["color1"])
    assert not list(tmp_path.glob("b.[djt]*"))


def test_a_file_that_says_nothing_of_the_shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_dng(tmp_path / "shot.dng", mosaic_from(slope(0, 1)))
    monkeypatch.setattr(raw_files, "_shot_from", lambda data: None)
    picture = read_picture(source)
    assert picture.metadata.exif is None
    assert "the raw file's EXIF could not be read and was left out" in picture.notes


def test_without_its_package_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_dng(tmp_path / "shot.dng", mosaic_from(slope(0, 1)))
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(UserError, match=r"shot\.dng: raw files need the package rawpy; .* pip install .*cpu,formats"):
        read_picture(source)


def test_in_a_folder_a_note_says_what_to_do(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cameras write them beside JPEGs, and a result could not have the same name."""
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in" / "a.png")
    for name in ("a.CR2", "b.dng", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"II*\0")
    run(tmp_path / "in", tmp_path / "out", models["color"])
    printed = capsys.readouterr().err
    assert "skipped, raw files: a.CR2, b.dng; give one alone to develop it, such as a.CR2 out.tif" in printed
    assert "skipped, not pictures by their names: notes.txt" in printed


def test_a_folder_of_raw_files_alone(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.NEF").write_bytes(b"MM\0*")
    with pytest.raises(UserError, match="only raw files, which are developed one at a time"):
        run(tmp_path / "in", tmp_path / "out", models["color"])
