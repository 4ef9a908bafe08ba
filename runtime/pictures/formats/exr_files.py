"""OpenEXR: one picture of one part, grey (Y) or RGB, with and without alpha (A), in floating point of 16 or 32 bits.

The package OpenEXR, an optional one, codes the channels. Those that are no colour, such as depth, and all attributes
are kept.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from ....errors import UserError
from ....installation import install_advice
from ..float_values import values_within
from ..picture import Image, Picture, with_alpha, without_alpha
from ..pillow_files import check_size

_GREY, _RGB, _ALPHA = ("Y",), ("R", "G", "B"), "A"
_MOST_NAMED = 8
_LOSSLESS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "HTJ2K32", "HTJ2K256", "ZSTD")
_TYPES = {"HALF": np.dtype(np.float16), "FLOAT": np.dtype(np.float32), "UINT": np.dtype(np.uint32)}
_DAMAGED = "damaged or truncated, or no OpenEXR file that can be decoded"
"""The package's own words are about its buffers."""
_OTHER_ALPHA = (
    "OpenEXR multiplies colours by alpha and other formats do not, so transparency cannot go from one to the other; "
    "take alpha away, or keep the format"
)
_USUAL = "ZIP"
"""For pictures from elsewhere, and in place of a compression with loss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExrDetails:
    """What only an OpenEXR file can take back."""

    header: dict[str, Any]
    """All attributes, as the package has them."""
    others: dict[str, Image]
    """(H, W): the channels that are no colour and no alpha, by name."""
    types: dict[str, np.dtype[Any]]
    """Of the numbers, by channel."""


def picture_from_exr(data: bytes) -> Picture:
    """The picture in the bytes of an OpenEXR file."""
    header = _checked_header(io.BytesIO(data))
    channels = _channels_of(data, _shape_of(header))
    names = _colours_among(channels)
    if _ALPHA in channels:
        names += (_ALPHA,)
    for name in names:
        if channels[name].dtype.kind != "f":
            raise UserError(f"its channel {name} holds whole numbers; hinas takes floating point: convert it first")
    stored = np.stack([channels[name] for name in names], axis=2).astype(np.float32)
    pixels, alpha = without_alpha(stored)
    pixels, beyond, notes = values_within(pixels)
    return Picture(
        pixels=pixels,
        alpha=alpha,
        beyond=beyond,
        format="OpenEXR",
        native=ExrDetails(
            header=header,
            others={name: values for name, values in channels.items() if name not in names},
            types={name: channels[name].dtype for name in names},
        ),
        notes=notes,
    )


def exr_from_picture(picture: Picture) -> bytes:
    """The bytes of an OpenEXR file."""
    library = _library()
    details = picture.native if isinstance(picture.native, ExrDetails) else None
    names = (_RGB if picture.is_colour else _GREY) + (() if picture.alpha is None else (_ALPHA,))
    stored = with_alpha(picture)
    stored = stored.reshape(*stored.shape[:2], -1)
    usual = getattr(library, f"{_USUAL}_COMPRESSION")
    header: dict[str, Any] = {"type": library.scanlineimage, "compression": usual}
    others: dict[str, Image] = {}
    types: dict[str, np.dtype[Any]] = {}
    if details is not None:
        header, others, types = dict(details.header), details.others, details.types
        if header["compression"] not in [getattr(library, f"{name}_COMPRESSION", None) for name in _LOSSLESS]:
            header["compression"] = usual
    channels = {
        name: np.ascontiguousarray(stored[:, :, index], types.get(name, np.dtype(np.float32)))
        for index, name in enumerate(names)
    }
    buffer = io.BytesIO()
    library.File(header, {**channels, **others}).write(buffer)
    return buffer.getvalue()


def decoded_bytes_of_exr(path: Path) -> int:
    """Bytes of all channels, as the numbers that they are worked on."""
    with path.open("rb") as file:
        header = _checked_header(file)
    height, width = _shape_of(header)
    return height * width * len(header["channels"]) * np.dtype(np.float32).itemsize


def check_to_exr(picture: Picture, *, scale: int) -> None:
    """Raise UserError where OpenEXR cannot hold a picture, which becomes `scale` times as high and wide."""
    _library()
    if picture.bits != 32:
        raise UserError(f"the picture has {picture.bits} bits per channel and OpenEXR holds floating point")
    if scale > 1:
        raise UserError("hinas does not enlarge to OpenEXR; write TIFF or NumPy")
    if picture.alpha is not None and picture.format != "OpenEXR":
        raise UserError(_OTHER_ALPHA)


def check_from_exr(picture: Picture) -> None:
    """Raise UserError for a picture of an OpenEXR file that no other format can hold."""
    if picture.alpha is not None:
        raise UserError(_OTHER_ALPHA)


def _colours_among(channels: dict[str, Image]) -> tuple[str, ...]:
    if "RY" in channels or "BY" in channels:
        raise UserError("OpenEXR as luminance and colour differences (Y, RY, BY); convert it to R, G and B first")
    for names in (_RGB, _GREY):
        if all(name in channels for name in names):
            return names
    listed = sorted(channels)
    more = " ..." if len(listed) > _MOST_NAMED else ""
    raise UserError(f"OpenEXR without the channels R, G and B, or Y; it has {', '.join(listed[:_MOST_NAMED])}{more}")


def _channels_of(data: bytes, shape: tuple[int, int]) -> dict[str, Image]:
    """All channels, of `shape` (H, W), by name.

    The package's older way of reading: the newer one prints what is wrong to where our results go.
    """
    try:
        file = _library().InputFile(io.BytesIO(data))
        return {
            name: np.frombuffer(file.channel(name), _TYPES[str(channel.type)]).reshape(shape)
            for name, channel in file.header()["channels"].items()
        }
    except OSError:
        raise UserError(_DAMAGED) from None


def _checked_header(content: BinaryIO) -> dict[str, Any]:
    """All attributes, as the package has them, of a file that holds one flat picture."""
    library = _library()
    try:
        file = library.File(content, header_only=True)
    except RuntimeError:
        raise UserError(_DAMAGED) from None
    if len(file.parts) != 1:
        raise UserError(f"OpenEXR of {len(file.parts)} parts; save one part as a file first")
    header = file.header()
    if header["type"] not in (library.scanlineimage, library.tiledimage):
        raise UserError("OpenEXR with deep pixels; flatten it first")
    if "tiles" in header and header["tiles"].mode != library.ONE_LEVEL:
        raise UserError("OpenEXR with smaller copies (mipmaps); save its largest picture alone first")
    if any(channel.xSampling != 1 or channel.ySampling != 1 for channel in header["channels"]):
        raise UserError("OpenEXR with channels of fewer pixels than others; convert it to R, G and B first")
    height, width = _shape_of(header)
    check_size(width, height)
    return dict(header)


def _shape_of(header: dict[str, Any]) -> tuple[int, int]:
    (left, top), (right, bottom) = header["dataWindow"]
    return int(bottom - top + 1), int(right - left + 1)


def _library() -> ModuleType:
    try:
        import OpenEXR
    except ImportError:
        raise UserError(f"OpenEXR needs the package OpenEXR; install it: {install_advice('cpu,formats')}") from None
    return OpenEXR
