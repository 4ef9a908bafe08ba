"""TIFFs that go through in bands: the same file content as in memory, for every layout; and what is refused."""

import struct
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.network_input import NetworkInput
from hinas.runtime import Denoiser
from hinas.runtime.denoise_request import Request
from hinas.runtime.files import huge_picture, huge_pictures, huge_tiff
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.huge_pictures import sample_of_huge
from hinas.runtime.files.huge_tiff import tiles_of
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import read_picture
from hinas.runtime.tiling.planner import Span, plan_tiles
from hinas.runtime.tiling.streaming import bands_of, denoised_bands
from hinas.runtime.tiling.window_limits import OutOfMemoryError
from hypothesis import given, settings
from hypothesis import strategies as st

Models = dict[str, Path]
QUIET = Reporter(quiet=True, json=False)


def noisy(shape: tuple[int, ...], dtype: Any = np.uint8) -> np.ndarray:
    generator = np.random.default_rng(0)
    values = np.clip(0.5 + 0.1 * generator.standard_normal(shape), 0, 1)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    num = 1 if array.ndim == 2 else array.shape[2]
    options.setdefault("photometric", "rgb" if num >= 3 else "minisblack")
    options.setdefault("planarconfig", "contig" if num > 1 else None)
    tifffile.imwrite(path, array, extrasamples=["unassalpha"] if num in (2, 4) else None, **options)
    return path


