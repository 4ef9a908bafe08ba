"""One page of a TIFF file, as tifffile opens it: which pages hinas takes, what is said of them, and their samples."""

import math
import re
import struct
from typing import Any

import numpy as np

from ....errors import UserError
from ....network_input import PACKED_BAYER
from ...tiling.pixel_values import white_of
from ..levels import full_range
from ..picture import Image

_GREY, _INVERTED_GREY, _RGB, PALETTE, CMYK, _YCBCR = 1, 0, 2, 3, 5, 6
_NUM_COLOURS = {_RGB: 3, _YCBCR: 3, CMYK: 4}
"""Others have one."""
_WHOLE, FLOAT = 1, 3
"""TIFF's numbers of the kinds of numbers."""
_INK_SET, _FOUR_INKS = 332, 1
_NAMES = {
    4: "mask",
    8: "CIELAB",
    9: "ICCLAB",
    10: "ITULAB",
    32803: "raw sensor data",
    34892: "raw sensor data",
}
JPEG_IN_TIFF = 7
PHOTOSHOP_LAYERS = 37724


def checked_page(file: Any) -> Any:
    """The page of tifffile's `file`. Raises UserError for several pages and for pixels that hinas does not take."""
    pages = listed_pages(file)
    if len(pages) != 1:
        raise UserError(
            f"holds {len(pages)} pages, which hinas takes from a file and not through a pipe; save it as a file "
            "first, or split it first"
        )
    check_kind(pages[0], num_listed=1)
    return pages[0]


def listed_pages(file: Any) -> list[Any]:
    """All pages of tifffile's `file`. Raises UserError where the file ends before one of them."""
    pages: list[Any] = list(file.pages)
    if not pages:
        raise UserError("damaged or truncated TIFF: it ends before its first page")
    # tifffile passes over a page that lies beyond the file's end, and over all that follow it.
    following = _following(file, pages[-1])
    # Some writers make a circle of the pages: none is missing then.
    if following and following not in [page.offset for page in pages]:
        raise UserError(f"damaged or truncated TIFF: it ends before page {len(pages) + 1}")
    return pages


def check_kind(page: Any, *, num_listed: int) -> None:
    """Raise UserError for pixels that hinas does not take. `num_listed`: the pages that the file lists."""
    # tifffile would fill what is missing with black.
    num_parts = math.prod(page.chunked)
    if min(len(page.dataoffsets), len(page.databytecounts)) < num_parts and not page.is_contiguous:
        raise UserError(f"damaged TIFF: it lists {len(page.dataoffsets)} of its {num_parts} tiles or strips")
    if (num := _num_pictures(page)) > num_listed:
        raise UserError(f"holds {num} pictures under one page; hinas writes one picture per file, split it first")
    if not all(below.is_reduced for below in _below(page)):
        raise UserError("holds other pictures below its page (SubIFDs); save the one to denoise as a file first")
    photometric, bits = int(page.photometric), page.bitspersample
    if photometric not in (_GREY, _INVERTED_GREY, _RGB, PALETTE, CMYK, _YCBCR):
        name = _NAMES.get(photometric, f"photometric {photometric}")
        raise UserError(f"a TIFF in {name}; hinas denoises grey and RGB pictures, convert it to RGB first")
    if photometric == _YCBCR and int(page.compression) != JPEG_IN_TIFF:
        raise UserError("a TIFF in YCbCr without JPEG compression; convert it to RGB first")
    if bits == 1:
        raise UserError("a black-and-white TIFF (1 bit); there is no noise to take away; convert it to grey first")
    if photometric == CMYK and (_inks_of(page) != _FOUR_INKS or int(page.compression) == JPEG_IN_TIFF):
        raise UserError("a TIFF of other inks than CMYK, or of CMYK compressed as JPEG; convert it to RGB first")
    kind = int(page.sampleformat)
    if kind not in (_WHOLE, FLOAT) or (kind == FLOAT and (bits not in (16, 32) or photometric in (PALETTE, CMYK))):
        name = {_WHOLE: "whole", 2: "signed whole", FLOAT: "floating-point"}.get(kind, "complex or unknown")
        raise UserError(
            f"a TIFF of {bits}-bit {name} numbers; hinas takes up to 16 bits per channel, and floating point of 16 "
            "and 32 bits in grey and RGB: convert it first"
        )
    if kind == _WHOLE and bits > 16:
        raise UserError(f"a TIFF of {bits} bits per channel; hinas takes up to 16, convert it first")
    is_raw = is_packed_bayer(page) and num_listed == 1
    is_known = page.samplesperpixel - _NUM_COLOURS.get(photometric, 1) in (0, 1) or is_raw
    if not is_known or page.is_volumetric:
        raise UserError(
            f"a TIFF of {page.samplesperpixel} channels or of several layers; hinas takes grey or RGB with alpha"
        )


