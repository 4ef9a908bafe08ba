"""Which files hold a series of pictures, by their first bytes, and which series a file name asks for."""

import struct
from pathlib import Path
from typing import BinaryIO, Literal

from ....errors import UserError
from ..known_formats import GIF_HEADS, is_camera_raw

SeriesFormat = Literal["GIF", "PNG", "WebP", "TIFF"]

ANIMATION_SUFFIXES: dict[str, SeriesFormat] = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WebP"}
PAGES_SUFFIXES: dict[str, SeriesFormat] = {".tif": "TIFF", ".tiff": "TIFF"}
_PNG = b"\x89PNG\r\n\x1a\n"
_WEBP_IS_ANIMATED = 0x02
_GIF_HEAD_BYTES, _EXTENSION, _FRAME = 13, b"!", b","
_MOST_CHUNKS = 1000
"""Of a PNG, before its pixels: more are in no sane file."""


def series_in(path: Path) -> SeriesFormat | None:
    """The kind of series that a file holds: animated GIFs, PNGs and WebPs, TIFFs that list several pages.

    None: a single picture, or a file that cannot be read, for reading it as a picture says why.
    """
    try:
        if not path.is_file():
            return None  # a pipe can be read once
        if is_camera_raw(path):
            return None  # its pages are previews of one picture
        with path.open("rb") as file:
            return _series_in(file)
    except (OSError, LookupError, struct.error, ValueError, OverflowError):
        return None  # of a damaged file, the last two say that an offset is beyond all files


def series_format_for(path: Path, source: SeriesFormat) -> SeriesFormat:
    """The format that a file name asks for. Raises UserError where it cannot hold a series like that of `source`."""
    suffixes = PAGES_SUFFIXES if source == "TIFF" else ANIMATION_SUFFIXES
    try:
        return suffixes[path.suffix.lower()]
    except KeyError:
        what = "a TIFF of several pages" if source == "TIFF" else "an animation"
        raise UserError(f"{what}, which is written to {', '.join(suffixes)} alone; or split it first") from None


def _series_in(file: BinaryIO) -> SeriesFormat | None:
    head = file.read(32)
    if head[:6] in GIF_HEADS:
        return "GIF" if _has_second_frame(file, head) else None
    if head.startswith(_PNG):
        return "PNG" if _is_animated_png(file) else None
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        # Of a file that ends before its flags reading it as a picture says so.
        return "WebP" if int.from_bytes(head[20:21]) & _WEBP_IS_ANIMATED else None
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF" if _has_second_page(file, head) else None
    return None


def _is_animated_png(file: BinaryIO) -> bool:
    file.seek(len(_PNG))
    for _ in range(_MOST_CHUNKS):
        length, name = struct.unpack(">I4s", file.read(8))
        if name in (b"acTL", b"IDAT"):
            return name == b"acTL"
        file.seek(length + 4, 1)
    return False


def _has_second_frame(file: BinaryIO, head: bytes) -> bool:
    """Whether a GIF goes on behind its first frame: GIF 89a, section 17 and following."""
    file.seek(_GIF_HEAD_BYTES + _palette_bytes(head[10]))
    num_frames = 0
    while (kind := file.read(1)) in (_EXTENSION, _FRAME):
        if kind == _FRAME:
            num_frames += 1
            if num_frames > 1:
                return True
            file.seek(_palette_bytes(file.read(9)[8]), 1)
        file.seek(1, 1)  # what extension it is, or how codes begin
        while size := file.read(1)[0]:
            file.seek(size, 1)
    return False


def _palette_bytes(flags: int) -> int:
    """Of the palette that follows, which flags announce; 0: none."""
    return 3 * 2 ** (1 + (flags & 0x07)) if flags & 0x80 else 0


def _has_second_page(file: BinaryIO, head: bytes) -> bool:
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack(order + "H", head[2:4])[0] == 43
    count, offset, entry_bytes, at = ("Q", "Q", 20, 8) if is_big else ("H", "I", 12, 4)
    (first,) = struct.unpack_from(order + offset, head, at)
    file.seek(first)
    (num,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
    file.seek(num * entry_bytes, 1)
    return struct.unpack(order + offset, file.read(struct.calcsize(offset)))[0] != 0
