"""Cameras' raw files: developed by LibRaw through rawpy, an optional package, without any noise reduction of its own.

They are read alone: what a camera measured cannot be written back.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ....errors import UserError
from ....installation import install_advice
from ..damage import damage_is_the_users
from ..exif.exif_block import Directory, Value, block_from, directory_from
from ..exif.maker_notes import MAKER_NOTE
from ..picture import Metadata, Picture, without_alpha
from ..pillow_files import check_size

_SRGB_CURVE = (2.4, 12.92)
"""Exponent, and slope at black."""
_BITS = 16
_EXIF_PREFIX = b"Exif\0\0"
_EXIF, _GPS, _ORIENTATION, _SHORT = 34665, 34853, 274, 3
# Description, make, model, program, date, artist, copyright: what is true of the developed picture too.
_KEPT = frozenset({270, 271, 272, 305, 306, 315, 33432, _EXIF, _GPS})
# The colour space, size and interoperability of the camera's own JPEG.
_NOT_KEPT_OF_EXIF = frozenset({MAKER_NOTE, 40961, 40962, 40963, 40965})
_NOTE = "developed by LibRaw: white as the camera set it, exposure as taken, sRGB, 16 bits, no noise reduction"


def picture_from_raw(data: bytes) -> Picture:
    """The developed picture in the bytes of a raw file: upright, RGB or grey, 16 bits, sRGB's curve."""
    library = _library()
    with _opened(library, io.BytesIO(data)) as raw:
        check_size(raw.sizes.width, raw.sizes.height)
        levels = raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,  # else the brightest pixel of the shot may become white
            output_color=library.ColorSpace.sRGB,
            gamma=_SRGB_CURVE,
            output_bps=_BITS,
            fbdd_noise_reduction=library.FBDDNoiseReductionMode.Off,
            median_filter_passes=0,
        )
        exif = _exif_of(data, raw, library)
    pixels, _ = without_alpha(np.asarray(levels))
    notes = (_NOTE,) if exif is not None else (_NOTE, "the raw file's EXIF could not be read and was left out")
    return Picture(pixels=pixels, format="camera raw", metadata=Metadata(exif=exif), notes=notes)


def decoded_bytes_of_raw(path: Path) -> int:
    """Bytes of the developed picture."""
    library = _library()
    with _opened(library, str(path)) as raw:
        return raw.sizes.width * raw.sizes.height * 3 * (_BITS // 8)


@contextmanager
def _opened(library: ModuleType, source: io.BytesIO | str) -> Iterator[Any]:
    """rawpy's file. What LibRaw cannot do with it, also later, is a UserError."""
    try:
        with library.imread(source) as raw:
            yield raw
    except library.LibRawError as error:
        raise UserError(_what_failed(error)) from error


def _exif_of(data: bytes, raw: Any, library: ModuleType) -> bytes | None:
    """What the file says of the shot; None where it says nothing that can be read."""
    found = _shot_from(data)
    if found is None:
        try:
            preview = raw.extract_thumb()
        except library.LibRawError:
            return None
        if preview.format != library.ThumbFormat.JPEG:
            return None
        at = preview.data.find(_EXIF_PREFIX)
        found = None if at < 0 else _shot_from(preview.data[at + len(_EXIF_PREFIX) :])
    return None if found is None else block_from(found)


def _shot_from(data: bytes) -> Directory | None:
    """The tags of a TIFF structure that are true of the developed picture; None where it is no such structure."""
    try:
        with damage_is_the_users():
            directory = directory_from(data)
    except UserError:
        return None
    kept = {tag: value for tag, value in directory.items() if tag in _KEPT}
    below = kept.get(_EXIF)
    if below is not None and below.directory is not None:
        of_shot = {tag: value for tag, value in below.directory.items() if tag not in _NOT_KEPT_OF_EXIF}
        kept[_EXIF] = Value(below.type, b"", of_shot)
    # LibRaw has turned the pixels: the tag must not turn them once more.
    return kept | {_ORIENTATION: Value(_SHORT, struct.pack("<H", 1))}


def _what_failed(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return f"a raw file that LibRaw cannot develop ({words or 'no reason given'}); use another raw converter"


def _library() -> ModuleType:
    try:
        import rawpy
    except ImportError:
        raise UserError(f"raw files need the package rawpy; install it: {install_advice('cpu,formats')}") from None
    return rawpy
