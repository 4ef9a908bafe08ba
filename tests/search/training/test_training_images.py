"""Images for training: what is read, what is passed over, and patches that really come from the images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.search.images.image_folder import load_images
from hinas.search.images.training_images import PatchSource
from PIL import Image


def test_files_that_cannot_be_used_are_named_and_passed_over(picture_folder: Path, tmp_path: Path) -> None:
    whole = sorted(picture_folder.glob("*.png"))[0]
    (tmp_path / "good.png").write_bytes(whole.read_bytes())
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:200])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("no image")
    Image.new("RGB", (20, 200)).save(tmp_path / "narrow.png")
    loaded = load_images(tmp_path, channels=3, smallest_side=64)
    assert loaded.names == (str(tmp_path / "good.png"),)
    named = " | ".join(loaded.warnings)
    for name, reason in (
        ("cut.png", "cannot be read"),
        ("empty.jpg", "cannot be read"),
        ("notes.txt", "not an image"),
        ("narrow.png", "20x200 is smaller than 64x64"),
    ):
        assert any(name in line and reason in line for line in loaded.warnings), named


def test_a_folder_without_a_usable_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no usable training image"):
        load_images(tmp_path, channels=1, smallest_side=64)
    with pytest.raises(UserError, match="no such file or folder"):
        load_images(tmp_path / "nowhere", channels=1, smallest_side=64)


def test_grey_is_itu_601_luma(picture_folder: Path) -> None:
    colour = load_images(picture_folder, channels=3, smallest_side=8).images[0].astype(float)
    grey = load_images(picture_folder, channels=1, smallest_side=8).images[0][..., 0]
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - grey).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("suffix", "white"), [(".png", 65535), (".tif", 65535), (".pgm", 65535), (".tif", 1.0)])
def test_grey_pictures_of_more_than_8_bits_are_rounded_to_8(
    tmp_path: Path, channels: int, suffix: str, white: float
) -> None:
    eight = np.arange(256, dtype=np.uint8).reshape(16, 16)
    kind = np.uint16 if white > 1 else np.float32
    # A third of a grey level more is rounded off; white stays white.
    deep = np.minimum((eight + 1 / 3) * (white / 255), white).astype(kind)
    Image.fromarray(deep).save(tmp_path / f"deep{suffix}")
    (pixels,) = load_images(tmp_path, channels=channels, smallest_side=16).images
    assert pixels.shape == (16, 16, channels)
    assert (pixels == eight[..., None]).all()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.linspace(0, 255, 256, dtype=np.float32), "floating-point values from 0 to 255, expected 0 to 1"),
        (np.full(256, np.nan, np.float32), "floating-point values from nan to nan"),
        (np.linspace(0, 70_000, 256, dtype=np.int32), "whole numbers from 0 to 70000, expected 0 to 65535"),
    ],
)
def test_values_whose_white_is_not_known_are_refused(tmp_path: Path, values: np.ndarray, found: str) -> None:
    Image.fromarray(values.reshape(16, 16)).save(tmp_path / "deep.tif")
    with pytest.raises(UserError, match=rf"deep\.tif: {found}.*save it with 8 bits"):
        load_images(tmp_path, channels=1, smallest_side=16)


def test_every_patch_is_a_flipped_or_turned_window_of_an_image_and_all_eight_ways_occur() -> None:
    random = np.random.default_rng(0)
    # The first channel numbers the pixels of both images, so a patch tells where it came from.
    images = []
    for index, (height, width) in enumerate(((11, 13), (12, 9))):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        pixels[..., 0] = np.arange(height * width).reshape(height, width)
        pixels[..., 1] = index
        images.append(pixels)
    source = PatchSource(images, device=torch.device("cpu"))
    patches = source.draw(400, 5, torch.Generator().manual_seed(0))
    assert patches.shape == (400, 3, 5, 5)
    seen = set()
    for patch in np.rint(patches.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8):
        image = images[patch[0, 0, 1]]
        top, left = divmod(int(patch[..., 0].min()), image.shape[1])
        window = image[top : top + 5, left : left + 5]
        ways = [np.rot90(flipped, turns) for flipped in (window, window[:, ::-1]) for turns in range(4)]
        matches = [way for way, candidate in enumerate(ways) if np.array_equal(candidate, patch)]
        assert len(matches) == 1
        seen.add((int(patch[0, 0, 1]), matches[0]))
    assert len(seen) == 16


def test_patches_may_be_as_large_as_the_image_and_repeat_with_the_generator() -> None:
    images = [np.arange(64, dtype=np.uint8).reshape(8, 8, 1)]
    source = PatchSource(images, device=torch.device("cpu"))
    first = source.draw(3, 8, torch.Generator().manual_seed(7))
    again = source.draw(3, 8, torch.Generator().manual_seed(7))
    assert torch.equal(first, again)
    assert set(np.rint(first[0].numpy().ravel() * 255).astype(int)) == set(range(64))


def test_a_patch_larger_than_an_image_is_refused_instead_of_made_of_two_images() -> None:
    images = [np.full((9, 40, 1), 50, np.uint8), np.full((40, 40, 1), 200, np.uint8)]
    source = PatchSource(images, device=torch.device("cpu"))
    with pytest.raises(UserError, match="crop: got 10, but an image has a side of 9 pixels; give a smaller crop"):
        source.draw(4, 10, torch.Generator().manual_seed(0))
