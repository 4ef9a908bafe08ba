"""PNGs too large for the memory: read and written in rows, with the same pixels and chunks as in memory."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files import huge_png
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.huge_picture import sample_of
from hinas.runtime.files.huge_pictures import huge_picture
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.formats.png import png_scanlines
from hinas.runtime.pictures.formats.png.png_regions import PngRegions, write_png_bands
from hinas.runtime.pictures.formats.png.png_scanlines import Chunk, chunk_parts
from hinas.runtime.pictures.image_files import read_picture, write_picture
from hinas.runtime.pictures.picture import Picture
from hinas.runtime.tiling.planner import Region, Span

Models = dict[str, Path]
COPIED: list[Chunk] = [
    (b"gAMA", struct.pack(">I", 45455)),
    (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
    (b"tEXt", b"Author\0somebody"),
]
KINDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "grey": ((75, 61), np.uint8),
    "grey with alpha, 16 bits": ((75, 61, 2), np.uint16),
    "colour": ((75, 61, 3), np.uint8),
    "colour, 16 bits": ((75, 61, 3), np.uint16),
    "colour with alpha": ((75, 61, 4), np.uint8),
}


@pytest.fixture(autouse=True)
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of some rows each, which do not begin where the model's windows do."""
    monkeypatch.setattr(png_scanlines, "BAND_BYTES", 2000)


def saved(path: Path, shape: tuple[int, ...], dtype: Any, chunks: list[Chunk] = COPIED) -> Path:
    white = np.iinfo(dtype).max
    noisy = np.random.default_rng(5).normal(0.5 * white, 0.08 * white, shape).clip(0, white).astype(dtype)
    has_alpha = len(shape) == 3 and shape[2] in (2, 4)
    pixels = noisy[:, :, :-1].squeeze() if has_alpha else noisy
    alpha = noisy[:, :, -1] if has_alpha else None
    write_picture(Picture(pixels=pixels, alpha=alpha, format="PNG", native=tuple(chunks)), path, format="PNG")
    return path


def denoise(source: Path, target: Path, model: Path, **options: Any) -> None:
    request = Request(source=source, target=target, model=str(model), tile=24, threads=1, **options)
    denoise_files(request, Reporter(quiet=True, json=False))


def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_png, "_COPIES_OF_RESULT", 2**40)


def assert_same(one: Path, other: Path) -> None:
    first, second = read_picture(one), read_picture(other)
    assert np.array_equal(first.pixels, second.pixels)
    assert (first.alpha is None) == (second.alpha is None)
    if first.alpha is not None and second.alpha is not None:
        assert np.array_equal(first.alpha, second.alpha)
    assert (first.native, first.metadata) == (second.native, second.metadata)


