"""Models that enlarge, through the denoiser and the command: sizes, tiling, transparency, tags, bands and refusals."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import onnx
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.amount import Amount
from hinas.runtime.denoise_request import Request
from hinas.runtime.files import huge_tiff
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.enlarged import alpha_rows_for, enlarged_alpha, enlarged_alpha_rows
from hinas.runtime.pictures.exif.exif_block import directory_from
from hinas.runtime.pictures.exif.size_tags import block_of_size
from hinas.runtime.pictures.image_files import read_picture
from hinas.runtime.tiling.planner import Span
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

Models = dict[str, Path]
Read = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def enlarging(tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Models by name: gray2, color2 (conditioned), blind2, color3, aligned2 (alignment 2), whole2 (approximate)."""
    folder = tmp_path_factory.mktemp("enlarging")
    blind: dict[str, Any] = {"conditioned": False, "sigma_range": None}
    return {
        "gray2": tiny(folder / "gray2.onnx", scale=2),
        "color2": tiny(folder / "color2.onnx", channels=3, scale=2),
        "blind2": tiny(folder / "blind2.onnx", channels=3, scale=2, **blind),
        "color3": tiny(folder / "color3.onnx", channels=3, scale=3, **blind),
        "aligned2": tiny(folder / "aligned2.onnx", channels=3, scale=2, alignment=2),
        "narrow2": tiny(folder / "narrow2.onnx", scale=2, sigma_range=(5.0, 10.0)),
        "whole2": tiny(folder / "whole2.onnx", scale=2, tiling="approximate"),
    }


def noisy(shape: tuple[int, ...], dtype: Any = np.uint8) -> np.ndarray:
    values = np.clip(0.5 + 0.1 * np.random.default_rng(0).standard_normal(shape), 0, 1)
    return values.astype(np.float32) if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


def load(model: Path, **options: Any) -> Denoiser:
    return Denoiser.load(model, "cpu", threads=1, **options)


def run(source: Path, target: Path, model: Path, **options: Any) -> None:
    request = Request(source=source, target=target, model=str(model), threads=1, **options)
    denoise_files(request, Reporter(quiet=False, json=True))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (9, 8, 1), (9, 7, 3)])
@pytest.mark.parametrize("name", ["color2", "color3", "aligned2"])
def test_height_and_width_grow_and_all_else_stays(
    enlarging: Models, shape: tuple[int, ...], dtype: Any, name: str
) -> None:
    denoiser = load(enlarging[name])
    result = denoiser(noisy(shape, dtype), sigma=25 if denoiser.manifest.conditioned else None)
    scale = denoiser.manifest.scale
    assert result.shape == (shape[0] * scale, shape[1] * scale, *shape[2:])
    assert result.dtype == dtype


@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    tile=st.integers(8, 40),
    name=st.sampled_from(["blind2", "color3", "aligned2"]),
    ensemble=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_any_tiling_equals_the_whole(
    enlarging: Models, height: int, width: int, tile: int, name: str, ensemble: bool
) -> None:
    image = noisy((height, width, 3), np.float32)
    sigma = 25 if name == "aligned2" else None
    whole = load(enlarging[name], tile=400, ensemble=ensemble)(image, sigma=sigma)
    tiled = load(enlarging[name], tile=tile, ensemble=ensemble)(image, sigma=sigma)
    assert np.abs(tiled - whole).max() < 1e-5


def test_the_answer_is_the_networks(enlarging: Models) -> None:
    import onnxruntime

    image = noisy((13, 22, 3), np.float32)
    session = onnxruntime.InferenceSession(enlarging["blind2"], providers=["CPUExecutionProvider"])
    expected = np.asarray(session.run(None, {"noisy": np.moveaxis(image, 2, 0)[np.newaxis]})[0])[0]
    assert np.array_equal(load(enlarging["blind2"])(image), np.moveaxis(expected, 0, 2))


