"""The clean images to measure quality on: finding, choosing and reading them."""

import hashlib
import os
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import UserError
from ...search.images.image_folder import SUFFIXES, evenly_chosen, read_clean
from .psnr_ssim import SMALLEST_SIDE

_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSet:
    """Test images and where they come from."""

    name: str
    """For people: the folder's, file's or pattern's name, and how many of its images are used."""
    files: tuple[Path, ...]
    """At least one, sorted; their headers can be read."""
    warnings: tuple[str, ...]
    """A line for every file that was passed over."""


def find_images(data: str, *, limit: int | None = None) -> ImageSet:
    """The images of a folder (and the folders in it), a file, or a glob pattern.

    `limit`: at most this many, evenly spread over the sorted names (25 of 200: every eighth); None: all.
    Raises UserError where there is none.
    """
    usable: list[Path] = []
    warnings: list[str] = []
    for file in _files(data):
        if file.suffix.lower() not in SUFFIXES:
            warnings.append(f"{file}: not an image file, skipped")
            continue
        try:
            eight_bit_size(file)
        except UserError as error:
            warnings.append(f"{error}, skipped")
        else:
            usable.append(file)
    if not usable:
        raise UserError(f"--data {data}: no usable image ({warnings[0] if warnings else 'nothing there'})")
    chosen = evenly_chosen(usable, limit)
    count = f"{len(chosen)} of {len(usable)} images" if len(chosen) < len(usable) else _counted(len(usable))
    return ImageSet(name=f"{Path(data).resolve().name} ({count})", files=tuple(chosen), warnings=tuple(warnings))


def images_digest(images: ImageSet) -> str:
    """The first 16 digits of a SHA-256 of the files' names and contents: folders called alike hold other images.

    The names count, for the noise follows from them.
    """
    digest = hashlib.sha256()
    for file in images.files:
        digest.update(os.fsencode(file.name) + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def clean_pixels(file: Path, channels: int) -> NDArray[np.uint8]:
    """Pixels (H, W) for one channel, Pillow's mode L (ITU-R 601 luma), or (H, W, 3) RGB for three.

    Raises UserError where the file is damaged.
    """
    pixels = read_clean(file, channels=channels, smallest_side=SMALLEST_SIDE)
    return pixels[:, :, 0] if channels == 1 else pixels


def eight_bit_size(file: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header; UserError where it cannot be scored, for its depth or its size."""
    try:
        with Image.open(file) as picture:
            mode, (width, height) = picture.mode, picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{file}: cannot be read as an image ({error})") from error
    if mode not in _EIGHT_BIT_MODES:
        raise UserError(f"{file}: has Pillow mode {mode}, expected 8 bits per channel")
    if min(width, height) < SMALLEST_SIDE:
        raise UserError(f"{file}: {width}x{height} is smaller than {SMALLEST_SIDE}x{SMALLEST_SIDE}")
    return width, height


def _files(data: str) -> list[Path]:
    path = Path(data)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if path.is_file():
        return [path]
    # pathlib's glob takes no absolute patterns.
    matches = sorted(Path(name) for name in glob(data, recursive=True) if Path(name).is_file())  # noqa: PTH207
    if not matches:
        raise UserError(f"--data {data}: no such file or folder, and no file matches it; give clean images")
    return matches


def _counted(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"