@pytest.mark.parametrize("name", KINDS)
def test_streamed_equals_in_memory(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shape, dtype = KINDS[name]
    source = saved(tmp_path / "in.png", shape, dtype)
    model = models["color" if name.startswith("colour") else "gray"]
    denoise(source, tmp_path / "memory.png", model)
    streamed(monkeypatch)
    denoise(source, tmp_path / "streamed.png", model)
    assert_same(tmp_path / "memory.png", tmp_path / "streamed.png")
    assert not np.array_equal(read_picture(tmp_path / "streamed.png").pixels, read_picture(source).pixels)
    assert (tmp_path / "streamed.png").read_bytes().count(b"IDAT") > 1, "it went through in bands"
    for chunk in COPIED:
        assert b"".join(chunk_parts(*chunk)) in (tmp_path / "streamed.png").read_bytes()


def test_a_transparent_colour_becomes_alpha_in_bands(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(tmp_path / "plain.png", (40, 30, 3), np.uint8)
    key = struct.pack(">HHH", *map(int, read_picture(source).pixels[7, 5]))
    content = source.read_bytes()
    start = content.index(b"IDAT") - 4
    (tmp_path / "in.png").write_bytes(content[:start] + b"".join(chunk_parts(b"tRNS", key)) + content[start:])
    denoise(tmp_path / "in.png", tmp_path / "memory.png", models["color"])
    streamed(monkeypatch)
    denoise(tmp_path / "in.png", tmp_path / "streamed.png", models["color"])
    assert_same(tmp_path / "memory.png", tmp_path / "streamed.png")
    alpha = read_picture(tmp_path / "streamed.png").alpha
    assert alpha is not None and alpha[7, 5] == 0


def test_an_enlarging_model_streams_too(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(tmp_path / "x2.onnx", channels=3, conditioned=False, sigma_range=None, scale=2)
    source = saved(tmp_path / "in.png", (41, 30, 4), np.uint8)
    denoise(source, tmp_path / "memory.png", model)
    streamed(monkeypatch)
    denoise(source, tmp_path / "streamed.png", model)
    assert_same(tmp_path / "memory.png", tmp_path / "streamed.png")
    assert read_picture(tmp_path / "streamed.png").height == 82


def test_rows_are_read_in_any_order(tmp_path: Path) -> None:
    source = saved(tmp_path / "in.png", (75, 61, 3), np.uint16)
    expected = read_picture(source).pixels
    with source.open("rb") as file:
        regions = PngRegions(file)
        for start, stop in ((0, 10), (5, 30), (5, 30), (70, 75), (2, 3), (0, 75)):
            pixels, alpha = regions.read(Region(Span(start, stop), Span(3, 50)))
            assert np.array_equal(pixels, expected[start:stop, 3:50]) and alpha is None


def test_what_is_written_in_bands_of_any_height_is_the_picture(tmp_path: Path) -> None:
    source = saved(tmp_path / "in.png", (75, 61, 4), np.uint16)
    picture = read_picture(source)
    assert picture.alpha is not None
    channels = np.dstack([picture.pixels, picture.alpha])
    header = (b"IHDR", source.read_bytes()[16:29])
    write_png_bands(tmp_path / "out.png", [header, *COPIED], np.split(channels, [1, 2, 40, 41]))
    assert_same(source, tmp_path / "out.png")


def test_the_noise_is_measured_on_a_sample_of_what_is_huge(tmp_path: Path) -> None:
    source = saved(tmp_path / "in.png", (1000, 900), np.uint8)
    with source.open("rb") as file:
        blocks = sample_of(PngRegions(file))
    assert len(blocks) == 64
    assert np.mean([block.std() for block in blocks]) == pytest.approx(0.08 * 255, rel=0.05)


@pytest.mark.parametrize("damage", ["cut", "checksum", "rows"])
def test_a_damaged_picture_ends_in_one_error_and_no_file(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    source = saved(tmp_path / "in.png", (75, 61, 3), np.uint8)
    content = source.read_bytes()
    start = content.index(b"IDAT")
    (length,) = struct.unpack_from(">I", content, start - 4)
    if damage == "cut":
        content = content[: start + length // 2]
    elif damage == "checksum":
        content = content[: start + 4 + length] + b"\0\0\0\0" + content[start + 8 + length :]
    else:
        rows = zlib.decompress(content[start + 4 : start + 4 + length])[:-200]
        payload = b"".join(chunk_parts(b"IDAT", zlib.compress(rows)))
        content = content[: start - 4] + payload + content[start + 8 + length :]
    source.write_bytes(content)
    streamed(monkeypatch)
    with pytest.raises(UserError, match=r"in\.png: .*(truncated|damaged)") as error:
        denoise(source, tmp_path / "out.png", models["color"], sigma=20.0)
    assert "\n" not in str(error.value)
    assert [file.name for file in tmp_path.iterdir()] == ["in.png"]


def test_what_fits_is_read_whole_and_so_is_what_is_interlaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(tmp_path / "in.png", (75, 61, 3), np.uint8)
    assert huge_png.huge_png(source, 0) is None, "bands would take more"
    monkeypatch.setattr(huge_png, "_LEAST_BYTES", 0)
    assert huge_png.huge_png(source, 10**6) is None
    assert huge_picture(tmp_path / "none.png", "PNG", 0, scale=1) is None, "reading it whole says why"
    assert huge_picture(source, "TIFF", 0, scale=1) is None, "its result is of another kind"
    found = huge_png.huge_png(source, 1000)
    assert found is not None and (found.width, found.height, found.bits, found.is_colour) == (61, 75, 8, True)
    assert "from disk to disk" in found.notes[0]
    content = source.read_bytes()
    interlaced = struct.pack(">IIBBBBB", 61, 75, 8, 2, 0, 0, 1)
    header = b"".join(chunk_parts(b"IHDR", interlaced))
    source.write_bytes(content[:8] + header + content[33:])
    assert huge_png.huge_png(source, 1000) is None