def test_openvino_gives_the_same(enlarging: Models) -> None:
    pytest.importorskip("openvino")
    image = noisy((33, 41, 3), np.float32)
    other = Denoiser.load(enlarging["aligned2"], "openvino", threads=1, tile=16)(image, sigma=25)
    assert np.abs(other - load(enlarging["aligned2"])(image, sigma=25)).max() < 1e-4


def test_a_model_that_sees_everything_is_blended(enlarging: Models) -> None:
    image = np.full((60, 70), 0.5, np.float32)
    whole = load(enlarging["whole2"], tile=1000)(image, sigma=25)
    with pytest.warns(UserWarning, match="blended"):
        tiled = load(enlarging["whole2"], tile=16)(image, sigma=25)
    assert tiled.shape == (120, 140)
    assert np.abs(tiled - whole).max() < 1e-5


def test_there_is_nothing_to_mix_with(enlarging: Models, tmp_path: Path) -> None:
    words = r"strength is 0\.5, but this model enlarges pictures 2 times: .* leave strength out"
    with pytest.raises(UserError, match=words):
        load(enlarging["gray2"])(noisy((9, 9)), strength=0.5)
    Image.fromarray(noisy((9, 9))).save(tmp_path / "in.png")
    with pytest.raises(UserError, match=words):
        run(tmp_path / "in.png", tmp_path / "out.png", enlarging["gray2"], amount=Amount(strength=0.5))
    assert not (tmp_path / "out.png").exists()


def test_a_picture_without_noise_is_enlarged_all_the_same(enlarging: Models) -> None:
    flat = np.full((64, 64), 99, np.uint8)
    assert load(enlarging["gray2"])(flat).shape == (128, 128)
    assert np.array_equal(load(enlarging["gray2"])(flat), load(enlarging["gray2"])(flat, sigma=0))
    with pytest.warns(UserWarning, match=r"estimated at 0\.0 grey levels, .* 5 to 10; using 5"):
        lowest = load(enlarging["narrow2"])(flat)
    assert np.array_equal(lowest, load(enlarging["narrow2"])(flat, sigma=5))
    with pytest.raises(UserError, match="sigma is 0; this model was trained for 5 to 10"):
        load(enlarging["narrow2"])(flat, sigma=0)


def test_a_model_that_says_the_wrong_scale(enlarging: Models, tmp_path: Path) -> None:
    model = onnx.load(enlarging["blind2"])
    for entry in model.metadata_props:
        entry.value = "3" if entry.key == "hinas.scale" else entry.value
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(UserError, match=r"has shape \(1, 3, 18, 16\), but by its metadata it enlarges 3 times"):
        load(tmp_path / "wrong.onnx")(noisy((9, 8, 3)))


