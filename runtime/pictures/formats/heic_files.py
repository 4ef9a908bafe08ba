"""HEIC: 8, 10 and 12 bits; grey, RGB and RGB with alpha. pillow-heif, an optional package, codes the pixels."""

import io
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ....errors import UserError
from ....installation import install_advice
from ..colour_codes import codes_from
from ..levels import full_range, narrowed
from ..picture import Metadata, Picture, with_alpha, without_alpha
from ..pillow_files import check_size

_EXIF = b"Exif\0\0"
_QUALITY = 90
"""Of x265 by libheif: less loss than JPEG's 95."""
_PRESET = "veryfast"
"""Half as long as the default, for files of the same size."""
_USUAL_CHROMA = 420
"""All that Apple's devices are sure to decode."""
_MOST_IN_ONE_PIECE = 2**23
"""Pixels: larger ones are written in tiles, as Apple's devices do, for not every decoder takes them whole."""
_TILE_SIDES = ((2**27, 512), (2**62, 2048))
"""Pixels of a picture up to which such tiles are written: a file holds at most 1000."""
_MATRIX_OF_BT2020, _MATRIX_OF_BT601 = 9, 6
_WIDE_PRIMARIES = 9
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True, slots=True)
class HeicDetails:
    """What only a HEIC file can take back."""

    bits: int
    """Per channel: 8, 10 or 12."""
    chroma: int
    """444, 422 or 420: how the colours are sampled."""


def picture_from_heic(data: bytes) -> Picture:
    """The primary picture in the bytes of a HEIC file, upright as its transformations say."""
    heif = _library()
    file = heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    check_size(*image.size)
    if image.premultiplied_alpha:
        raise UserError("the colours are multiplied by alpha, which hinas takes in TIFF alone; convert it first")
    info: dict[str, Any] = image.info
    notes: list[str] = []
    if len(file) > 1 or info.get("depth_images") or info.get("aux"):
        notes.append("what is beside the picture in the file (such as a gain map, a depth map or others) was left out")
    bits = int(info["bit_depth"])
    levels = np.asarray(image)
    # libheif has turned the pixels: the tag must not turn them once more.
    heif.set_orientation(info)
    pixels, alpha = without_alpha(full_range(levels, 2**bits - 1))
    exif, nclx, icc = info.get("exif"), info.get("nclx_profile"), info.get("icc_profile")
    codes = None if icc or not nclx else codes_from(nclx["color_primaries"], nclx["transfer_characteristics"])
    return Picture(
        pixels=pixels,
        alpha=alpha,
        format="HEIC",
        is_lossless=False,
        metadata=Metadata(
            exif=exif.removeprefix(_EXIF) if exif else None,
            icc=icc or None,
            xmp=info.get("xmp") or None,
            codes=codes,
        ),
        native=HeicDetails(bits=bits, chroma=int(info.get("chroma") or _USUAL_CHROMA)),
        notes=tuple(notes),
    )


def heic_from_picture(picture: Picture) -> bytes:
    """The bytes of a HEIC file: as deep as the source, 8 bits where that was none."""
    details = picture.native if isinstance(picture.native, HeicDetails) else None
    bits = 8 if details is None else details.bits
    channels = narrowed(with_alpha(picture), 2**bits - 1)
    num_channels = 1 if channels.ndim == 2 else channels.shape[2]
    options: dict[str, Any] = {"quality": _QUALITY, "bit_depth": bits, "enc_params": {"preset": _PRESET}}
    if num_channels > 2:
        options["chroma"] = _USUAL_CHROMA if details is None else details.chroma
    num_pixels = picture.width * picture.height
    if num_pixels > _MOST_IN_ONE_PIECE:
        options["tile_size"] = next(side for most, side in _TILE_SIDES if num_pixels <= most)
    metadata = picture.metadata
    if metadata.exif is not None:
        options["exif"] = _EXIF + metadata.exif
    if metadata.xmp is not None:
        options["xmp"] = metadata.xmp
    if metadata.icc is not None:
        options["icc_profile"] = metadata.icc
    if metadata.codes is not None:
        options["color_primaries"] = metadata.codes.primaries
        options["transfer_characteristics"] = metadata.codes.transfer
        is_wide = metadata.codes.primaries == _WIDE_PRIMARIES
        options["matrix_coefficients"] = _MATRIX_OF_BT2020 if is_wide else _MATRIX_OF_BT601
        options["full_range_flag"] = 1
    buffer = io.BytesIO()
    mode = _MODES[num_channels] + ("" if bits == 8 else f";{bits}")
    size = picture.width, picture.height
    _library().encode(mode, size, np.ascontiguousarray(channels).tobytes(), buffer, **options)
    return buffer.getvalue()


def decoded_bytes_of_heic(path: Path) -> int:
    """Bytes of all channels of the primary picture."""
    file = _library().open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    mode, _, depth = file.mode.partition(";")
    return file.size[0] * file.size[1] * len(mode) * (2 if depth else 1)


def check_heic() -> None:
    """Raise UserError where the package for HEIC is missing."""
    _library()


def _library() -> ModuleType:
    try:
        import pillow_heif
    except ImportError:
        raise UserError(f"HEIC needs the package pillow-heif; install it: {install_advice('cpu,formats')}") from None
    return pillow_heif
