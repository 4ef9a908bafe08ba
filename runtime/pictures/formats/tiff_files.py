"""TIFF: grey, RGB and CMYK, of 8 and 16 bits and in floating point, with and without alpha, and all other tags.

tifffile codes the pixels; the tags are carried over as raw values by `exif_block`, sub-directories (EXIF, GPS) too.
"""

import io
import mmap
import struct
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from ....errors import UserError
from ....network_input import PACKED_BAYER
from ..exif.exif_block import BIG, CLASSIC, Directory, Value, block_from, directory_bytes, directory_from
from ..exif.size_tags import without_shape
from ..float_values import values_within
from ..known_formats import TIFF_DPI
from ..picture import Format, Image, Metadata, Picture, with_alpha, without_alpha
from ..pillow_files import check_size
from ..press_colours import Press, colours_from_inks, inks_from_colours, press_from
from .tiff_pages import (
    CMYK,
    FLOAT,
    JPEG_IN_TIFF,
    PALETTE,
    PHOTOSHOP_LAYERS,
    channels_of,
    checked_page,
    is_packed_bayer,
    notes_of,
)

_XMP, _ICC, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 700, 34675, 282, 283, 296
_RESOLUTION = frozenset([_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT])
# How the pixels are stored: written anew. 37724: Photoshop's layers would still show the noisy picture.
_STORAGE = frozenset(
    {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 317}
    | {*range(320, 329), 330, *range(332, 335), *range(338, 343), 347, *range(512, 522), *range(529, 533)}
    | {PHOTOSHOP_LAYERS}
)
# Too large for, or without meaning in, other formats' EXIF blocks.
_IPTC = 33723
_TIFF_ONLY = frozenset([_XMP, _ICC, _IPTC, 34377])
_COMPRESSIONS = {1: None, 5: "lzw", 8: "zlib", 32946: "zlib", 32773: "packbits", 50000: "zstd"}
_UNKNOWN_CHANNEL, _ASSOCIATED_ALPHA = 0, 1
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
    is_packed_bayer: bool = False
    """Whether four channels are none of them red, green or blue."""
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
        return picture_of_page(page, data)


def picture_of_page(page: Any, data: bytes | mmap.mmap) -> Picture:
    """The picture of tifffile's `page`, which has been checked, of the file whose content is `data`."""
    details = details_of(page, data)
    # tifffile's full shape: planes, depth, rows, columns, samples; one of planes and samples is 1.
    stored = np.moveaxis(page.asarray().reshape(page.shaped), 0, -2)[0]
    channels = channels_of(page, stored.reshape(page.imagelength, page.imagewidth, -1))
    notes = notes_of(page)
    metadata = _metadata(details.tags)
    beyond: Image | None = None
    if int(page.photometric) == CMYK:
        press = press_from(metadata.icc)
        details, metadata = replace(details, press=press), replace(metadata, icc=press.colour_profile)
        pixels = colours_from_inks(channels[:, :, :4], press)
        alpha = channels[:, :, 4].copy() if channels.shape[2] > 4 else None
        notes += (press.note("TIFF"),)
    elif is_packed_bayer(page):
        pixels, alpha = channels, None
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
        is_lossless=int(page.compression) != JPEG_IN_TIFF,
        metadata=metadata,
        native=details,
        notes=notes,
    )


def check_portable(picture: Picture, format: Format) -> None:
    """Raise UserError for a TIFF picture whose last channel would be something else in `format`."""
    if picture.alpha is None:
        return
    if picture.native.alpha_kind == _ASSOCIATED_ALPHA:
        raise UserError("the colours are multiplied by alpha (associated alpha), which only TIFF can hold; write TIFF")
    # NumPy says of no channel what it is.
    if picture.native.alpha_kind == _UNKNOWN_CHANNEL and format != "NumPy":
        raise UserError(
            "the file does not say what its last channel is (ExtraSamples 0, such as infrared), and "
            f"{format} would show it as transparency; write TIFF or NumPy, or take the channel out first"
        )


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
    if picture.num_channels == PACKED_BAYER:
        options |= _options_of_packed_bayer(details)
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


def _options_of_packed_bayer(details: TiffDetails | None) -> dict[str, Any]:
    """As the source had the four channels: as RGB and one more, or none of them named."""
    if details is None or details.is_packed_bayer:
        return {"photometric": "minisblack", "extrasamples": [_EXTRA_SAMPLES[0]] * (PACKED_BAYER - 1)}
    return {"extrasamples": [_EXTRA_SAMPLES[details.alpha_kind]]}


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
    """What is kept of tifffile's `page`, of the file whose content is `data`."""
    tags = {tag: value for tag, value in directory_from(data, page.offset).items() if tag not in _STORAGE}
    return TiffDetails(
        # A palette becomes three channels.
        tags=without_shape(tags) if int(page.photometric) == PALETTE else tags,
        compression=_COMPRESSIONS.get(int(page.compression), "zlib"),
        alpha_kind=_alpha_kind(page),
        is_packed_bayer=is_packed_bayer(page),
        is_half=int(page.sampleformat) == FLOAT and page.bitspersample == 16,
    )


def _alpha_kind(page: Any) -> int:
    if not page.extrasamples:
        return 2
    kind = int(page.extrasamples[0])
    return kind if kind in _EXTRA_SAMPLES else 0


def _metadata(tags: Directory) -> Metadata:
    xmp, icc = tags.get(_XMP), tags.get(_ICC)
    portable = {tag: value for tag, value in tags.items() if tag not in _TIFF_ONLY}
    return Metadata(
        exif=block_from(portable) if portable.keys() - _RESOLUTION else None,
        icc=None if icc is None else icc.data,
        xmp=None if xmp is None else xmp.data,
        dpi=dpi_of(tags),
        has_iptc=_IPTC in tags,
    )


def dpi_of(tags: Directory) -> tuple[float, float] | None:
    """The pixels per inch that the tags of a TIFF or of an EXIF block state."""
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
    if (thousandths := TIFF_DPI.of(metadata.dpi)) is not None:
        for tag, dots in zip((_X_RESOLUTION, _Y_RESOLUTION), thousandths, strict=True):
            tags[tag] = Value(5, struct.pack("<II", dots, 1000))
        tags[_RESOLUTION_UNIT] = Value(3, struct.pack("<H", 2))
    if metadata.xmp is not None:
        tags[_XMP] = Value(1, metadata.xmp)
    if metadata.icc is not None:
        tags[_ICC] = Value(7, metadata.icc)
    return tags