PICTURES: dict[str, tuple[str, tuple[int, ...], Any, str]] = {
    "grey": ("png", (21, 33), np.uint8, "png"),
    "colour": ("png", (21, 33, 3), np.uint8, "webp"),
    "colour to JPEG": ("png", (21, 33, 3), np.uint8, "jpg"),
    "grey with alpha": ("png", (21, 33, 2), np.uint8, "tif"),
    "colour with alpha": ("png", (21, 33, 4), np.uint8, "png"),
    "16-bit grey": ("png", (21, 33), np.uint16, "tif"),
    "16-bit colour with alpha": ("tif", (21, 33, 4), np.uint16, "png"),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("model", ["color2", "blind2", "color3"])
def test_pictures_of_every_kind(enlarging: Models, tmp_path: Path, capsys: Read, name: str, model: str) -> None:
    suffix, shape, dtype, target_suffix = PICTURES[name]
    channels = noisy(shape, dtype)
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{target_suffix}"
    if suffix == "png":
        source.write_bytes(imagecodecs.png_encode(channels))
    else:
        tifffile.imwrite(source, channels, photometric="rgb", extrasamples=["unassalpha"])
    run(source, target, enlarging[model], sigma=20.0 if model == "color2" else None)
    denoiser = load(enlarging[model])
    scale = denoiser.manifest.scale
    before, after = read_picture(source), read_picture(target)
    assert after.size_text == f"{33 * scale}x{21 * scale}"
    assert after.bits == before.bits
    expected = denoiser(before.pixels, sigma=20 if model == "color2" else None)
    if target_suffix in ("png", "tif"):
        assert np.array_equal(after.pixels, expected)
    assert (before.alpha is None) == (after.alpha is None)
    if before.alpha is not None and after.alpha is not None:
        assert np.array_equal(after.alpha, enlarged_alpha(before.alpha, scale))
    values = json.loads(capsys.readouterr().out)
    assert (values["width"], values["height"], values["scale"]) == (33, 21, scale)


def test_the_command_says_both_sizes(enlarging: Models, tmp_path: Path) -> None:
    Image.fromarray(noisy((45, 61, 3))).save(tmp_path / "in.png")
    arguments = ["in.png", "out.png", "--model", str(enlarging["blind2"])]
    command = [sys.executable, "-m", "hinas.runtime.denoise_command", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "61x45 to 122x90 colour 8-bit, model" in result.stdout
    assert result.stderr == ""
    assert Image.open(tmp_path / "out.png").size == (122, 90)


def test_a_folder(enlarging: Models, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for index in range(3):
        Image.fromarray(noisy((20 + index, 30, 3))).save(tmp_path / "in" / f"{index}.png")
    run(tmp_path / "in", tmp_path / "out", enlarging["blind2"])
    sizes = [read_picture(tmp_path / "out" / f"{index}.png").size_text for index in range(3)]
    assert sizes == ["60x40", "60x42", "60x44"]


def test_a_format_that_cannot_hold_the_larger_picture_is_refused_before_the_work(
    enlarging: Models, tmp_path: Path
) -> None:
    Image.fromarray(noisy((2, 9000))).save(tmp_path / "in.png")
    with pytest.raises(UserError, match="the picture becomes 18000x4 and WebP holds at most 16383 pixels a side"):
        run(tmp_path / "in.png", tmp_path / "out.webp", enlarging["gray2"])


def exif_of_a_camera(order: str = ">") -> bytes:
    """With the picture's size, and a camera's own notes behind it. `order`: of bytes, as `struct` names it."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "hinas camera"
    exif.get_ifd(0x8769)[0xA002] = 33
    exif.get_ifd(0x8769)[0xA003] = 21
    exif.get_ifd(0x8769)[0x927C] = b"maker's notes at a place of their own"
    return exif.tobytes()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("target_suffix", ["png", "jpg", "tif", "webp"])
def test_tags_of_the_size_follow_the_pixels(enlarging: Models, tmp_path: Path, suffix: str, target_suffix: str) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{target_suffix}"
    Image.fromarray(noisy((21, 33, 3))).save(source, exif=exif_of_a_camera(), dpi=(300, 300))
    run(source, target, enlarging["blind2"])
    with Image.open(target) as image:
        assert image.size == (66, 42)
        exif = image.getexif()
        own = exif.get_ifd(0x8769)
    assert exif[0x010F] == "hinas camera"
    assert (own[0xA002], own[0xA003]) == (66, 42)
    assert own[0x927C] == b"maker's notes at a place of their own"


@pytest.mark.parametrize("described", [{}, {"author": "me"}])
def test_a_description_of_the_smaller_array_goes(
    enlarging: Models, tmp_path: Path, caplog: pytest.LogCaptureFixture, described: dict[str, str]
) -> None:
    """tifffile's own, after which it warned."""
    tifffile.imwrite(tmp_path / "in.tif", noisy((21, 33, 3)), photometric="rgb", metadata=described)
    run(tmp_path / "in.tif", tmp_path / "out.tif", enlarging["blind2"])
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].shape == (42, 66, 3)
        description = file.pages[0].description  # pyright: ignore[reportAttributeAccessIssue]
    assert (json.loads(description) if description else {}) == described
    assert caplog.records == []


def test_a_description_of_another_program_stays(enlarging: Models, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", noisy((21, 33, 3)), photometric="rgb", description="the sea", metadata=None)
    run(tmp_path / "in.tif", tmp_path / "out.tif", enlarging["blind2"])
    with Image.open(tmp_path / "out.tif") as image:
        assert image.getexif()[270].rstrip("\0") == "the sea"


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_exif_block_changes_in_place(order: str) -> None:
    block = exif_of_a_camera(order).removeprefix(b"Exif\0\0")
    assert block[:2] == {"<": b"II", ">": b"MM"}[order]
    for width, height in ((66, 42), (70_000, 80_000)):
        changed = block_of_size(block, width, height)
        assert len(changed) == len(block)
        own = directory_from(changed)[0x8769].directory
        assert own is not None
        assert [int.from_bytes(own[tag].data, "little") for tag in (0xA002, 0xA003)] == [width, height]
    assert block_of_size(b"no block", 3, 3) == b"no block"
    assert block_of_size(block[:20], 3, 3) == block[:20]


@given(
    height=st.integers(1, 40),
    kept=st.tuples(st.integers(0, 39), st.integers(1, 12)),
    scale=st.integers(2, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
)
@settings(max_examples=60, deadline=None)
def test_opacity_in_bands_is_that_of_the_whole(height: int, kept: tuple[int, int], scale: int, dtype: Any) -> None:
    alpha = np.random.default_rng(height).integers(0, np.iinfo(dtype).max, (height, 17), dtype, endpoint=True)
    rows = Span(min(kept[0], height - 1), min(kept[0] + kept[1], height))
    read = alpha_rows_for(rows, height)
    part = enlarged_alpha_rows(alpha[read.slice], rows.shifted(-read.start), scale)
    assert np.array_equal(part, enlarged_alpha(alpha, scale)[rows.scaled(scale).slice])


LAYOUTS: dict[str, tuple[tuple[int, ...], Any, dict[str, Any]]] = {
    "grey strips": ((75, 61), np.uint8, {"rowsperstrip": 7, "compression": "zlib"}),
    "16-bit colour tiles": ((75, 61, 3), np.uint16, {"tile": (32, 16)}),
    "colour with alpha": ((75, 61, 4), np.uint8, {"tile": (16, 16), "compression": "lzw"}),
    "16-bit grey with alpha": ((75, 61, 2), np.uint16, {"rowsperstrip": 9}),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("model", ["color2", "color3", "aligned2"])
def test_a_huge_tiff_in_bands_is_the_one_in_memory(
    enlarging: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, model: str
) -> None:
    shape, dtype, options = LAYOUTS[name]
    num = 1 if len(shape) == 2 else shape[2]
    tifffile.imwrite(
        tmp_path / "in.tif",
        noisy(shape, dtype),
        photometric="rgb" if num >= 3 else "minisblack",
        planarconfig="contig" if num > 1 else None,
        extrasamples=["unassalpha"] if num in (2, 4) else None,
        resolution=(300, 300),
        **options,
    )
    sigma = None if model == "color3" else 20.0
    run(tmp_path / "in.tif", tmp_path / "memory.tif", enlarging[model], tile=24, sigma=sigma)
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    run(tmp_path / "in.tif", tmp_path / "streamed.tif", enlarging[model], tile=24, sigma=sigma)
    whole, streamed = read_picture(tmp_path / "memory.tif"), read_picture(tmp_path / "streamed.tif")
    with tifffile.TiffFile(tmp_path / "streamed.tif") as file:
        page: Any = file.pages[0]
        assert page.is_tiled, "it went through in bands"
    scale = 3 if model == "color3" else 2
    assert streamed.size_text == f"{61 * scale}x{75 * scale}"
    assert np.array_equal(whole.pixels, streamed.pixels)
    assert (whole.alpha is None) == (streamed.alpha is None)
    if whole.alpha is not None and streamed.alpha is not None:
        assert np.array_equal(whole.alpha, streamed.alpha)
    assert whole.metadata == streamed.metadata
    assert whole.native == streamed.native


def test_the_result_of_a_picture_counts_when_it_is_called_huge(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", noisy((50, 50)), photometric="minisblack")
    assert huge_tiff.huge_tiff(tmp_path / "in.tif", 20_000) is None
    assert huge_tiff.huge_tiff(tmp_path / "in.tif", 20_000, scale=2) is not None
