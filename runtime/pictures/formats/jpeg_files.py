"""JPEG: written at quality 95 or the source's where that is finer, without chroma subsampling.

From JPEG to JPEG, metadata segments are copied as bytes: EXIF with its maker notes, XMP, IPTC, profiles, comments.
Phones write more pictures behind the first, such as gain maps: these do not fit a denoised picture and are left out.
"""

import io
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....errors import UserError
from ..exif.size_tags import block_of_size
from ..known_formats import JPEG_DPI
from ..picture import Metadata, Picture
from ..pillow_files import notes_on_rest, opened
from ..press_colours import Press, colours_from_inks, inks_from_colours, press_from
from .jpeg_segments import (
    EXIF,
    JFIF,
    XMP,
    JpegFile,
    Segment,
    first,
    metadata_from,
    metadata_segments,
    segment_bytes,
    taken_apart,
    xmp_of_one_picture,
)

_IPTC = b"8BIM\x04\x04"
"""The head of the records among Photoshop's resources."""
_DENSITY = slice(7, 12)
"""Where in the segment JFIF the unit and the density along both sides stand: JFIF 1.02, page 5."""
_JFIF_START = JFIF + b"\1\1"
_NO_THUMBNAIL = bytes(2)
_QUALITY = 95
_SIGNATURE = b"\xff\xd8\xff"
_OTHERS_NOTE = (
    "what follows the first picture in the file (such as a gain map, a depth map, another view or a video) was left out"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegDetails:
    """What only a JPEG file can take back."""

    segments: tuple[Segment, ...]
    """Metadata, in order."""
    density: bytes | None
    """Its unit and both sides as they stand in the segment JFIF; None: the file has none."""
    quantisation: dict[int, list[int]]
    """Tables of 64 steps: the coarser, the less the file kept."""
    press: Press | None = None
    """Of a file in CMYK; None: grey or RGB."""


def picture_from_jpeg(data: bytes) -> Picture:
    """The first picture in the bytes of a JPEG file."""
    file = taken_apart(data)
    image: Any = opened(file.alone if file.lists_others else data, "JPEG")
    if image.mode not in ("L", "RGB", "CMYK"):
        raise UserError(f"a JPEG in mode {image.mode}; hinas denoises grey and RGB pictures, convert it to RGB first")
    # Pillow takes inks as Adobe writes them, inverted; so do browsers.
    press = press_from(image.info.get("icc_profile")) if image.mode == "CMYK" else None
    stored = np.asarray(image)
    jfif = first(file.segments, 0xE0, JFIF)
    dpi = image.info.get("dpi")
    xmp = first(file.segments, 0xE1, XMP)
    return Picture(
        pixels=stored if press is None else colours_from_inks(stored, press),
        format="JPEG",
        is_lossless=False,
        metadata=Metadata(
            exif=first(file.segments, 0xE1, EXIF),
            icc=image.info.get("icc_profile") if press is None else press.colour_profile,
            xmp=None if xmp is None else xmp_of_one_picture(xmp),
            dpi=None if dpi is None else (float(dpi[0]), float(dpi[1])),
            has_iptc=any(marker == 0xED and _IPTC in payload for marker, payload in file.segments),
        ),
        native=JpegDetails(
            segments=metadata_segments(file.segments),
            density=None if jfif is None else (JFIF + jfif)[_DENSITY],
            quantisation=image.quantization,
            press=press,
        ),
        notes=(*_notes_on_bytes(file), *(() if press is None else (press.note("JPEG"),))),
    )


def jpeg_details_of_size(details: JpegDetails, width: int, height: int) -> JpegDetails:
    """`details` for a picture of another number of pixels."""
    segments = tuple(
        (marker, EXIF + block_of_size(payload.removeprefix(EXIF), width, height))
        if marker == 0xE1 and payload.startswith(EXIF)
        else (marker, payload)
        for marker, payload in details.segments
    )
    return replace(details, segments=segments)


def jpeg_from_picture(picture: Picture) -> bytes:
    """The bytes of a JPEG file. The picture has 8 bits and no alpha."""
    from PIL import Image

    details = picture.native if isinstance(picture.native, JpegDetails) else None
    if details is None or details.press is None:
        image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    else:
        inks = inks_from_colours(picture.pixels, details.press)
        image = Image.frombuffer("CMYK", (picture.width, picture.height), np.ascontiguousarray(inks))
    options: dict[str, Any] = {"subsampling": 0}
    if (dpi := JPEG_DPI.of(picture.metadata.dpi)) is not None:
        options["dpi"] = dpi
    if details is not None and _is_finer(details.quantisation, _tables_of(image.mode)):
        options["qtables"] = details.quantisation
    else:
        options["quality"] = _QUALITY
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    metadata = picture.metadata
    if details is None:
        return _with_segments(buffer.getvalue(), metadata_from(metadata.exif, metadata.xmp, metadata.icc), None)
    return _with_segments(buffer.getvalue(), details.segments, details.density)


def _with_segments(encoded: bytes, segments: tuple[Segment, ...], density: bytes | None) -> bytes:
    """Pillow's `encoded` with metadata behind its segment JFIF; `density`: what is to stand there, None: Pillow's."""
    (length,) = struct.unpack_from(">H", encoded, 4)
    after_jfif = 4 + length if encoded[2:4] == b"\xff\xe0" else 2
    # Of CMYK Pillow writes none without a density.
    jfif: bytes = encoded[2:after_jfif]
    if density is not None:
        jfif = segment_bytes([(0xE0, _JFIF_START + density + _NO_THUMBNAIL)])
    return encoded[:2] + jfif + segment_bytes(segments) + encoded[after_jfif:]


def _notes_on_bytes(file: JpegFile) -> tuple[str, ...]:
    """What to tell a person of bytes that are left out. Raises UserError for a picture that nothing announces."""
    stray = (f"stray bytes between the JPEG's parts were left out ({file.num_stray})",)
    if file.lists_others:
        behind = (_OTHERS_NOTE,) if file.rest.strip(b"\0") else ()
    else:
        behind = notes_on_rest(file.rest, _SIGNATURE)
    return (stray if file.num_stray else ()) + behind


def _tables_of(mode: str) -> dict[int, list[int]]:
    """The quantisation tables of quality 95."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new(mode, (8, 8)).save(buffer, "JPEG", quality=_QUALITY)
    tables: Any = opened(buffer.getvalue(), "JPEG")
    return tables.quantization


def _is_finer(tables: dict[int, list[int]], than: dict[int, list[int]]) -> bool:
    return sum(map(sum, tables.values())) * len(than) < sum(map(sum, than.values())) * len(tables)
