"""AVIF: 8 bits in and out, 10 and 12 bits in alone. Always RGB, with or without alpha."""

import io
import re
import struct

import numpy as np

from ....errors import UserError
from ..colour_codes import ColourCodes, codes_from
from ..levels import full_range
from ..picture import Metadata, Picture, rgb_with_alpha, without_alpha
from ..pillow_files import opened

_EXIF = b"Exif\0\0"
_QUALITY = 95
_SPEED = 8
"""0 slow to 10: three times as fast as the default, for files of the same size."""
_DEPTH = re.compile(rb"av1C..(.)", re.DOTALL)
_IS_DEEP, _IS_DEEPER = 0x40, 0x20
"""More than 8 bits; if so, 12 and not 10. AV1 in ISOBMFF, section 2.3.3."""
_CODES = re.compile(rb"colrnclx(....)", re.DOTALL)


def picture_from_avif(data: bytes) -> Picture:
    """The picture in the bytes of an AVIF file."""
    image = opened(data, "AVIF")
    bits = _bits(data)
    if bits == 8:
        levels = np.asarray(image)
    else:
        import imagecodecs

        levels = full_range(imagecodecs.avif_decode(data), 2**bits - 1)
    pixels, alpha = without_alpha(levels)
    exif, icc = image.info.get("exif"), image.info.get("icc_profile")
    return Picture(
        pixels=pixels,
        alpha=alpha,
        format="AVIF",
        is_lossless=False,
        metadata=Metadata(
            exif=None if exif is None else exif.removeprefix(_EXIF),
            icc=icc,
            xmp=image.info.get("xmp"),
            codes=None if icc is not None else _codes(data),
        ),
        notes=() if bits == 8 else (f"{bits} bits per channel became 16",),
    )


def avif_from_picture(picture: Picture) -> bytes:
    """The bytes of an AVIF file. The picture has 8 bits; grey is stored as RGB, which Pillow alone writes."""
    from PIL import Image

    metadata = picture.metadata
    buffer = io.BytesIO()
    Image.fromarray(rgb_with_alpha(picture)).save(
        buffer,
        "AVIF",
        quality=_QUALITY,
        subsampling="4:4:4",
        speed=_SPEED,
        exif=metadata.exif or b"",
        icc_profile=metadata.icc or b"",
        xmp=metadata.xmp or b"",
    )
    return buffer.getvalue()


def check_avif() -> None:
    """Raise UserError where this machine's Pillow cannot write AVIF."""
    from PIL import features

    if not features.check("avif"):
        raise UserError("this Pillow was built without AVIF; pip install --upgrade pillow, or write PNG or WebP")


def _bits(data: bytes) -> int:
    """The most of any picture in the file."""
    flags = [found[1][0] for found in _DEPTH.finditer(data[: data.find(b"mdat")])]
    deep = [12 if flag & _IS_DEEPER else 10 for flag in flags if flag & _IS_DEEP]
    return max(deep, default=8)


def _codes(data: bytes) -> ColourCodes | None:
    found = _CODES.search(data)
    return None if found is None else codes_from(*struct.unpack(">HH", found[1]))
