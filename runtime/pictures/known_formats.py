"""The formats of picture files: how to know them, by name and by content, and what they can hold."""

import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from .picture import Format, SourceFormat

SUFFIXES: dict[str, Format] = {
    ".png": "PNG",
    ".apng": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".mpo": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WebP",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".pgm": "PNM",
    ".ppm": "PNM",
    ".pnm": "PNM",
    ".npy": "NumPy",
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".avif": "AVIF",
    ".exr": "OpenEXR",
    ".gif": "GIF",
}

OTHER_SUFFIXES = (".j2k", ".jp2", ".jpf", ".jpx", ".jxl", ".psd", ".tga")
"""Pictures by their names that hinas does not write: among others they are refused, not passed over."""

_NOT_READ = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "a Photoshop document",
    b"SIMPLE  =": "FITS",
    b"DDS ": "DDS",
    b"qoif": "QOI",
    b"\0\0\x01\0": "an icon",
    b"%PDF": "a PDF document",
    b"%!PS": "PostScript",
}
"""First bytes of pictures that people have and hinas does not read."""

_BMP_HEADS = (12, 40, 52, 56, 64, 108, 124)
"""Bytes of the header behind the first 14."""

GIF_HEADS = (b"GIF87a", b"GIF89a")
_MOST_BRAND_BYTES = 64
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1")

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"}
    | {".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)
"""What cameras write before development. The name says what they are: many are TIFFs that begin with a preview."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DpiNumbers:
    """How files of a format state pixels per inch: as whole numbers of steps."""

    step: float
    """Pixels per inch."""
    most: int
    """Of steps."""

    def of(self, dpi: tuple[float, float] | None) -> tuple[int, int] | None:
        """The numbers for a density; None: there is none, or it does not fit. 0 would mean that it is unknown."""
        if dpi is None or not all(0.5 < dots / self.step < self.most + 0.5 for dots in dpi):
            return None
        return round(dpi[0] / self.step), round(dpi[1] / self.step)


BMP_DPI = DpiNumbers(step=0.0254, most=2**31 - 1)
JPEG_DPI = DpiNumbers(step=1, most=2**16 - 1)
PNG_DPI = DpiNumbers(step=0.0254, most=2**31 - 1)
TIFF_DPI = DpiNumbers(step=0.001, most=2**32 - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """What files of a format can hold."""

    depths: tuple[int, ...]
    """Bits per channel; 32: floating point."""
    has_alpha: bool = True
    longest: int | None = None
    """Pixels a side; None: more than any picture has."""
    metadata: frozenset[str] = frozenset({"EXIF", "XMP", "colour profile"})
    has_codes: bool = False
    """Whether colours may be described by numbers, as HDR needs it."""
    has_grey: bool = True
    dpi: DpiNumbers | None = None
    """How pixels per inch are stated; None: they are not, or by EXIF alone."""


CAPACITIES: dict[Format, Capacity] = {
    "PNG": Capacity(depths=(8, 16), has_codes=True, dpi=PNG_DPI),
    "JPEG": Capacity(depths=(8,), has_alpha=False, longest=65535, dpi=JPEG_DPI),
    "TIFF": Capacity(depths=(8, 16, 32), dpi=TIFF_DPI),
    "WebP": Capacity(depths=(8,), longest=16383, has_grey=False),
    "BMP": Capacity(depths=(8,), metadata=frozenset({"colour profile"}), dpi=BMP_DPI),
    "PNM": Capacity(depths=(8, 16), has_alpha=False, metadata=frozenset()),
    "NumPy": Capacity(depths=(8, 16, 32), metadata=frozenset()),
    "HEIC": Capacity(depths=(8,), longest=16384, has_codes=True),
    "AVIF": Capacity(depths=(8,), longest=65535, has_grey=False),
    "OpenEXR": Capacity(depths=(32,), metadata=frozenset()),
    "GIF": Capacity(depths=(8,), longest=65535, metadata=frozenset()),
}


def format_for(path: Path) -> Format:
    """The format that a file name asks for. Raises UserError for a suffix hinas cannot write."""
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        if is_camera_raw(path):
            raise UserError(f"{path}: raw files are read and not written; name it .tif or .png") from None
        raise UserError(f"{path}: no format for the suffix {path.suffix!r}; allowed: {', '.join(SUFFIXES)}") from None


def check_is_read(path: Path) -> None:
    """Raise UserError for a file that is no picture of ours by its first bytes.

    What cannot be looked at twice, such as a pipe, or not at all, is left to whoever reads it.
    """
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            head = file.read(_MOST_BRAND_BYTES)
    except OSError:
        return
    if source_format(path, head) is None:
        raise UserError(why_not_read(head))


def why_not_read(data: bytes) -> str:
    """What is wrong with a file of none of our formats, by its first bytes, as a sentence for a person."""
    if not data:
        return "the file is empty"
    for begin, kind in _NOT_READ.items():
        if data.startswith(begin):
            return f"{kind}, which hinas does not read; convert it to PNG or TIFF first"
    *names, last = CAPACITIES
    return f"not a picture that hinas can read; it reads {', '.join(names)} and {last}: convert it first"


def is_camera_raw(path: Path) -> bool:
    """Whether a camera wrote the file before development, by its name."""
    return path.suffix.lower() in RAW_SUFFIXES


def source_format(path: Path, data: bytes) -> SourceFormat | None:
    """What a file is, by its first bytes; a camera's raw file by its name, for many look like TIFF. None: not ours."""
    return "camera raw" if is_camera_raw(path) else format_of(data)


def format_of(data: bytes) -> Format | None:
    """The format that the first bytes of a file name; None: none of ours."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:6] in GIF_HEADS:
        return "GIF"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADS:
        return "BMP"
    if re.match(rb"P[1-6][\s#]", data):
        return "PNM"
    if data.startswith(b"\x93NUMPY"):
        return "NumPy"
    if data.startswith(b"v/1\x01"):
        return "OpenEXR"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(_MOST_BRAND_BYTES, int.from_bytes(data[:4]))]
        return "AVIF" if b"avif" in brands else "HEIC" if any(brand in brands for brand in _HEIC_BRANDS) else None
    return None
