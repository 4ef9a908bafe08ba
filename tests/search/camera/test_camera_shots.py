"""Simulated shots: compression, seeds, shares, the task that trains on them and the files that hold them."""

import csv
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.search.camera.clean_crops import CleanImages, drawn_crop
from hinas.search.camera.jpeg import Jpeg
from hinas.search.camera.pair_files import simulated_pairs
from hinas.search.camera.random_shots import SHARES, drawn_shot, shot_at_gain
from hinas.search.camera.shot import level_of
from hinas.search.tasks.camera import Camera
from hinas.search.tasks.interface import TaskOptions
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

TOOL = Path(__file__).parents[3] / "tools" / "make_camera_pairs.py"


def _picture(height: int = 64, width: int = 80) -> np.ndarray:
    """Smooth colours with an edge."""
    rows, columns = np.mgrid[:height, :width]
    planes = [120 + 80 * np.sin(rows / 15), 90 + columns, 200 - rows - columns / 2]
    pixels = np.stack(planes, axis=2)
    pixels[:, width // 2 :] *= 0.6
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


# JPEG


@pytest.mark.parametrize("quality", [20, 60, 85, 98])
def test_compression_uses_libjpegs_tables_and_the_subsampling_asked_for(
    quality: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[bytes] = []

    def opened(store: io.BytesIO):
        stored.append(store.getvalue())
        return real_open(store)

    real_open = Image.open
    monkeypatch.setattr(Image, "open", opened)
    for subsampling in ("4:4:4", "4:2:0"):
        Jpeg(quality=quality, subsampling=subsampling).compressed(_picture())
    monkeypatch.undo()
    # The standard's first luma step is 16, scaled as libjpeg does.
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    expected = max(1, int((16 * percent + 50) / 100))
    factors = []
    for data in stored:
        with Image.open(io.BytesIO(data)) as picture:
            assert isinstance(picture, JpegImageFile)
            assert picture.quantization[0][0] == expected
            factors.append(picture.layer[0][1:3])
    assert factors == [(1, 1), (2, 2)]


def test_the_grid_of_blocks_begins_at_the_offset() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    moved = Jpeg(quality=30, subsampling="4:4:4", offset=(3, 5)).compressed(pixels)
    np.testing.assert_array_equal(moved[:3], pixels[:3])
    np.testing.assert_array_equal(
        moved[3:, 5:], Jpeg(quality=30, subsampling="4:4:4").compressed(np.ascontiguousarray(pixels[3:, 5:]))
    )


def test_lower_quality_takes_more_away() -> None:
    levels = [level_of(Jpeg(quality=q, subsampling="4:2:0").compressed(_picture()), _picture()) for q in (20, 60, 95)]
    assert levels == sorted(levels, reverse=True)


# Shots


def test_the_level_is_the_rms_in_grey_levels() -> None:
    clean = np.full((8, 8, 3), 100, np.uint8)
    degraded = clean.copy()
    degraded[..., 0] += 6
    assert level_of(degraded, clean) == pytest.approx(6 / np.sqrt(3))
    assert level_of(clean, degraded) == level_of(degraded, clean)


def test_a_seed_gives_the_same_values_and_pixels_and_another_seed_does_not() -> None:
    assert drawn_shot(7) == drawn_shot(7)
    assert drawn_shot(7) != drawn_shot(8)
    shot = drawn_shot(7, "camera")
    for first, second in zip(shot.pair(_picture()), drawn_shot(7, "camera").pair(_picture()), strict=True):
        np.testing.assert_array_equal(first, second)
    other_noise = replace(shot, seed=shot.seed + 1, jpeg=None)
    assert not np.array_equal(other_noise.pair(_picture())[0], replace(shot, jpeg=None).pair(_picture())[0])
    assert "gain=" in repr(shot)


def test_kinds_are_drawn_by_their_shares() -> None:
    kinds = [drawn_shot(seed).kind for seed in range(2000)]
    assert sum(SHARES.values()) == pytest.approx(1)
    for kind, share in SHARES.items():
        assert kinds.count(kind) / 2000 == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("size", [(33, 47), (64, 64)])
def test_pairs_keep_the_size_of_the_picture(size: tuple[int, int]) -> None:
    for seed in range(30):
        degraded, clean = drawn_shot(seed).pair(_picture(*size))
        assert degraded.shape == clean.shape == (*size, 3)
        assert degraded.dtype == clean.dtype == np.uint8


def test_the_clean_side_of_a_shot_has_neither_noise_nor_compression() -> None:
    shot = replace(drawn_shot(11, "camera"), jpeg=Jpeg(quality=70, subsampling="4:2:0"))
    undenoised = replace(shot, development=replace(shot.development, luma_denoising=0.0))
    first, second = undenoised.pair(_picture()), replace(undenoised, seed=5, jpeg=None).pair(_picture())
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.array_equal(first[0], second[0])


def test_developing_keeps_the_look_of_a_smooth_picture() -> None:
    picture = _picture()
    for seed in range(20):
        clean = drawn_shot(seed, "camera").pair(picture)[1].astype(float)
        assert np.abs(clean[8:-8, 8:24].mean((0, 1)) - picture[8:-8, 8:24].mean((0, 1))).max() < 4


def test_white_noise_has_its_sigma_and_is_added_to_the_file() -> None:
    shot = replace(drawn_shot(3, "white"), white_sigma=12.0)
    grey = np.full((128, 128, 3), 128, np.uint8)
    degraded, clean = shot.pair(grey)
    np.testing.assert_array_equal(clean, grey)
    assert level_of(degraded, clean) == pytest.approx(12, rel=0.02)


def test_low_quality_jpeg_alone_and_clean_pictures() -> None:
    picture = _picture()
    for seed in range(40):
        jpeg, clean = drawn_shot(seed, "jpeg"), drawn_shot(seed, "clean")
        assert jpeg.jpeg is not None
        assert 20 <= jpeg.jpeg.quality <= 60
        np.testing.assert_array_equal(jpeg.pair(picture)[1], picture)
        if clean.jpeg is None:
            assert level_of(*clean.pair(picture)) == 0
        else:
            assert clean.jpeg.quality >= 90


def test_noise_grows_with_the_gain() -> None:
    grey = np.full((96, 96, 3), 110, np.uint8)
    levels = [level_of(*shot_at_gain(gain, seed=1).pair(grey)) for gain in (0.5, 4.0, 26.0)]
    assert levels == sorted(levels)
    assert levels[2] > 3 * levels[0]


def test_levels_of_shots_reach_from_hardly_any_to_strong_noise() -> None:
    levels = [level_of(*drawn_shot(seed, "camera").pair(_picture(48, 48))) for seed in range(120)]
    low, middle, high = np.percentile(levels, [5, 50, 95])
    assert low < 2.7
    assert 2.5 < middle < 7
    assert high > 8


# The task


def test_the_task_draws_pairs_of_measured_level() -> None:
    clean = torch.rand(6, 3, 40, 40, generator=_generator())
    pairs = Camera().drawn(clean, _generator())
    assert pairs.degraded_BCHW.shape == pairs.clean_BCHW.shape == clean.shape
    assert pairs.level_B is not None
    rms = ((pairs.degraded_BCHW - pairs.clean_BCHW) * 255).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(pairs.level_B, rms.clamp(max=30), rtol=1e-3, atol=1e-3)
    again = Camera().drawn(clean, _generator())
    assert torch.equal(pairs.degraded_BCHW, again.degraded_BCHW)


def test_the_cases_of_the_task_are_isos_of_rising_noise() -> None:
    clean = torch.from_numpy(_picture()).permute(2, 0, 1)[None].float() / 255
    task = Camera()
    levels = [task.of_case(clean, case, _generator()).level_B for case in task.cases]
    assert [case.name for case in task.cases] == ["ISO 400", "ISO 1600", "ISO 6400"]
    assert all(level is not None for level in levels)
    assert [float(level) for level in levels if level is not None] == sorted(float(v) for v in levels if v is not None)


def test_grey_images_get_the_luma_of_a_developed_shot() -> None:
    pairs = Camera().drawn(torch.rand(3, 1, 32, 32, generator=_generator()), _generator())
    assert pairs.degraded_BCHW.shape == (3, 1, 32, 32)


def test_the_task_refuses_options_of_other_tasks() -> None:
    assert Camera.from_options(TaskOptions()) == Camera()
    for options in (TaskOptions(scale=2), TaskOptions(levels=(30.0,)), TaskOptions(quantised_share=0.5)):
        with pytest.raises(UserError, match="camera noise"):
            Camera.from_options(options)


# Files


def test_crops_depend_on_their_seed_and_hold_the_image() -> None:
    origin = CleanImages(images=[_picture(), _picture(70, 64)])
    np.testing.assert_array_equal(drawn_crop([origin], 48, 3), drawn_crop([origin], 48, 3))
    assert drawn_crop([origin], 64, 3).shape == (64, 64, 3)
    flat = CleanImages(images=[np.full((50, 50, 3), 77, np.uint8)])
    assert np.all(drawn_crop([origin, flat], 32, 0) == 77) or drawn_crop([origin, flat], 32, 0).std() > 0
    assert np.all(drawn_crop([flat], 32, 0) == 77)


def test_a_pair_does_not_depend_on_how_many_there_are() -> None:
    origin = CleanImages(images=[_picture()])
    few = list(simulated_pairs([origin], number=2, size=32, seed=4))
    many = list(simulated_pairs([origin], number=3, size=32, seed=4))
    for one, other in zip(few, many, strict=False):
        assert one.shot == other.shot
        np.testing.assert_array_equal(one.degraded, other.degraded)


def _run_tool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_tool_writes_the_same_set_for_the_same_seed(tmp_path: Path) -> None:
    source = tmp_path / "clean"
    source.mkdir()
    for place in range(3):
        Image.fromarray(np.roll(_picture(), 9 * place, axis=0)).save(source / f"{place}.png")
    sizes = ("--train", 3, "--test", 2, "--size", 48)
    outs = [tmp_path / "first", tmp_path / "second"]
    for out in outs:
        result = _run_tool(source, out, *sizes)
        assert result.returncode == 0, result.stderr
    files = sorted(str(path.relative_to(outs[0])) for path in outs[0].rglob("*") if path.is_file())
    expected = [f"{part}/{side}/{place:04}.png" for part, number in (("train", 3), ("test", 2))
                for side in ("noisy", "clean") for place in range(number)]  # fmt: skip
    assert files == sorted([*expected, "parameters.csv"])
    assert all((outs[0] / name).read_bytes() == (outs[1] / name).read_bytes() for name in files)
    with (outs[0] / "parameters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    noisy, clean = (np.asarray(Image.open(outs[0] / "train" / side / "0001.png")) for side in ("noisy", "clean"))
    assert rows[1]["file"] == "train/noisy/0001.png"
    assert float(rows[1]["level"]) == pytest.approx(level_of(noisy, clean), abs=1e-3)
    assert float(rows[1]["sensor.gain"]) > 0
    refused = _run_tool(source, outs[0], *sizes)
    assert refused.returncode == 2
    assert "exists already" in refused.stderr


@pytest.mark.slow
def test_the_tool_writes_arrays_and_refuses_a_single_photograph(tmp_path: Path) -> None:
    source = tmp_path / "clean"
    source.mkdir()
    Image.fromarray(_picture()).save(source / "0.png")
    sizes = ("--train", 2, "--test", 1, "--size", 32, "--as", "npy")
    refused = _run_tool(source, tmp_path / "out", *sizes)
    assert refused.returncode == 2
    assert "expected at least 2" in refused.stderr
    Image.fromarray(_picture()[::-1]).save(source / "1.png")
    assert _run_tool(source, tmp_path / "out", *sizes).returncode == 0
    assert np.load(tmp_path / "out" / "train.npy").shape == (2, 32, 32, 6)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["clean", "out"]
