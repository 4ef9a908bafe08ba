"""PNM (PGM, PPM): grey and RGB of up to 16 bits, as numbers or as bytes. Nothing but the pixels is in such files."""

import re

import numpy as np

from ....errors import UserError
from ..levels import full_range
from ..picture import Image, Picture
from ..pillow_files import check_size, notes_on_rest

_HEAD = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\n]*\n)+(\d{1,9})" + rb"\s")
"""Kind, width, height, white, and the one white space in front of the pixels."""
_NUMBERS, _COLOUR = (2, 3), (3, 6)
_BITS = (1, 4)
_MOST_WHITE = 65535


def picture_from_pnm(data: bytes) -> Picture:
    """The picture in the bytes of a PNM file. Levels whose white is not that of 8 or 16 bits are stretched to it."""
    if int(data[1:2]) in _BITS:
        raise UserError("a black-and-white PBM (1 bit); there is no noise to take away; convert it to grey first")
    head = _HEAD.match(data)
    if head is None:
        raise UserError("damaged PNM: its header is not that of a PGM or PPM")
    kind, width, height, white = (int(number) for number in head.groups())
    check_size(width, height)
    if not 0 < white <= _MOST_WHITE:
        raise UserError(f"damaged PNM: it claims that white is {white}; allowed: 1 to {_MOST_WHITE}")
    num_values = width * height * (3 if kind in _COLOUR else 1)
    if kind in _NUMBERS:
        levels, rest = _levels_of_numbers(data[head.end() :], num_values), b""
    else:
        dtype = np.dtype(np.uint8 if white < 256 else ">u2")
        end = head.end() + num_values * dtype.itemsize
        levels, rest = np.frombuffer(data[head.end() : end], dtype), data[end:]
    if levels.size < num_values:
        raise UserError("truncated PNM: it ends before the last pixels")
    if levels.max() > white:
        raise UserError(f"damaged PNM: it claims that white is {white}, and holds {levels.max()}")
    shape = (height, width, 3) if kind in _COLOUR else (height, width)
    stretched = white not in (255, _MOST_WHITE)
    return Picture(
        pixels=full_range(levels, white).reshape(shape),
        format="PNM",
        notes=(
            *notes_on_rest(rest.strip(), data[:2]),
            *([f"levels of 0 to {white} became 0 to {255 if white < 256 else _MOST_WHITE}"] if stretched else []),
        ),
    )


def pnm_from_picture(picture: Picture) -> bytes:
    """The bytes of a PNM file: PGM where the picture is grey, PPM where it is in colour. It has no alpha."""
    kind = 6 if picture.is_colour else 5
    white = np.iinfo(picture.pixels.dtype).max
    head = f"P{kind}\n{picture.width} {picture.height}\n{white}\n".encode()
    return head + picture.pixels.astype(picture.pixels.dtype.newbyteorder(">")).tobytes()


def _levels_of_numbers(text: bytes, num_values: int) -> Image:
    words = re.sub(rb"#[^\n]*", b"", text).split()[:num_values]
    if not all(word.isdigit() and len(word) <= 5 for word in words):
        raise UserError("damaged PNM: there is something else between its numbers")
    return np.array([int(word) for word in words], np.uint32)
