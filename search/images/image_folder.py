"""A folder of clean images: which files are images, which of them to take, and their pixels. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import UserError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".ppm", ".pgm"})


def files_of(source: str) -> list[Path]:
    """The files of a folder and the folders in it, the one file, or those that a glob matches; sorted, maybe none."""
    path = Path(source)
    # pathlib's glob takes no absolute patterns.
    found = path.rglob("*") if path.is_dir() else [path] if path.is_file() else map(Path, glob(source, recursive=True))  # noqa: PTH207
    return sorted(file for file in found if file.is_file())


def is_image_file(file: Path) -> bool:
    """Whether a file's name says that it is an image."""
    return file.suffix.lower() in SUFFIXES


@dataclass(frozen=True, kw_only=True)
class LoadedImages:
    """Clean images, each (H, W, C) uint8, and a line for every file that was passed over."""

    names: tuple[str, ...]
    images: tuple[np.ndarray, ...]
    warnings: tuple[str, ...]


def load_images(source: Path, *, channels: int, smallest_side: int) -> LoadedImages:
    """Read every image below a folder (or one file), in the order of their names.

    `channels` 1 converts to grey by ITU-R 601 luma (Pillow's mode L), 3 to RGB. Files that are no images, damaged, or
    smaller than `smallest_side` pixels on a side become warnings. UserError where nothing usable is left.
    """
    if not source.exists():
        raise UserError(f"{source}: no such file or folder; give a folder of clean images")
    names: list[str] = []
    images: list[np.ndarray] = []
    warnings: list[str] = []
    for path in files_of(str(source)):
        if not is_image_file(path):
            warnings.append(f"{path}: not an image file, skipped")
            continue
        try:
            images.append(read_clean(path, channels=channels, smallest_side=smallest_side))
        except UserError as error:
            warnings.append(f"{error}, skipped")
            continue
        names.append(str(path))
    if not images:
        what = warnings[0] if warnings else "the folder is empty"
        raise UserError(f"{source}: no usable training image ({what}); expected sides of {smallest_side} pixels")
    return LoadedImages(names=tuple(names), images=tuple(images), warnings=tuple(warnings))


def read_clean(path: Path, *, channels: int, smallest_side: int) -> np.ndarray:
    """One image as (H, W, C) uint8, as `load_images` reads it; UserError where it is none, damaged or too small.

    Grey pictures of 16 bits, and of floating-point values in 0..1, are rounded to 8 bits.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(_with_8_bits(picture, path).convert("L" if channels == 1 else "RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error
    if min(pixels.shape[:2]) < smallest_side:
        height, width = pixels.shape[:2]
        raise UserError(f"{path}: {width}x{height} is smaller than {smallest_side}x{smallest_side}")
    return pixels.reshape(*pixels.shape[:2], channels)


def _with_8_bits(picture: Image.Image, path: Path) -> Image.Image:
    """The picture itself unless its grey values are of 16 bits or floating-point: Pillow would clip those to 0..255."""
    if picture.mode == "F":
        whites, what = 1.0, "floating-point values"
    elif picture.mode == "I" or picture.mode.startswith("I;16"):
        whites, what = 65535.0, "whole numbers"
    else:
        return picture
    values = np.asarray(picture).astype(np.float64)
    low, high = values.min(), values.max()
    # Written so that NaN is refused too.
    if not (low >= 0 and high <= whites):
        raise UserError(f"{path}: {what} from {low:g} to {high:g}, expected 0 to {whites:g}; save it with 8 bits")
    return Image.fromarray(np.rint(values * (255 / whites)).astype(np.uint8))


def evenly_chosen(files: Sequence[Path], limit: int | None) -> list[Path]:
    """At most `limit` of `files`, evenly spread, the first one always among them; None: all."""
    if limit is None or limit >= len(files):
        return list(files)
    return [files[index * len(files) // limit] for index in range(limit)]
