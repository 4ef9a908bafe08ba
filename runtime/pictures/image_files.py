"""Read and write picture files without losing what they hold: depth, alpha, profiles, EXIF, resolution.

One module per format: png_files, jpeg_files, tiff_files, webp_files. What cannot be kept is a UserError
that says so before anything is written.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import UserError
from .picture import Format, Picture

SUFFIXES: dict[str, Format] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WebP",
}

OTHER_SUFFIXES = (".apng", ".avif", ".bmp", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".mpo", ".psd")
"""Pictures by their names that hinas does not write: among others they are refused, not passed over."""


def format_for(path: Path) -> Format:
    """The format that a file name asks for. Raises UserError for a suffix hinas cannot write."""
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise UserError(f"{path}: no format for the suffix {path.suffix!r}; allowed: {', '.join(SUFFIXES)}") from None


def read_picture(path: Path) -> Picture:
    """The picture in `path`; the content decides its format, not the name.

    Raises UserError for files that are missing, damaged, no picture, or of a kind that could not be written back.
    """
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; expected a picture file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror})") from error
    try:
        with damage_is_the_users():
            match format_of(data):
                case "PNG":
                    from .png_files import picture_from_png as picture_from
                case "JPEG":
                    from .jpeg_files import picture_from_jpeg as picture_from
                case "TIFF":
                    from .tiff_files import picture_from_tiff as picture_from
                case "WebP":
                    from .webp_files import picture_from_webp as picture_from
                case None:
                    raise UserError("not a picture that hinas can read; it reads PNG, JPEG, TIFF and WebP")
            return picture_from(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def write_picture(picture: Picture, path: Path, *, format: Format) -> None:
    """Write `picture` to `path` as `format`. Raises UserError for what the format cannot hold (`check_writable`)."""
    check_writable(picture, format)
    match format:
        case "PNG":
            from .png_files import png_from_picture as data_from
        case "JPEG":
            from .jpeg_files import jpeg_from_picture as data_from
        case "TIFF":
            from .tiff_files import tiff_from_picture as data_from
        case "WebP":
            from .webp_files import webp_from_picture as data_from
    path.write_bytes(data_from(picture))


def check_writable(picture: Picture, format: Format, *, scale: int = 1) -> None:
    """Raise UserError where `format` cannot hold what `picture` has: to be called before the work of denoising.

    `scale`: how many times as high and wide the picture will be.
    """
    if picture.bits == 16 and format in ("JPEG", "WebP"):
        raise UserError(f"the picture has 16 bits per channel and {format} holds 8; write PNG or TIFF")
    if picture.alpha is not None and format == "JPEG":
        raise UserError("the picture has transparency and JPEG cannot hold it; write PNG, TIFF or WebP")
    height, width = picture.height * scale, picture.width * scale
    longest = {"JPEG": 65535, "WebP": 16383}.get(format)
    if longest is not None and max(height, width) > longest:
        raise UserError(
            f"the picture {'is' if scale == 1 else 'becomes'} {width}x{height} and {format} holds at most {longest} "
            "pixels a side; write PNG"
        )
    if format == "WebP" and not picture.is_colour and picture.metadata.icc is not None:
        raise UserError("WebP has no grey pictures, so the grey colour profile cannot be kept; write PNG, JPEG or TIFF")
    if format == "JPEG" and picture.format != "JPEG":
        for name, block in (("EXIF", picture.metadata.exif), ("XMP", picture.metadata.xmp)):
            if block is not None and len(block) > 65000:
                raise UserError(
                    f"the picture's {name} block of {len(block)} bytes does not fit into JPEG; write PNG or TIFF"
                )
    if (format == "TIFF") != (picture.format == "TIFF"):
        from .tiff_files import check_portable, check_tags

        check_tags(picture) if format == "TIFF" else check_portable(picture)


def left_out(picture: Picture, format: Format) -> tuple[str, ...]:
    """What another format does not take of `picture`, as sentences for a person."""
    if format == picture.format or not picture.metadata.has_iptc:
        return ()
    return (f"captions and keywords in IPTC records do not go from {picture.format} to {format} and were left out",)


def format_of(data: bytes) -> Format | None:
    """The format that the first bytes of a file name; None: none of ours."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return None


_OWN_WORDS = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, struct.error, zlib.error)
"""Errors whose texts decoders write for people."""
_INTERNAL = (LookupError, TypeError, ArithmeticError, AttributeError)
"""Errors that decoders stumble into: their texts are about Python."""


@contextmanager
def damage_is_the_users() -> Iterator[None]:
    """Decoders answer damaged files with errors of many classes: all of them become one UserError."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except _INTERNAL as error:
        raise UserError("damaged or truncated, cannot be decoded") from error
    except _OWN_WORDS as error:
        reason = (str(error).strip().splitlines() or [""])[0][:160]
        # An object's place in memory says nothing to a person.
        in_words = f" ({reason})" if reason and " object at 0x" not in reason else ""
        raise UserError(f"damaged or truncated, cannot be decoded{in_words}") from error


_PNG_CHANNELS = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}


def decoded_bytes(path: Path) -> int:
    """Bytes of all channels of the picture in `path`; 0 where its header cannot be read: reading it will say why."""
    try:
        with damage_is_the_users():
            with path.open("rb") as file:
                head = file.read(32)
            match format_of(head):
                case "PNG":
                    width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
                    return width * height * _PNG_CHANNELS[colour] * (2 if depth == 16 else 1)
                case "TIFF":
                    import tifffile

                    with tifffile.TiffFile(path) as tiff:
                        return tiff.pages[0].nbytes
                case None:
                    return 0
                case _:
                    from .pillow_files import header_of

                    width, height, num_channels = header_of(path)
                    return width * height * num_channels
    except UserError:
        return 0
