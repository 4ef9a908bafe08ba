"""NumPy's .npy: arrays (H, W) or (H, W, C) of uint8, uint16 and float32. Nothing but the pixels is in such files."""

import io
import math
import tokenize
from dataclasses import dataclass

import numpy as np

from ....errors import UserError
from ..float_values import values_within
from ..picture import Image, Picture, with_alpha, without_alpha
from ..pillow_files import check_size

_DTYPES = (np.uint8, np.uint16, np.float32)
_MOST_CHANNELS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class NpyDetails:
    """What only an array can take back."""

    has_channel_axis: bool
    """Whether a grey picture has the shape (H, W, 1)."""


def picture_from_npy(data: bytes) -> Picture:
    """The picture in the bytes of a .npy file: grey, grey with alpha, RGB, RGB with alpha for 1 to 4 channels."""
    channels = _array(data)
    check_size(channels.shape[1], channels.shape[0])
    pixels, alpha = without_alpha(channels)
    beyond: Image | None = None
    notes: tuple[str, ...] = ()
    if pixels.dtype == np.float32:
        pixels, beyond, notes = values_within(pixels)
    return Picture(
        pixels=pixels,
        alpha=alpha,
        beyond=beyond,
        format="NumPy",
        native=NpyDetails(has_channel_axis=channels.ndim == 3 and channels.shape[2] == 1),
        notes=notes,
    )


def npy_from_picture(picture: Picture) -> bytes:
    """The bytes of a .npy file."""
    channels = with_alpha(picture)
    if isinstance(picture.native, NpyDetails) and picture.native.has_channel_axis:
        channels = channels[:, :, np.newaxis]
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(channels), allow_pickle=False)
    return buffer.getvalue()


def _array(data: bytes) -> Image:
    """Checked before anything of the size that the header claims is made."""
    buffer = io.BytesIO(data)
    version = np.lib.format.read_magic(buffer)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise UserError(f"an array file of version {version[0]}.{version[1]}; save it with numpy.save again")
    try:
        shape, is_fortran, dtype = read(buffer)
    except tokenize.TokenError as error:  # of Python's own, and no ValueError
        raise UserError("damaged array: its header cannot be read") from error
    if dtype.newbyteorder("=") not in _DTYPES:
        raise UserError(f"an array of {dtype}; hinas takes uint8, uint16, and float32 in 0..1: use astype first")
    moved = (
        "; move them behind with numpy.moveaxis(array, 0, 2)" if len(shape) == 3 and shape[0] <= _MOST_CHANNELS else ""
    )
    if len(shape) not in (2, 3) or (len(shape) == 3 and not 1 <= shape[2] <= _MOST_CHANNELS):
        raise UserError(f"an array of the shape {shape}; expected (H, W), or (H, W, C) with 1 to 4 channels{moved}")
    raw = data[buffer.tell() :]
    if len(raw) < math.prod(shape) * dtype.itemsize:
        raise UserError("truncated array: it ends before the last values")
    values = np.frombuffer(raw, dtype, math.prod(shape)).reshape(shape, order="F" if is_fortran else "C")
    return np.ascontiguousarray(values, dtype.newbyteorder("="))
