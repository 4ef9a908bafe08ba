"""Picture files that tests make, written by other libraries than hinas uses where there are any."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from hinas.runtime.pictures.image_files import read_picture, write_picture
from hinas.runtime.pictures.known_formats import format_for
from hinas.runtime.pictures.picture import Picture
from PIL import Image, TiffImagePlugin


def exif_block() -> bytes:
    """Orientation 6, a maker, and in the sub-directories an exposure time, a maker note and a GPS latitude."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "hinas camera"
    exif.get_ifd(0x8769)[0x829A] = TiffImagePlugin.IFDRational(1, 250)
    exif.get_ifd(0x8769)[0x927C] = b"maker note of the camera"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 30.5)
    return exif.tobytes()


def channels(generator: np.random.Generator, num: int, dtype: Any) -> np.ndarray:
    shape = (13, 17) if num == 1 else (13, 17, num)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def png_of(array: np.ndarray) -> bytes:
    return bytes(imagecodecs.png_encode(array))


def save(array: np.ndarray, path: Path, **options: Any) -> Path:
    """Written by another library than hinas uses, where there is one."""
    if path.suffix == ".tif":
        num = 1 if array.ndim == 2 else array.shape[2]
        photometric = "rgb" if num >= 3 else "minisblack"
        extra = ["unassalpha"] if num in (2, 4) else None
        tifffile.imwrite(path, array, photometric=photometric, extrasamples=extra, planarconfig="contig", **options)
    elif array.dtype == np.uint16:
        path.write_bytes(imagecodecs.png_encode(array))
    else:
        Image.fromarray(array).save(path, **options)
    return path


def rewritten(source: Path, target: Path) -> Picture:
    """`source` read, and written to `target` unchanged."""
    picture = read_picture(source)
    write_picture(picture, target, format=format_for(target))
    return picture
