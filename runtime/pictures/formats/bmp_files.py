"""BMP: always 8 bits; grey, RGB, and RGB with alpha. Profiles and alpha need the fifth version of the header."""

import struct

import numpy as np

from ....errors import UserError
from ..known_formats import BMP_DPI
from ..picture import Image, Metadata, Picture, rgb_with_alpha
from ..pillow_files import opened

_FILE_HEAD_BYTES = 14
_SHORT_HEAD_BYTES, _LONG_HEAD_BYTES = 40, 124
_PLAIN, _MASKED = 0, 3
_MASKS = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
_SRGB, _EMBEDDED = 0x73524742, 0x4D424544
_PROFILE_KIND_AT, _PROFILE_AT = 56, 112
"""Where in the long header it stands what kind of colours these are, and where their profile lies."""
_END_POINTS = bytes(48)
"""Of the colour space, and its gamma: without meaning beside sRGB or a profile."""
_PERCEPTUAL = 4
_MOST_BYTES = 2**32 - 1


def picture_from_bmp(data: bytes) -> Picture:
    """The picture in the bytes of a BMP file."""
    image = opened(data, "BMP")
    notes: tuple[str, ...] = ()
    if image.mode == "1":
        raise UserError("a black-and-white BMP (1 bit); there is no noise to take away; convert it to grey first")
    if image.mode == "P":
        image = image.convert("RGB")
        notes = ("the palette became 8-bit RGB, since denoising makes new colours",)
    elif struct.unpack_from("<H", data, _FILE_HEAD_BYTES + 14)[0] == 16:
        notes = ("16 bits per pixel became 8 per channel",)
    channels = np.asarray(image)
    has_alpha = image.mode == "RGBA"
    dpi = image.info.get("dpi")
    return Picture(
        pixels=channels[:, :, :3].copy() if has_alpha else channels,
        alpha=channels[:, :, 3].copy() if has_alpha else None,
        format="BMP",
        metadata=Metadata(icc=_profile(data), dpi=None if dpi is None else (float(dpi[0]), float(dpi[1]))),
        notes=notes,
    )


def bmp_from_picture(picture: Picture) -> bytes:
    """The bytes of a BMP file. The picture has 8 bits."""
    rows = _stored_rows(picture)
    has_alpha, icc = picture.alpha is not None, picture.metadata.icc
    is_long = has_alpha or icc is not None
    head_bytes = _LONG_HEAD_BYTES if is_long else _SHORT_HEAD_BYTES
    bits = 32 if has_alpha else 24 if picture.is_colour else 8
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256)) if bits == 8 else b""
    pixels_at = _FILE_HEAD_BYTES + head_bytes + len(palette)
    profile_at = pixels_at + rows.nbytes
    size = profile_at + len(icc or b"")
    if size > _MOST_BYTES:
        raise UserError(f"the picture takes {size} bytes and BMP holds at most {_MOST_BYTES}; write PNG or TIFF")
    per_metre = BMP_DPI.of(picture.metadata.dpi) or (0, 0)
    head = struct.pack("<2sIII", b"BM", size, 0, pixels_at)
    head += struct.pack("<IiiHHI", head_bytes, picture.width, picture.height, 1, bits, _MASKED if has_alpha else _PLAIN)
    head += struct.pack("<IiiII", rows.nbytes, *per_metre, len(palette) // 4, 0)
    if is_long:
        kind = _SRGB if icc is None else _EMBEDDED
        place = (0, 0) if icc is None else (profile_at - _FILE_HEAD_BYTES, len(icc))
        head += (_MASKS if has_alpha else bytes(16)) + struct.pack("<I", kind) + _END_POINTS
        head += struct.pack("<IIII", _PERCEPTUAL, *place, 0)
    return head + palette + rows.tobytes() + (icc or b"")


def _stored_rows(picture: Picture) -> Image:
    """(H, bytes of a row), from the bottom up, blue first, each row a multiple of four bytes."""
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = rgb_with_alpha(picture)[:, :, [2, 1, 0, 3]]
    elif picture.is_colour:
        pixels = pixels[:, :, ::-1]
    rows = pixels[::-1].reshape(picture.height, -1)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))


def _profile(data: bytes) -> bytes | None:
    """The embedded colour profile; None: none, or one that lies outside the file."""
    head = data[_FILE_HEAD_BYTES:]
    if int.from_bytes(head[:4], "little") != _LONG_HEAD_BYTES:
        return None
    (kind,) = struct.unpack_from("<I", head, _PROFILE_KIND_AT)
    start, length = struct.unpack_from("<II", head, _PROFILE_AT)
    profile = head[start : start + length]
    return profile if kind == _EMBEDDED and length and len(profile) == length else None
