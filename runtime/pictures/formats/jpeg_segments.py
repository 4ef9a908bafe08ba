"""The segments of a JPEG file: those in front of the pixels, what lies behind these, and what phones say of it."""

import re
import struct
from dataclasses import dataclass

from ....errors import UserError

EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
JFIF = b"JFIF\0"
_ICC = b"ICC_PROFILE\0"
_MPF = b"MPF\0"
"""The list of a file's pictures: CIPA DC-007."""
_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
"""That the file has a gain map, and how it is applied: ISO 21496-1."""
_MOST_ICC_BYTES = 65519
"""Of a segment."""
_MARKER_AFTER_PIXELS = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Within the pixels 0xFF is followed by 0 or by a restart marker."""
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
"""Of a part with a length, or of the end."""
_DIRECTORY = re.compile(
    rb"\s*<(?P<name>\w+:Directory)\b[^>]*>(?:(?!</(?P=name)>).)*Item:Semantic.*?</(?P=name)>", re.DOTALL
)
"""What Android's cameras list in the XMP of the first picture: all that follows it."""
_GAIN_MAP_IN_XMP = re.compile(rb"""\s+hdrgm:\w+\s*=\s*(?:"[^"]*"|'[^']*')|\s*<hdrgm:(\w+)>.*?</hdrgm:\1>""", re.DOTALL)

Segment = tuple[int, bytes]
"""Marker and payload."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegFile:
    """A JPEG file taken apart."""

    segments: tuple[Segment, ...]
    """All in front of the pixels, in order."""
    pixels: bytes
    """From the first marker of the pixels to the end of the picture; to the end of the file where none is found."""
    rest: bytes
    """All behind the picture."""
    num_stray: int
    """Bytes between the segments that belong to none, as decoders pass over them; filling 0xFF does not count."""

    @property
    def lists_others(self) -> bool:
        """Whether the file says that more pictures follow the first: MPO, Ultra HDR, Android's directory."""
        return any(
            (marker == 0xE2 and payload.startswith((_MPF, _GAIN_MAP)))
            or (marker == 0xE1 and payload.startswith(XMP) and _DIRECTORY.search(payload) is not None)
            for marker, payload in self.segments
        )

    @property
    def alone(self) -> bytes:
        """The first picture as a file of its own."""
        kept = [segment for segment in self.segments if not _is_about_others(*segment)]
        return b"\xff\xd8" + segment_bytes(kept) + self.pixels


def taken_apart(data: bytes) -> JpegFile:
    """The parts of the bytes of a JPEG file. Raises UserError where it ends before its pixels."""
    segments: list[Segment] = []
    position, num_stray = 2, 0
    while True:
        found = _MARKER.search(data, position)
        if found is None or found.start() + 4 > len(data):
            raise UserError("damaged or truncated JPEG: it ends before the pixels begin")
        num_stray += len(data[position : found.start()].lstrip(b"\xff"))
        position = found.start()
        marker = data[position + 1]
        if marker in (0xDA, 0xD9):
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        segments.append((marker, data[position + 4 : position + 2 + length]))
        position += 2 + length
    end = _end_of_picture(data, position)
    return JpegFile(segments=tuple(segments), pixels=data[position:end], rest=data[end:], num_stray=num_stray)


def segment_bytes(segments: list[Segment] | tuple[Segment, ...]) -> bytes:
    """`segments` as they stand in a file."""
    return b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload for marker, payload in segments
    )


def first(segments: tuple[Segment, ...], marker: int, prefix: bytes) -> bytes | None:
    """The payload behind `prefix` of the first such segment."""
    for found, payload in segments:
        if found == marker and payload.startswith(prefix):
            return payload.removeprefix(prefix)
    return None


def metadata_segments(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """What stays true of a picture whose pixels are coded anew and that stands alone in its file.

    APP0 to APP15 and comments, without what describes the old file's coding (JFIF, Adobe), and without what is about
    other pictures behind the first. APP0 is also for thumbnails (JFXX) and for what old cameras write (CIFF).
    """
    return tuple(
        (marker, xmp_of_one_picture(payload) if marker == 0xE1 and payload.startswith(XMP) else payload)
        for marker, payload in segments
        if _is_metadata(marker, payload) and not _is_about_others(marker, payload)
    )


def xmp_of_one_picture(xmp: bytes) -> bytes:
    """`xmp` without the list of the pictures that follow, and without the numbers that belong to a gain map."""
    return _GAIN_MAP_IN_XMP.sub(b"", _DIRECTORY.sub(b"", xmp))


def metadata_from(exif: bytes | None, xmp: bytes | None, icc: bytes | None) -> tuple[Segment, ...]:
    """Segments of blocks that come from another format."""
    segments: list[Segment] = []
    if exif is not None:
        segments.append((0xE1, EXIF + exif))
    if xmp is not None:
        segments.append((0xE1, XMP + xmp))
    return (*segments, *icc_segments(icc))


def icc_segments(icc: bytes | None) -> tuple[Segment, ...]:
    """A colour profile, over as many segments as it needs."""
    whole = icc or b""
    parts = [whole[start : start + _MOST_ICC_BYTES] for start in range(0, len(whole), _MOST_ICC_BYTES)]
    return tuple((0xE2, _ICC + bytes([index + 1, len(parts)]) + part) for index, part in enumerate(parts))


def _is_metadata(marker: int, payload: bytes) -> bool:
    if marker == 0xE0:
        return not payload.startswith(JFIF)
    return marker == 0xFE or (0xE1 <= marker <= 0xEF and marker != 0xEE)


def _is_about_others(marker: int, payload: bytes) -> bool:
    return marker == 0xE2 and payload.startswith((_MPF, _GAIN_MAP))


def _end_of_picture(data: bytes, position: int) -> int:
    """Behind the picture whose pixels' first marker stands at `position`; the file's end where it has no end."""
    while marker := _MARKER_AFTER_PIXELS.search(data, position):
        if marker[0] == b"\xff\xd9":
            return marker.end()
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        position = marker.end() + length
    return len(data)
