"""Levels whose white is not that of 8 or 16 bits, such as 10 bits, and back."""

import numpy as np

from .picture import Image


def full_range(levels: Image, white: int) -> Image:
    """Levels of 0 to `white` as uint8 up to 255, else as uint16, where white is 255 or 65535; no two become one."""
    dtype = np.dtype(np.uint8 if white < 256 else np.uint16)
    return _scaled(levels, white, np.iinfo(dtype).max).astype(dtype)


def narrowed(levels: Image, white: int) -> Image:
    """Levels of all 8 or 16 bits as 0 to `white`, of the same type."""
    return _scaled(levels, np.iinfo(levels.dtype).max, white).astype(levels.dtype)


def _scaled(levels: Image, white: int, new_white: int) -> Image:
    if white == new_white:
        return levels
    return (levels.astype(np.uint32) * new_white + white // 2) // white
