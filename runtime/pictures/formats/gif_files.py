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
        native=GifDetails(comment=image.info.get("comment", b"")),
    )


def check_to_gif(picture: Picture) -> None:
    """Raise UserError for pictures that would lose colours that they have."""
    if picture.format != "GIF":
        raise UserError(
            "GIF holds 256 colours, which brings noise back, and is written of GIFs alone; write PNG or WebP"
        )


def notes_on_gif(picture: Picture, format: Format) -> tuple[str, ...]:
    """What a person is told of a GIF that is written in `format`."""
    if format == "GIF":
        return ("a GIF has 256 colours, which brings noise back; .webp and .png hold all",)
    is_lost = isinstance(picture.native, GifDetails) and picture.native.comment
    return (f"the GIF's comment was left out, which {format} does not hold",) if is_lost else ()


def gif_from_picture(picture: Picture) -> bytes:
    """The bytes of a GIF file. The picture has been read from one."""
    from PIL import Image

    comment = picture.native.comment if isinstance(picture.native, GifDetails) else b""
    pixels = np.ascontiguousarray(picture.pixels) if picture.alpha is None else rgb_with_alpha(picture)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "GIF", comment=comment, optimize=False)
    return buffer.getvalue()
