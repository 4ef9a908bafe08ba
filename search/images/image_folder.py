"""Files of clean images: which there are, an even choice of them, and their pixels. No torch."""

from collections.abc import Sequence
from glob import glob
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
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


def evenly_chosen(files: Sequence[Path], limit: int | None) -> list[Path]:
    """At most `limit` of `files`, evenly spread, the first one always among them; None: all."""
    if limit is None or limit >= len(files):
        return list(files)
    return [files[index * len(files) // limit] for index in range(limit)]


def read_clean(path: Path, *, channels: int, smallest_side: int = 1) -> NDArray[np.uint8]:
    """One image as (H, W, C) uint8; UserError where it is none, damaged or smaller than `smallest_side` pixels.

    `channels` 1 converts to grey by ITU-R 601 luma (Pillow's mode L), 3 to RGB.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error
    if min(pixels.shape[:2]) < smallest_side:
        height, width = pixels.shape[:2]
        raise UserError(f"{path}: {width}x{height} is smaller than {smallest_side}x{smallest_side}")
    return pixels.reshape(*pixels.shape[:2], channels)
