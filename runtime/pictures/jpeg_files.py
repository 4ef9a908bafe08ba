"""JPEG: written at quality 95 or the source's where that is finer, without chroma subsampling.

From JPEG to JPEG, metadata segments are copied as bytes: EXIF with its maker notes, XMP, IPTC, profiles, comments.
"""

import io
import re
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import UserError
from .picture import Metadata, Picture
from .pillow_files import notes_on_rest, opened
from .size_tags import block_of_size

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_IPTC = b"8BIM\x04\x04"
"""The head of the records among Photoshop's resources."""
_JFIF = b"JFIF\0"
_DENSITY = slice(7, 12)
"""Where in the segment JFIF the unit and the density along both sides stand: JFIF 1.02, page 5."""
_QUALITY = 95
_MOST_ICC_BYTES_PER_SEGMENT = 65519
_SEGMENT_HEAD = 6
"""Bytes of a file before the content of its first segment: the start, a marker, a length."""
_MARKER_AFTER_PIXELS = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Within the pixels 0xFF is followed by 0 or by a restart marker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegDetails:
    """What only a JPEG file can take back."""

    segments: tuple[tuple[int, bytes], ...]
    """(marker, payload) of metadata segments, in order."""
    density: bytes | None
    """Its unit and both sides as they stand in the segment JFIF; None: the file has none."""
    quantisation: dict[int, list[int]]
    """Tables of 64 steps: the coarser, the less the file kept."""


def picture_from_jpeg(data: bytes) -> Picture:
    """The picture in the bytes of a JPEG file."""
    segments, pixels_at = _segments(data)
    if any(marker == 0xE2 and payload.startswith(b"MPF\0") for marker, payload in segments) and _num_pictures(data) > 1:
        raise UserError("holds several pictures (MPO, such as previews or depth maps); save it as a plain JPEG first")
    image: Any = opened(data, "JPEG")
    if image.mode not in ("L", "RGB"):
        raise UserError(f"a JPEG in mode {image.mode}; hinas denoises grey and RGB pictures, convert it to RGB first")
    jfif = _first(segments, 0xE0, _JFIF)
    dpi = image.info.get("dpi")
    icc = image.info.get("icc_profile")
    return Picture(
        pixels=np.asarray(image),
        format="JPEG",
        is_lossless=False,
        metadata=Metadata(
            exif=_first(segments, 0xE1, _EXIF),
            icc=icc,
            xmp=_first(segments, 0xE1, _XMP),
            dpi=None if dpi is None else (float(dpi[0]), float(dpi[1])),
            has_iptc=any(marker == 0xED and _IPTC in payload for marker, payload in segments),
        ),
        native=JpegDetails(
            segments=tuple(segment for segment in segments if _is_metadata(*segment)),
            density=None if jfif is None else (_JFIF + jfif)[_DENSITY],
            quantisation=image.quantization,
        ),
        notes=notes_on_rest(_behind_the_picture(data, pixels_at), b"\xff\xd8\xff"),
    )


def jpeg_details_of_size(details: JpegDetails, width: int, height: int) -> JpegDetails:
    """`details` for a picture of another number of pixels."""
    segments = tuple(
        (marker, _EXIF + block_of_size(payload.removeprefix(_EXIF), width, height))
        if marker == 0xE1 and payload.startswith(_EXIF)
        else (marker, payload)
        for marker, payload in details.segments
    )
    return replace(details, segments=segments)


def jpeg_from_picture(picture: Picture) -> bytes:
    """The bytes of a JPEG file. The picture has 8 bits and no alpha."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    dpi = picture.metadata.dpi
    options: dict[str, Any] = {"quality": _QUALITY, "subsampling": 0}
    if dpi is not None:
        options["dpi"] = (round(dpi[0]), round(dpi[1]))
    density: bytes | None = None
    segments: tuple[tuple[int, bytes], ...]
    if isinstance(picture.native, JpegDetails):
        segments, density = picture.native.segments, picture.native.density
        if _is_finer(picture.native.quantisation, _tables_of(image.mode)):
            options = {**options, "qtables": picture.native.quantisation}
            del options["quality"]
    else:
        segments = _segments_from(picture.metadata)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    encoded = buffer.getvalue()
    # Pillow writes the segment JFIF first; the others follow it.
    after_jfif = 4 + struct.unpack_from(">H", encoded, 4)[0]
    parts = [b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload for marker, payload in segments]
    start = bytearray(encoded[:after_jfif])
    if density is not None:
        start[_SEGMENT_HEAD + _DENSITY.start : _SEGMENT_HEAD + _DENSITY.stop] = density
    return bytes(start) + b"".join(parts) + encoded[after_jfif:]


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """(marker, payload) of every segment up to the start of the pixels, and where these start."""
    segments: list[tuple[int, bytes]] = []
    position = 2
    while True:
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        if position + 4 > len(data) or data[position] != 0xFF:
            raise UserError("damaged or truncated JPEG: it ends before the pixels begin")
        marker = data[position + 1]
        if marker in (0xDA, 0xD9):
            return segments, position
        (length,) = struct.unpack_from(">H", data, position + 2)
        segments.append((marker, data[position + 4 : position + 2 + length]))
        position += 2 + length


def _behind_the_picture(data: bytes, position: int) -> bytes:
    """All behind the end of the picture whose pixels' first marker stands at `position`."""
    while marker := _MARKER_AFTER_PIXELS.search(data, position):
        if marker[0] == b"\xff\xd9":
            return data[marker.end() :]
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        position = marker.end() + length
    return b""


def _is_metadata(marker: int, payload: bytes) -> bool:
    """APP0 to APP15 and comments, without what describes the old file's coding (JFIF, Adobe) or offsets in it (MPF).

    APP0 is also for thumbnails (JFXX) and for what old cameras write (CIFF).
    """
    if marker == 0xE0:
        return not payload.startswith(_JFIF)
    if marker == 0xFE:
        return True
    return 0xE1 <= marker <= 0xEF and marker != 0xEE and not (marker == 0xE2 and payload.startswith(b"MPF\0"))


def _first(segments: list[tuple[int, bytes]], marker: int, prefix: bytes) -> bytes | None:
    for found, payload in segments:
        if found == marker and payload.startswith(prefix):
            return payload.removeprefix(prefix)
    return None


def _num_pictures(data: bytes) -> int:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return getattr(image, "n_frames", 1)


def _segments_from(metadata: Metadata) -> tuple[tuple[int, bytes], ...]:
    segments: list[tuple[int, bytes]] = []
    if metadata.exif is not None:
        segments.append((0xE1, _EXIF + metadata.exif))
    if metadata.xmp is not None:
        segments.append((0xE1, _XMP + metadata.xmp))
    if metadata.icc is not None:
        size = _MOST_ICC_BYTES_PER_SEGMENT
        parts = [metadata.icc[start : start + size] for start in range(0, len(metadata.icc), size)]
        segments += [(0xE2, _ICC + bytes([index + 1, len(parts)]) + part) for index, part in enumerate(parts)]
    return tuple(segments)


def _tables_of(mode: str) -> dict[int, list[int]]:
    """The quantisation tables of quality 95."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new(mode, (8, 8)).save(buffer, "JPEG", quality=_QUALITY)
    tables: Any = opened(buffer.getvalue(), "JPEG")
    return tables.quantization


def _is_finer(tables: dict[int, list[int]], than: dict[int, list[int]]) -> bool:
    return sum(map(sum, tables.values())) * len(than) < sum(map(sum, than.values())) * len(tables)