class Rows:
    """An array as rows."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image
        self.height, self.width = image.shape[:2]
        self.is_colour = image.ndim == 3
        self.dtype = image.dtype
        self.bytes_per_row = image[0].nbytes
        self.most_bytes_at_once = 0

    def pixels(self, rows: Span) -> np.ndarray:
        return self._image[rows.slice].copy()


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 40),
    tile=st.integers(1, 20),
    halo=st.integers(0, 6),
    alignment=st.sampled_from([1, 2, 4, 8]),
    scale=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_every_window_of_every_band_reads_what_it_reads_on_the_whole_image(
    height: int, width: int, tile: int, halo: int, alignment: int, scale: int
) -> None:
    """A network that answers with everything its window holds: bit for bit."""
    from hinas.runtime.tiling.stitching import stitched

    image = np.arange(height * width, dtype=np.float32).reshape(height, width)
    plan = plan_tiles(height, width, tile=tile, halo=halo, alignment=alignment)

    def network(windows: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        for window in windows:
            weights = np.arange(window.size).reshape(window.shape)
            result = window + np.float32(0.25) * np.sum(window * weights, dtype=np.float32)
            yield np.kron(result, np.arange(1, scale**2 + 1, dtype=np.float32).reshape(1, 1, scale, scale))

    def run(pixels: np.ndarray, plan: Any, progress: Any) -> np.ndarray:
        return stitched(
            pixels,
            plan,
            network,
            network_input=NetworkInput(channels=1, scale=scale),
            out_of_memory=lambda: None,
            progress=progress,
        )

    seen: list[tuple[int, int]] = []
    bands = list(denoised_bands(Rows(image), plan, run, lambda done, total: seen.append((done, total)), scale=scale))
    assert [rows.start for rows, _ in bands] == [0, *(rows.stop for rows, _ in bands[:-1])]
    assert np.array_equal(np.concatenate([pixels for _, pixels in bands]), run(image, plan, None))
    assert seen == [(index + 1, len(plan)) for index in range(len(plan))]
    assert max(len(band.rows) for band in bands_of(plan)) <= plan.window_shape[0] + alignment


@given(
    heights=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    width=st.integers(1, 40),
    num=st.sampled_from([1, 3, 4]),
    tile=st.sampled_from([(16, 16), (32, 16)]),
)
@settings(max_examples=40, deadline=None)
def test_bands_of_any_heights_become_tiles(heights: list[int], width: int, num: int, tile: tuple[int, int]) -> None:
    image = noisy((sum(heights), width, num))
    bands = np.split(image, np.cumsum(heights)[:-1])
    tiles = list(tiles_of(iter(bands), tile))
    assert all(part.shape == (*tile, num) for part in tiles)
    across = -(-width // tile[1])
    rows = [np.concatenate(tiles[index : index + across], axis=1) for index in range(0, len(tiles), across)]
    assert np.array_equal(np.concatenate(rows)[: sum(heights), :width], image)


def denoise(source: Path, target: Path, model: Path, **options: Any) -> None:
    request = Request(source=source, target=target, model=str(model), tile=24, threads=1, **options)
    denoise_files(request, QUIET)


LAYOUTS: dict[str, tuple[tuple[int, ...], Any, dict[str, Any]]] = {
    "grey strips": ((75, 61), np.uint8, {"rowsperstrip": 7, "compression": "zlib", "predictor": True}),
    "grey 16-bit, one plain strip, big-endian": ((75, 61), np.uint16, {"rowsperstrip": 75, "byteorder": ">"}),
    "colour plain strips": ((75, 61, 3), np.uint8, {"rowsperstrip": 10}),
    "colour plain tiles": ((75, 61, 3), np.uint16, {"tile": (32, 16)}),
    "colour LZW tiles with alpha": ((75, 61, 4), np.uint8, {"tile": (16, 16), "compression": "lzw"}),
    "grey with alpha, Zstandard": ((75, 61, 2), np.uint16, {"rowsperstrip": 9, "compression": "zstd"}),
    "BigTIFF with PackBits": ((75, 61, 3), np.uint8, {"bigtiff": True, "tile": (16, 32), "compression": "packbits"}),
    "inverted grey": ((75, 61), np.uint8, {"photometric": "miniswhite", "rowsperstrip": 8}),
    "JPEG tiles": ((75, 61, 3), np.uint8, {"tile": (32, 32), "compression": "jpeg"}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_streamed_equals_in_memory(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shape, dtype, options = LAYOUTS[name]
    extratags = [(34675, 7, 9, b"a profile", True), (700, 1, 8, b"<x:xmp/>", True), (65000, 2, 6, b"maker\0", True)]
    source = save(tmp_path / "in.tif", noisy(shape, dtype), resolution=(300, 300), extratags=extratags, **options)
    model = models["color" if len(shape) == 3 and shape[2] > 2 else "gray"]
    denoise(source, tmp_path / "memory.tif", model)
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    denoise(source, tmp_path / "streamed.tif", model)
    whole, streamed = read_picture(tmp_path / "memory.tif"), read_picture(tmp_path / "streamed.tif")
    with tifffile.TiffFile(tmp_path / "streamed.tif") as file:
        page: Any = file.pages[0]
        assert page.is_tiled, "it went through in bands"
        assert page.tags[65000].value == "maker"
    assert np.array_equal(whole.pixels, streamed.pixels)
    assert not np.array_equal(whole.pixels, read_picture(source).pixels)
    assert (whole.alpha is None) == (streamed.alpha is None)
    if whole.alpha is not None and streamed.alpha is not None:
        assert np.array_equal(whole.alpha, streamed.alpha)
    assert whole.native == streamed.native
    assert whole.metadata == streamed.metadata


def test_planes_and_palettes(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    planes = np.moveaxis(noisy((50, 40, 3)), 2, 0)
    tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate", rowsperstrip=8)
    Image.fromarray(noisy((50, 40, 3))).quantize(64).save(tmp_path / "palette.tif")
    for name in ("planes", "palette"):
        denoise(tmp_path / f"{name}.tif", tmp_path / f"{name}-memory.tif", models["color"])
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    for name in ("planes", "palette"):
        denoise(tmp_path / f"{name}.tif", tmp_path / f"{name}-streamed.tif", models["color"])
        whole, streamed = (read_picture(tmp_path / f"{name}-{how}.tif") for how in ("memory", "streamed"))
        assert np.array_equal(whole.pixels, streamed.pixels)


def test_sigma_zero_streams_every_bit(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    source = save(tmp_path / "in.tif", noisy((75, 61, 4), np.uint16))
    denoise(source, tmp_path / "out.tif", models["color"], sigma=0.0)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), tifffile.imread(source))


def test_more_than_the_limit_on_pixels_is_streamed(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_tiff, "MOST_PIXELS", 1000)
    monkeypatch.setattr("hinas.runtime.pictures.pillow_files.MOST_PIXELS", 1000)
    source = save(tmp_path / "in.tif", noisy((60, 60)))
    denoise(source, tmp_path / "out.tif", models["gray"])
    assert tifffile.imread(tmp_path / "out.tif").shape == (60, 60)
    with pytest.raises(UserError, match="claims 60x60 pixels"):
        denoise(source, tmp_path / "out.png", models["gray"])


def test_large_files_become_bigtiff_with_their_tags(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXIF is a directory of its own."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x010F] = "hinas camera"
    exif.get_ifd(0x8769)[0x829A] = (1, 250)
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0a comment"
    Image.fromarray(noisy((50, 40))).save(tmp_path / "in.tif", exif=exif.tobytes())
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    monkeypatch.setattr(huge_tiff, "MOST_CLASSIC_BYTES", 1000)
    denoise(tmp_path / "in.tif", tmp_path / "out.tif", models["gray"])
    assert struct.unpack("<H", (tmp_path / "out.tif").read_bytes()[2:4]) == (43,)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        page: Any = file.pages[0]
        tags = page.tags
        assert tags[0x010F].value == "hinas camera"
        assert tags[0x8769].value["UserComment"] == "a comment"
    before, after = (read_picture(tmp_path / name).native.tags for name in ("in.tif", "out.tif"))
    assert all(after[tag] == value for tag, value in before.items())


def test_the_sample_is_spread_and_measures_the_noise(tmp_path: Path) -> None:
    from hinas.runtime.noise.estimate import estimate_sigma, estimate_sigma_of_blocks

    rows, columns = np.mgrid[:900, :1400]
    generator = np.random.default_rng(0)
    clean = 128 + 60 * np.sin(rows / 90) * np.cos(columns / 70)
    image = np.clip(clean + 12 * generator.standard_normal(clean.shape), 0, 255).astype(np.uint8)
    huge = huge_tiff.huge_tiff(save(tmp_path / "in.tif", image, rowsperstrip=16, compression="zlib"), 0)
    assert huge is not None
    blocks = sample_of_huge(huge)
    assert all(np.array_equal(one, other) for one, other in zip(blocks, sample_of_huge(huge), strict=True))
    assert sum(block.size for block in blocks) < image.size / 2
    assert estimate_sigma_of_blocks(blocks) == pytest.approx(12, rel=0.05)
    assert estimate_sigma_of_blocks([image]) == estimate_sigma(image)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compression": "lzma"}, "compression LZMA, too large to be decoded whole"),
        (
            {"rowsperstrip": 64, "compression": "zlib"},
            "one compressed strip cannot be decoded in parts; save it in",
        ),
    ],
)
def test_what_cannot_be_streamed_is_named(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    monkeypatch.setattr(huge_tiff, "_MOST_BYTES_AT_ONCE", 1000)
    source = save(tmp_path / "in.tif", noisy((64, 61)), **options)
    with pytest.raises(UserError, match=words):
        denoise(source, tmp_path / "out.tif", models["gray"])
    assert list(tmp_path.iterdir()) == [source]


def test_truncated_files_are_refused_before_the_work(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    whole = save(tmp_path / "whole.tif", noisy((200, 61)), tile=(16, 16), compression="zlib").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(UserError, match=r"cut.tif: .*damaged or truncated"):
        denoise(tmp_path / "cut.tif", tmp_path / "out.tif", models["gray"])
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OutOfMemoryError("injected"), OSError(28, "No space left")])
def test_an_interrupted_stream_leaves_nothing_behind(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    source = save(tmp_path / "in.tif", noisy((120, 61)))
    reading = huge_picture.SourceRows.pixels

    def pixels(rows: Any, span: Span) -> np.ndarray:
        if span.start > 40:
            raise error
        return reading(rows, span)

    monkeypatch.setattr(huge_picture.SourceRows, "pixels", pixels)
    with pytest.raises((KeyboardInterrupt, UserError)):
        denoise(source, tmp_path / "out.tif", models["gray"], sigma=20.0)
    assert list(tmp_path.iterdir()) == [source]


def test_a_model_that_sees_the_whole_picture_is_refused(models: Models) -> None:
    denoiser = Denoiser.load(models["whole"], tile=10)
    with pytest.raises(UserError, match="looks at a whole picture at once"):
        next(denoiser.bands(Rows(noisy((50, 50))), 20.0))


def test_too_little_memory_for_a_band_says_how_much_is_missing(models: Models) -> None:
    denoiser = Denoiser.load(models["gray"], memory_bytes=2**20)
    with pytest.raises(UserError, match=r"bands of 32 rows; allow at least \d+ MiB more"):
        next(denoiser.bands(Rows(noisy((50, 50))), 20.0))


def test_a_picture_that_fits_is_read_whole(tmp_path: Path) -> None:
    source = save(tmp_path / "in.tif", noisy((50, 50)))
    assert huge_tiff.huge_tiff(source, 10**6) is None
    assert huge_pictures.huge_picture(tmp_path / "none.tif", "TIFF", 0, scale=1) is None
    assert isinstance(huge_tiff.huge_tiff(source, 10), huge_tiff.HugeTiff)
