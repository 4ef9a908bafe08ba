"""Cameras' raw files (DNG) made by tests: a mosaic as a sensor gives it, and what a camera says of the shot."""

import struct
from pathlib import Path

import numpy as np
from hinas.runtime.pictures.exif.exif_block import CLASSIC, Directory, Value, directory_bytes

BLACK, WHITE = 512, 16383
"""Levels of the sensor."""
MAKE = b"Stand-in\0"
EXPOSURE_TIME = 33434
_MAKER_NOTE, _COLOUR_FILTER_ARRAY, _PIXELS_AT = 37500, 32803, 8
# XYZ to sRGB's linear light: the sensor's colours are those of sRGB.
_COLOUR_MATRIX = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)
_DAYLIGHT_6500 = 21


def mosaic_from(linear: np.ndarray) -> np.ndarray:
    """Sensor levels (H, W) uint16, red first, of linear light (H, W, 3) in 0..1."""
    mosaic = linear[:, :, 1].copy()
    mosaic[::2, ::2] = linear[::2, ::2, 0]
    mosaic[1::2, 1::2] = linear[1::2, 1::2, 2]
    return np.round(BLACK + mosaic.clip(0, 1) * (WHITE - BLACK)).astype(np.uint16)


def write_dng(path: Path, mosaic: np.ndarray, *, orientation: int = 1) -> Path:
    """`mosaic`: sensor levels (H, W) uint16. `orientation`: EXIF's number."""
    height, width = mosaic.shape
    pixels = mosaic.astype("<u2").tobytes()
    shot: Directory = {
        EXPOSURE_TIME: _rationals(1 / 250),
        _MAKER_NOTE: Value(7, b"of the sensor's pixels", place=0),
    }
    tags: Directory = {
        254: _longs(0),
        256: _longs(width),
        257: _longs(height),
        258: _shorts(16),
        259: _shorts(1),
        262: _shorts(_COLOUR_FILTER_ARRAY),
        271: Value(2, MAKE),
        272: Value(2, b"Model 1\0"),
        273: _longs(_PIXELS_AT),
        274: _shorts(orientation),
        277: _shorts(1),
        278: _longs(height),
        279: _longs(len(pixels)),
        33421: _shorts(2, 2),
        33422: Value(1, b"\0\1\1\2"),
        34665: Value(4, b"", shot),
        50706: Value(1, b"\1\4\0\0"),
        50707: Value(1, b"\1\1\0\0"),
        50708: Value(2, b"Model 1\0"),
        50714: _longs(BLACK),
        50717: _longs(WHITE),
        50721: _rationals(*_COLOUR_MATRIX),
        50728: _rationals(1, 1, 1),
        50778: _shorts(_DAYLIGHT_6500),
    }
    start = _PIXELS_AT + len(pixels)
    path.write_bytes(b"II*\0" + struct.pack("<I", start) + pixels + directory_bytes(tags, start, CLASSIC))
    return path


def _shorts(*numbers: int) -> Value:
    return Value(3, struct.pack(f"<{len(numbers)}H", *numbers))


def _longs(*numbers: int) -> Value:
    return Value(4, struct.pack(f"<{len(numbers)}I", *numbers))


def _rationals(*numbers: float) -> Value:
    """Signed, of ten-thousandths."""
    return Value(10, b"".join(struct.pack("<ii", round(10000 * number), 10000) for number in numbers))
