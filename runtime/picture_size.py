"""How much memory a picture file takes once decoded, by its header alone."""

import struct
from pathlib import Path

from ..errors import UserError
from .image_files import damage_is_the_users, format_of

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
