"""TIFF: grey, RGB and CMYK, of 8 and 16 bits and in floating point, with and without alpha, and all other tags.

tifffile codes the pixels; the tags are carried over as raw values by `exif_block`, sub-directories (EXIF, GPS) too.
"""

import io
import math
import mmap
import re
import struct
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from ....errors import UserError
from ...tiling.pixel_values import white_of
from ..exif_block import BIG, CLASSIC, Directory, Value, block_from, directory_bytes, directory_from
from ..float_values import values_within
from ..levels import full_range
from ..picture import Image, Metadata, Picture, with_alpha, without_alpha
from ..pillow_files import check_size
from ..press_colours import Press, colours_from_inks, inks_from_colours, press_from

_XMP, _ICC, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 700, 34675, 282, 283, 296
_RESOLUTION = frozenset([_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT])
_PHOTOSHOP_LAYERS = 37724
# How the pixels are stored: written anew. 37724: Photoshop's layers would still show the noisy picture.
_STORAGE = frozenset(
    {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 317}
    | {*range(320, 329), 330, *range(332, 335), *range(338, 343), 347, *range(512, 522), *range(529, 533)}
    | {_PHOTOSHOP_LAYERS}
)
# Too large for, or without meaning in, other formats' EXIF blocks.
_IPTC = 33723
_TIFF_ONLY = frozenset([_XMP, _ICC, _IPTC, 34377])
_GREY, _INVERTED_GREY, _RGB, _PALETTE, _CMYK, _YCBCR = 1, 0, 2, 3, 5, 6
_NUM_COLOURS = {_RGB: 3, _YCBCR: 3, _CMYK: 4}
"""Others have one."""
_WHOLE, _FLOAT = 1, 3
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
_COMPRESSIONS = {1: None, 5: "lzw", 8: "zlib", 32946: "zlib", 32773: "packbits", 50000: "zstd"}
_JPEG_IN_TIFF = 7
_ASSOCIATED_ALPHA = 1
MOST_CLASSIC_BYTES = 2**32 - 2**26
"""Above it offsets need BigTIFF; some room is left for tags."""
_EXTRA_SAMPLES = {0: "unspecified", 1: "assocalpha", 2: "unassalpha"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TiffDetails:
    """What only a TIFF file can take back."""

    tags: Directory
    """Every tag but those of the pixels' storage."""
    compression: str | None
    """tifffile's name; lossy ones are replaced by zlib."""
    alpha_kind: int
    """0 unspecified, 1 associated (colours are multiplied by it), 2 unassociated."""
    is_half: bool = False
    """Whether the numbers are floating point of 16 bits."""
    press: Press | None = None
    """Of a file in CMYK; None: grey or RGB."""


def picture_from_tiff(data: bytes) -> Picture:
    """The picture in the bytes of a TIFF file."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = checked_page(file)
        check_size(page.imagewidth, page.imagelength)
        details = details_of(page, data)
        # tifffile's full shape: planes, depth, rows, columns, samples; one of planes and samples is 1.
        stored = np.moveaxis(page.asarray().reshape(page.shaped), 0, -2)[0]
        channels = channels_of(page, stored.reshape(page.imagelength, page.imagewidth, -1))
        notes = notes_of(page)
    metadata = _metadata(details.tags)
    beyond: Image | None = None
    if int(page.photometric) == _CMYK:
        press = press_from(metadata.icc)
        details, metadata = replace(details, press=press), replace(metadata, icc=press.colour_profile)
        pixels = colours_from_inks(channels[:, :, :4], press)
        alpha = channels[:, :, 4].copy() if channels.shape[2] > 4 else None
        notes += (press.note("TIFF"),)
    else:
        pixels, alpha = without_alpha(channels)
    if pixels.dtype == np.float32:
        pixels, beyond, more = values_within(pixels)
        notes += more
    return Picture(
        pixels=pixels,
        alpha=alpha,
        beyond=beyond,
        format="TIFF",
        is_lossless=int(page.compression) != _JPEG_IN_TIFF,
        metadata=metadata,
        native=details,
        notes=notes,
    )


def check_portable(picture: Picture) -> None:
    """Raise UserError for a TIFF picture whose alpha no other format can hold."""
    if picture.alpha is not None and picture.native.alpha_kind == _ASSOCIATED_ALPHA:
        raise UserError("the colours are multiplied by alpha (associated alpha), which only TIFF can hold; write TIFF")


def check_tags(picture: Picture) -> None:
    """Raise UserError for a picture from another format whose EXIF block cannot be taken apart into tags."""
    try:
        _tags_from(picture.metadata)
    except (UserError, struct.error) as error:
        raise UserError("the EXIF block is damaged and cannot become TIFF tags; write PNG, JPEG or WebP") from error


def tiff_from_picture(picture: Picture) -> bytes:
    """The bytes of a TIFF file."""
    import tifffile

    details = picture.native if isinstance(picture.native, TiffDetails) else None
    buffer = io.BytesIO()
    options = storage_options(details, is_colour=picture.is_colour, has_alpha=picture.alpha is not None)
    channels = np.ascontiguousarray(with_alpha(picture))
    if picture.bits == 32:
        options["predictor"] = False  # few programs know the one for floating point
    if details is not None and details.is_half:
        channels = channels.astype(np.float16)
    if details is not None and details.press is not None:
        inks = inks_from_colours(picture.pixels, details.press)
        channels = inks if picture.alpha is None else np.dstack([inks, picture.alpha])
        options["photometric"] = "separated"
    is_big = channels.nbytes > MOST_CLASSIC_BYTES
    tifffile.imwrite(buffer, channels, byteorder="<", bigtiff=is_big, **options)
    add_tags(buffer, buffer.getvalue(), _tags_from(picture.metadata) if details is None else details.tags)
    return buffer.getvalue()


def storage_options(details: TiffDetails | None, *, is_colour: bool, has_alpha: bool) -> dict[str, Any]:
    """How tifffile is to store the pixels: as the source did where that is lossless."""
    compression = "zlib" if details is None else details.compression
    options: dict[str, Any] = {
        "photometric": "rgb" if is_colour else "minisblack",
        "planarconfig": "contig" if is_colour or has_alpha else None,
        "compression": compression,
        "predictor": compression in ("lzw", "zlib", "zstd"),
        "metadata": None,
        "software": False,
    }
    if has_alpha:
        options["extrasamples"] = [_EXTRA_SAMPLES[2 if details is None else details.alpha_kind]]
    return options


def add_tags(file: BinaryIO, data: bytes | mmap.mmap, tags: Directory) -> None:
    """Write the directory of the little-endian TIFF `file` anew behind the pixels, with `tags` in it.

    `data`: the content of `file`.
    """
    layout = BIG if data[2:4] == struct.pack("<H", BIG.magic) else CLASSIC
    storage = directory_from(data)
    if _RESOLUTION & tags.keys():
        # tifffile writes a unit in any case; one that is left out means inches.
        storage = {tag: value for tag, value in storage.items() if tag not in _RESOLUTION}
    start = file.seek(0, io.SEEK_END)
    start += -start % 8
    file.seek(start)
    file.write(directory_bytes({**storage, **tags}, start, layout))
    file.seek(layout.pointer_at)
    file.write(struct.pack("<" + layout.offset, start))


def details_of(page: Any, data: bytes | mmap.mmap) -> TiffDetails:
    """What is kept of tifffile's `page`, the first of the file whose content is `data`."""
    return TiffDetails(
        tags={tag: value for tag, value in directory_from(data).items() if tag not in _STORAGE},
        compression=_COMPRESSIONS.get(int(page.compression), "zlib"),
        alpha_kind=_alpha_kind(page),
        is_half=int(page.sampleformat) == _FLOAT and page.bitspersample == 16,
    )


def _alpha_kind(page: Any) -> int:
    if not page.extrasamples:
        return 2
    kind = int(page.extrasamples[0])
    return kind if kind in _EXTRA_SAMPLES else 0


def checked_page(file: Any) -> Any:
    """The page of tifffile's `file`. Raises UserError for several pages and for pixels that hinas does not take."""
    if not file.pages:
        raise UserError("damaged or truncated TIFF: it ends before its first page")
    if len(file.pages) != 1:
        raise UserError(f"holds {len(file.pages)} pages; hinas writes one picture per file, split it first")
    page: Any = file.pages[0]
    # tifffile would fill what is missing with black.
    num_parts = math.prod(page.chunked)
    if min(len(page.dataoffsets), len(page.databytecounts)) < num_parts and not page.is_contiguous:
        raise UserError(f"damaged TIFF: it lists {len(page.dataoffsets)} of its {num_parts} tiles or strips")
    if (num := _num_pictures(page)) > 1:
        raise UserError(f"holds {num} pictures under one page; hinas writes one picture per file, split it first")
    if not all(below.is_reduced for below in _below(page)):
        raise UserError("holds other pictures below its page (SubIFDs); save the one to denoise as a file first")
    photometric, bits = int(page.photometric), page.bitspersample
    if photometric not in (_GREY, _INVERTED_GREY, _RGB, _PALETTE, _CMYK, _YCBCR):
        name = _NAMES.get(photometric, f"photometric {photometric}")
        raise UserError(f"a TIFF in {name}; hinas denoises grey and RGB pictures, convert it to RGB first")
    if photometric == _YCBCR and int(page.compression) != _JPEG_IN_TIFF:
        raise UserError("a TIFF in YCbCr without JPEG compression; convert it to RGB first")
    if bits == 1:
        raise UserError("a black-and-white TIFF (1 bit); there is no noise to take away; convert it to grey first")
    if photometric == _CMYK and (_inks_of(page) != _FOUR_INKS or int(page.compression) == _JPEG_IN_TIFF):
        raise UserError("a TIFF of other inks than CMYK, or of CMYK compressed as JPEG; convert it to RGB first")
    kind = int(page.sampleformat)
    if kind not in (_WHOLE, _FLOAT) or (kind == _FLOAT and (bits not in (16, 32) or photometric in (_PALETTE, _CMYK))):
        name = {_WHOLE: "whole", 2: "signed whole", _FLOAT: "floating-point"}.get(kind, "complex or unknown")
        raise UserError(
            f"a TIFF of {bits}-bit {name} numbers; hinas takes up to 16 bits per channel, and floating point of 16 "
            "and 32 bits in grey and RGB: convert it first"
        )
    if kind == _WHOLE and bits > 16:
        raise UserError(f"a TIFF of {bits} bits per channel; hinas takes up to 16, convert it first")
    if page.samplesperpixel - _NUM_COLOURS.get(photometric, 1) not in (0, 1) or page.is_volumetric:
        raise UserError(
            f"a TIFF of {page.samplesperpixel} channels or of several layers; hinas takes grey or RGB with alpha"
        )
    return page


def notes_of(page: Any) -> tuple[str, ...]:
    """What reading `page` changes, as sentences for a person."""
    notes: list[str] = []
    if int(page.photometric) == _INVERTED_GREY:
        notes.append("inverted grey (white is zero) became plain grey")
    if int(page.photometric) == _PALETTE:
        notes.append("the palette became 8-bit RGB, since denoising makes new colours")
    if page.bitspersample not in (8, 16, 32) and int(page.photometric) != _PALETTE:
        notes.append(f"{page.bitspersample} bits per channel became {8 * page.dtype.itemsize}")
    if _below(page):
        notes.append("smaller copies of the picture (SubIFDs) were left out")
    if _PHOTOSHOP_LAYERS in page.tags:
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
    return photometric == _PALETTE or (is_plain and photometric != _CMYK)


def channels_of(page: Any, stored: Image) -> Image:
    """(A part of) the stored samples as uint8, uint16 or float32; alpha as it is. (h, w, samples) to (h, w, C)."""
    channels = _of_full_range(page, np.ascontiguousarray(stored))
    if int(page.photometric) == _INVERTED_GREY:
        channels = channels.copy()
        channels[:, :, 0] = white_of(channels.dtype) - channels[:, :, 0]
    if int(page.photometric) == _PALETTE:
        colours = (np.asarray(page.colormap) >> 8).astype(np.uint8)
        alpha = channels[:, :, 1:].astype(np.uint32) * 255 // (2**page.bitspersample - 1)
        channels = np.dstack([colours[:, channels[:, :, 0]].transpose(1, 2, 0), alpha.astype(np.uint8)])
    return channels


def _of_full_range(page: Any, levels: Image) -> Image:
    if levels.dtype == np.float16:
        return levels.astype(np.float32)
    if page.bitspersample < 8 * levels.itemsize and int(page.photometric) != _PALETTE:
        return full_range(levels, 2**page.bitspersample - 1)
    return levels


def _metadata(tags: Directory) -> Metadata:
    xmp, icc = tags.get(_XMP), tags.get(_ICC)
    portable = {tag: value for tag, value in tags.items() if tag not in _TIFF_ONLY}
    return Metadata(
        exif=block_from(portable) if portable.keys() - _RESOLUTION else None,
        icc=None if icc is None else icc.data,
        xmp=None if xmp is None else xmp.data,
        dpi=_dpi(tags),
        has_iptc=_IPTC in tags,
    )


def _dpi(tags: Directory) -> tuple[float, float] | None:
    unit = tags[_RESOLUTION_UNIT].data[:2] if _RESOLUTION_UNIT in tags else b"\2\0"
    per_inch = {b"\2\0": 1.0, b"\3\0": 2.54}.get(unit)
    sides = [tags.get(_X_RESOLUTION), tags.get(_Y_RESOLUTION)]
    values = [struct.unpack("<II", side.data) for side in sides if side is not None and len(side.data) == 8]
    if per_inch is None or len(values) != 2 or 0 in (values[0][1], values[1][1]):
        return None
    return values[0][0] / values[0][1] * per_inch, values[1][0] / values[1][1] * per_inch


def _tags_from(metadata: Metadata) -> Directory:
    """The tags of a picture from another format."""
    tags: Directory = {}
    if metadata.exif is not None:
        carried = directory_from(metadata.exif)
        tags = {tag: value for tag, value in carried.items() if tag not in _STORAGE}
    if metadata.dpi is not None:
        for tag, dots in zip((_X_RESOLUTION, _Y_RESOLUTION), metadata.dpi, strict=True):
            tags[tag] = Value(5, struct.pack("<II", round(dots * 1000), 1000))
        tags[_RESOLUTION_UNIT] = Value(3, struct.pack("<H", 2))
    if metadata.xmp is not None:
        tags[_XMP] = Value(1, metadata.xmp)
    if metadata.icc is not None:
        tags[_ICC] = Value(7, metadata.icc)
    return tags