def _following(file: Any, page: Any) -> int:
    """Where the directory behind that of `page` is said to lie; 0: `page` is the last one."""
    widths, handle = file.tiff, file.filehandle
    handle.seek(page.offset)
    (num_tags,) = struct.unpack(widths.tagnoformat, handle.read(widths.tagnosize))
    handle.seek(num_tags * widths.tagsize, 1)
    pointer = handle.read(widths.offsetsize)
    if len(pointer) < widths.offsetsize:
        raise UserError("damaged or truncated TIFF: it ends within the list of its pages")
    return struct.unpack(widths.offsetformat, pointer)[0]


def is_packed_bayer(page: Any) -> bool:
    """Whether `page` has four channels and calls none of them red: raw data are stored so."""
    return int(page.photometric) == _GREY and page.samplesperpixel == PACKED_BAYER


def notes_of(page: Any) -> tuple[str, ...]:
    """What reading `page` changes, as sentences for a person."""
    notes: list[str] = []
    if int(page.photometric) == _INVERTED_GREY:
        notes.append("inverted grey (white is zero) became plain grey")
    if int(page.photometric) == PALETTE:
        notes.append("the palette became 8-bit RGB, since denoising makes new colours")
    if page.bitspersample not in (8, 16, 32) and int(page.photometric) != PALETTE:
        notes.append(f"{page.bitspersample} bits per channel became {8 * page.dtype.itemsize}")
    if _below(page):
        notes.append("smaller copies of the picture (SubIFDs) were left out")
    if PHOTOSHOP_LAYERS in page.tags:
        notes.append("Photoshop layers were left out; the flattened picture is denoised")
    return tuple(notes)


def _num_pictures(page: Any) -> int:
    """How many pictures follow each other in the file though one is listed: ImageJ and tifffile write such files."""
    num = 1
    if images := re.search(r"\AImageJ=.*^images=(\d+)$", page.description, re.MULTILINE | re.DOTALL):
        num = int(images[1])
    elif shape := re.search(r'\A\{.*"shape": *\[([\d, ]+)\]', page.description, re.DOTALL):
        num = math.prod(map(int, shape[1].split(","))) // page.size
    # Programs also copy a description to files that no longer hold what it says.
    is_there = page.is_contiguous and page.dataoffsets[0] + num * page.nbytes <= page.parent.filehandle.size
    return num if is_there else 1


def _inks_of(page: Any) -> int:
    """TIFF's number of the set of inks."""
    tag = page.tags.get(_INK_SET)
    return _FOUR_INKS if tag is None else int(tag.value)


def _below(page: Any) -> list[Any]:
    """The pages that `page` itself lists."""
    return list(page.pages) if page.subifds else []


def can_be_read_in_parts(page: Any) -> bool:
    """Whether `TiffRegions` takes the picture: 8 or 16 bits or a palette; not CMYK, which needs a profile."""
    photometric = int(page.photometric)
    is_plain = page.bitspersample in (8, 16) and int(page.sampleformat) == _WHOLE
    return photometric == PALETTE or (is_plain and photometric != CMYK and not is_packed_bayer(page))


def channels_of(page: Any, stored: Image) -> Image:
    """(A part of) the stored samples as uint8, uint16 or float32; alpha as it is. (h, w, samples) to (h, w, C)."""
    channels = _of_full_range(page, np.ascontiguousarray(stored))
    if int(page.photometric) == _INVERTED_GREY:
        channels = channels.copy()
        channels[:, :, 0] = white_of(channels.dtype) - channels[:, :, 0]
    if int(page.photometric) == PALETTE:
        colours = (np.asarray(page.colormap) >> 8).astype(np.uint8)
        alpha = channels[:, :, 1:].astype(np.uint32) * 255 // (2**page.bitspersample - 1)
        channels = np.dstack([colours[:, channels[:, :, 0]].transpose(1, 2, 0), alpha.astype(np.uint8)])
    return channels


def _of_full_range(page: Any, levels: Image) -> Image:
    if levels.dtype == np.float16:
        return levels.astype(np.float32)
    if page.bitspersample < 8 * levels.itemsize and int(page.photometric) != PALETTE:
        return full_range(levels, 2**page.bitspersample - 1)
    return levels
