"""WebP: a lossless source stays lossless, others are written at quality 95. Always 8-bit RGB, with or without alpha."""

import io

import numpy as np

from ....errors import UserError
from ..picture import Metadata, Picture, rgb_with_alpha, without_alpha
from ..pillow_files import notes_on_rest, opened


def picture_from_webp(data: bytes) -> Picture:
    """The picture in the bytes of a WebP file."""
    image = opened(data, "WEBP")
    if image.mode not in ("RGB", "RGBA"):
        raise UserError(f"a WebP in mode {image.mode}; hinas denoises grey and RGB pictures, convert it to RGB first")
    pixels, alpha = without_alpha(np.asarray(image))
    exif = image.info.get("exif")
    return Picture(
        pixels=pixels,
        alpha=alpha,
        format="WebP",
        is_lossless=_is_lossless(data),
        metadata=Metadata(
            exif=None if exif is None else exif.removeprefix(b"Exif\0\0"),
            icc=image.info.get("icc_profile"),
            xmp=image.info.get("xmp"),
        ),
        # RIFF's length counts from behind itself.
        notes=notes_on_rest(data[8 + int.from_bytes(data[4:8], "little") :], b"RIFF"),
    )


def webp_from_picture(picture: Picture) -> bytes:
    """The bytes of a WebP file. The picture has 8 bits; grey is stored as RGB, which WebP alone knows."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb_with_alpha(picture)).save(
        buffer,
        "WEBP",
        lossless=picture.is_lossless,
        quality=75 if picture.is_lossless else 95,  # of the search for small files, or of the pixels
        alpha_quality=100,
        exact=True,  # colours under transparent pixels stay
        exif=picture.metadata.exif or b"",
        icc_profile=picture.metadata.icc or b"",
        xmp=picture.metadata.xmp or b"",
    )
    return buffer.getvalue()


def _is_lossless(data: bytes) -> bool:
    """Whether the pixels are in a chunk VP8L (else VP8)."""
    position = 12
    while position + 8 <= len(data):
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        position += 8 + length + length % 2
    return False
