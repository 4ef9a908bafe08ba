"""What a TIFF keeps beside its pixels: the alpha of a palette, and a resolution whose unit goes without saying."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hinas.runtime.files.huge_tiff import opened_regions
from hinas.runtime.pictures.exif.exif_block import CLASSIC, directory_bytes, directory_from
from hinas.runtime.pictures.image_files import read_picture, write_picture
from hinas.runtime.pictures.known_formats import format_for
from hinas.runtime.tiling.planner import Region, Span
from PIL import Image

_RESOLUTION_UNIT = 296


@pytest.fixture
def palette(tmp_path: Path, generator: np.random.Generator) -> Image.Image:
    """A palette with alpha; it lies in palette.tif."""
    image = Image.fromarray(generator.integers(0, 255, (13, 17, 3), np.uint8)).quantize(7).convert("PA")
    image.putalpha(Image.fromarray(generator.integers(0, 255, (13, 17), np.uint8)))
    image.save(tmp_path / "palette.tif")
    return image


def test_the_alpha_of_a_palette_is_kept(tmp_path: Path, palette: Image.Image) -> None:
    picture = read_picture(tmp_path / "palette.tif")
    for name in ("out.tif", "out.png"):
        write_picture(picture, tmp_path / name, format=format_for(Path(name)))
        written = Image.open(tmp_path / name)
        assert written.mode == "RGBA"
        assert np.array_equal(np.asarray(written), np.asarray(palette.convert("RGBA")))


def test_the_description_of_a_palettes_array_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It has one channel, the result three."""
    levels, colours = np.zeros((13, 17), np.uint8), np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", levels, photometric="palette", colormap=colours)
    write_picture(read_picture(tmp_path / "in.tif"), tmp_path / "out.tif", format="TIFF")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].shape == (13, 17, 3)
    assert caplog.records == []


def test_the_alpha_of_a_palette_is_read_in_parts(tmp_path: Path, palette: Image.Image) -> None:
    with opened_regions(tmp_path / "palette.tif") as regions:
        assert (regions.has_alpha, regions.bytes_per_row) == (True, 4 * 17)
        pixels, alpha = regions.read(Region(Span(3, 9), Span(2, 17)))
    expected = np.asarray(palette.convert("RGBA"))[3:9, 2:17]
    assert alpha is not None
    assert np.array_equal(np.dstack([pixels, alpha]), expected)


def _without_a_unit(path: Path) -> None:
    """Take the tag ResolutionUnit out of a TIFF."""
    content = path.read_bytes()
    tags = {tag: value for tag, value in directory_from(content).items() if tag != _RESOLUTION_UNIT}
    start = len(content) + len(content) % 2
    content = content.ljust(start, b"\0") + directory_bytes(tags, start, CLASSIC)
    path.write_bytes(content[:4] + struct.pack("<I", start) + content[8:])


@pytest.mark.parametrize("target", ["out.tif", "out.png", "out.jpg"])
def test_a_resolution_without_a_unit_is_per_inch(tmp_path: Path, generator: np.random.Generator, target: str) -> None:
    pixels = generator.integers(0, 255, (13, 17), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", pixels, resolution=(300, 150), resolutionunit="inch")
    _without_a_unit(tmp_path / "in.tif")
    write_picture(read_picture(tmp_path / "in.tif"), tmp_path / target, format=format_for(Path(target)))
    with Image.open(tmp_path / target) as written:
        assert written.info["dpi"] == pytest.approx((300, 150), abs=0.02)
