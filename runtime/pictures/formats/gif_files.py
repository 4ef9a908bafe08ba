"""GIF of a single frame: grey or RGB of 8 bits, opaque or clear. It is written where it was read alone."""

import io
from dataclasses import dataclass

import numpy as np

from ....errors import UserError
from ..picture import Format, Metadata, Picture, rgb_with_alpha
from ..pillow_files import opened


@dataclass(frozen=True, kw_only=True, slots=True)
class GifDetails:
    """What only a GIF file can take back."""

    comment: bytes
    """Empty: none."""
    has_end: bool = True
    """Whether the file has its end mark."""


MAY_LACK_FRAMES = "the GIF has no end mark: it may have been cut, and lack frames"
_TABLE, _TABLE_SIZE = 0x80, 0x07
"""Bits of a flag byte: whether a table of colours follows, and of how many."""
_IMAGE, _EXTENSION, _END = 0x2C, 0x21, 0x3B


def has_end_mark(data: bytes) -> bool:
    """Whether the blocks of a GIF file end with its end mark; what follows it does not count."""
    place = 13 + _table_bytes(data[10:11])
    while data[place : place + 1] != bytes([_END]):
        kind = data[place : place + 1]
        if kind == bytes([_IMAGE]):
            place += 10 + _table_bytes(data[place + 9 : place + 10]) + 1
        elif kind == bytes([_EXTENSION]):
            place += 2
        else:
            return False
        while size := int.from_bytes(data[place : place + 1]):
            place += 1 + size
        place += 1
    return True


def _table_bytes(flags: bytes) -> int:
    """Of the table of colours that a flag byte announces."""
    bits = int.from_bytes(flags)
    return 3 * 2 ** ((bits & _TABLE_SIZE) + 1) if bits & _TABLE else 0


def picture_from_gif(data: bytes) -> Picture:
    """The picture in the bytes of a GIF file."""
    image = opened(data, "GIF")
    channels = np.asarray(image.convert("RGBA"))
    alpha = channels[:, :, 3]
    is_grey = (channels[:, :, :1] == channels[:, :, 1:3]).all()
    xmp = image.info.get("xmp")
    return Picture(
        pixels=channels[:, :, 0].copy() if is_grey else channels[:, :, :3].copy(),
        alpha=alpha.copy() if (alpha < 255).any() else None,
        format="GIF",
        metadata=Metadata(icc=image.info.get("icc_profile"), xmp=xmp.encode() if isinstance(xmp, str) else xmp),
        native=GifDetails(comment=image.info.get("comment", b""), has_end=has_end_mark(data)),
    )


def check_to_gif(picture: Picture) -> None:
    """Raise UserError for pictures that would lose colours that they have."""
    if picture.format != "GIF":
        raise UserError(
            "GIF holds 256 colours, which brings noise back, and is written of GIFs alone; write PNG or WebP"
        )


def notes_on_gif(picture: Picture, format: Format) -> tuple[str, ...]:
    """What a person is told of a GIF that is written in `format`."""
    details = picture.native if isinstance(picture.native, GifDetails) else None
    notes = [MAY_LACK_FRAMES] if details and not details.has_end else []
    if format == "GIF":
        notes.append("a GIF has 256 colours, which brings noise back; .webp and .png hold all")
    elif details and details.comment:
        notes.append(f"the GIF's comment was left out, which {format} does not hold")
    return tuple(notes)


def gif_from_picture(picture: Picture) -> bytes:
    """The bytes of a GIF file. The picture has been read from one."""
    from PIL import Image

    comment = picture.native.comment if isinstance(picture.native, GifDetails) else b""
    pixels = np.ascontiguousarray(picture.pixels) if picture.alpha is None else rgb_with_alpha(picture)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "GIF", comment=comment, optimize=False)
    return buffer.getvalue()
