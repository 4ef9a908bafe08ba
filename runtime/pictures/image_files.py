"""Read and write picture files without losing what they hold: depth, alpha, profiles, EXIF, resolution.

One module per format in `formats`. What cannot be kept is a UserError that says so before anything is written.
"""

import struct
from pathlib import Path

from ...errors import UserError
from ...network_input import PACKED_BAYER
from .damage import damage_is_the_users
from .known_formats import CAPACITIES, source_format, why_not_read
from .lost_metadata import lost_metadata, notes_on_gamma
from .picture import Format, Picture

_MOST_JPEG_BLOCK_BYTES = 65000
_PNG_CHANNELS = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}


def read_picture(path: Path) -> Picture:
    """The picture in `path`; the content decides its format, not the name, but for cameras' raw files.

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
            match source_format(path, data):
                case "PNG":
                    from .formats.png.png_files import picture_from_png as picture_from
                case "JPEG":
                    from .formats.jpeg_files import picture_from_jpeg as picture_from
                case "TIFF":
                    from .formats.tiff_files import picture_from_tiff as picture_from
                case "WebP":
                    from .formats.webp_files import picture_from_webp as picture_from
                case "BMP":
                    from .formats.bmp_files import picture_from_bmp as picture_from
                case "PNM":
                    from .formats.pnm_files import picture_from_pnm as picture_from
                case "NumPy":
                    from .formats.npy_files import picture_from_npy as picture_from
                case "HEIC":
                    from .formats.heic_files import picture_from_heic as picture_from
                case "AVIF":
                    from .formats.avif_files import picture_from_avif as picture_from
                case "OpenEXR":
                    from .formats.exr_files import picture_from_exr as picture_from
                case "GIF":
                    from .formats.gif_files import picture_from_gif as picture_from
                case "camera raw":
                    from .formats.raw_files import picture_from_raw as picture_from
                case None:
                    raise UserError(why_not_read(data))
            return picture_from(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def write_picture(picture: Picture, path: Path, *, format: Format) -> None:
    """Write `picture` to `path` as `format`. Raises UserError for what the format cannot hold (`check_writable`)."""
    check_writable(picture, format)
    match format:
        case "PNG":
            from .formats.png.png_files import png_from_picture as data_from
        case "JPEG":
            from .formats.jpeg_files import jpeg_from_picture as data_from
        case "TIFF":
            from .formats.tiff_files import tiff_from_picture as data_from
        case "WebP":
            from .formats.webp_files import webp_from_picture as data_from
        case "BMP":
            from .formats.bmp_files import bmp_from_picture as data_from
        case "PNM":
            from .formats.pnm_files import pnm_from_picture as data_from
        case "NumPy":
            from .formats.npy_files import npy_from_picture as data_from
        case "HEIC":
            from .formats.heic_files import heic_from_picture as data_from
        case "AVIF":
            from .formats.avif_files import avif_from_picture as data_from
        case "OpenEXR":
            from .formats.exr_files import exr_from_picture as data_from
        case "GIF":
            from .formats.gif_files import gif_from_picture as data_from
    path.write_bytes(data_from(picture))


def check_writable(picture: Picture, format: Format, *, scale: int = 1) -> None:
    """Raise UserError where `format` cannot hold what `picture` has: to be called before the work of denoising.

    `scale`: how many times as high and wide the picture will be.
    """
    capacity = CAPACITIES[format]
    if format == "GIF":
        from .formats.gif_files import check_to_gif

        check_to_gif(picture)
    if format == "OpenEXR":
        from .formats.exr_files import check_to_exr

        check_to_exr(picture, scale=scale)
    elif picture.format == "OpenEXR":
        from .formats.exr_files import check_from_exr

        check_from_exr(picture)
    if picture.num_channels == PACKED_BAYER and format not in ("NumPy", "TIFF"):
        raise UserError(f"raw data in packed Bayer have 4 channels, which {format} cannot hold; write TIFF or NumPy")
    if picture.bits == 32 and 32 not in capacity.depths:
        raise UserError(f"the picture is floating point and {format} holds whole numbers; write TIFF, OpenEXR or NumPy")
    if picture.beyond is not None and scale > 1:
        raise UserError("the picture has values beyond 0..1, which a model that enlarges cannot carry; clip them first")
    if picture.bits not in capacity.depths and not _takes_back(picture, format):
        holds = "is written with" if format in ("HEIC", "AVIF") else "holds"
        raise UserError(f"the picture has 16 bits per channel and {format} {holds} 8; write PNG or TIFF")
    if picture.alpha is not None and not capacity.has_alpha:
        raise UserError(f"the picture has transparency and {format} cannot hold it; write PNG, TIFF or WebP")
    height, width = picture.height * scale, picture.width * scale
    if capacity.longest is not None and max(height, width) > capacity.longest:
        raise UserError(
            f"the picture {'is' if scale == 1 else 'becomes'} {width}x{height} and {format} holds at most "
            f"{capacity.longest} pixels a side; write PNG"
        )
    if not capacity.has_grey and not picture.is_colour and picture.metadata.icc is not None:
        raise UserError(
            f"{format} has no grey pictures, so the grey colour profile cannot be kept; write PNG, JPEG or TIFF"
        )
    if picture.metadata.codes is not None and not capacity.has_codes:
        raise UserError(
            f"the picture's colours are HDR or of a wide gamut, without a profile that {format} could hold; write PNG"
        )
    match format:
        case "HEIC":
            from .formats.heic_files import check_heic

            check_heic()
        case "AVIF":
            from .formats.avif_files import check_avif

            check_avif()
        case _:
            pass
    if format == "JPEG" and picture.format != "JPEG":
        for name, block in (("EXIF", picture.metadata.exif), ("XMP", picture.metadata.xmp)):
            if block is not None and len(block) > _MOST_JPEG_BLOCK_BYTES:
                raise UserError(
                    f"the picture's {name} block of {len(block)} bytes does not fit into JPEG; write PNG or TIFF"
                )
    if (format == "TIFF") != (picture.format == "TIFF"):
        from .formats.tiff_files import check_portable, check_tags

        check_tags(picture) if format == "TIFF" else check_portable(picture, format)


def _takes_back(picture: Picture, format: Format) -> bool:
    """HEIC is written with 10 and 12 bits where it was read so: fewer than other pictures of 16 bits have."""
    return picture.format == format == "HEIC"


def left_out(picture: Picture, format: Format) -> tuple[str, ...]:
    """What a file does not take of `picture`, as sentences for a person."""
    notes: list[str] = []
    if "GIF" in (format, picture.format):
        from .formats.gif_files import notes_on_gif

        notes += notes_on_gif(picture, format)
    elif format == picture.format:
        return ()
    if picture.metadata.has_iptc:
        notes.append(
            f"captions and keywords in IPTC records do not go from {picture.format} to {format} and were left out"
        )
    if lost := lost_metadata(picture.metadata, CAPACITIES[format]):
        notes.append(f"{format} cannot hold all that the picture has; left out: {', '.join(lost)}")
    notes += notes_on_gamma(picture.metadata, format)
    return tuple(notes)


def decoded_bytes(path: Path) -> int:
    """Bytes of all channels of the picture in `path`; 0 where its header cannot be read: reading it will say why."""
    try:
        with damage_is_the_users():
            with path.open("rb") as file:
                head = file.read(32)
            match source_format(path, head):
                case "PNG":
                    width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
                    return width * height * _PNG_CHANNELS[colour] * (2 if depth == 16 else 1)
                case "TIFF":
                    import tifffile

                    with tifffile.TiffFile(path) as tiff:
                        return tiff.pages[0].nbytes
                case "PNM" | "NumPy":
                    return path.stat().st_size
                case "HEIC":
                    from .formats.heic_files import decoded_bytes_of_heic

                    return decoded_bytes_of_heic(path)
                case "OpenEXR":
                    from .formats.exr_files import decoded_bytes_of_exr

                    return decoded_bytes_of_exr(path)
                case "camera raw":
                    from .formats.raw_files import decoded_bytes_of_raw

                    return decoded_bytes_of_raw(path)
                case None:
                    return 0
                case _:
                    from .pillow_files import header_of

                    width, height, num_channels = header_of(path)
                    return width * height * num_channels
    except UserError:
        return 0
