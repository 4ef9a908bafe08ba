"""Between the pixels of a picture and the values of a network: 0..1 float32, black to white.

Shapes: image (H, W) grey, (H, W, 3) RGB or (H, W, 4) packed Bayer, of uint8, uint16 or float32; batch (1, C, h, w)
float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...network_input import PACKED_BAYER
from .planner import Region, Span

Image = NDArray[Any]
_BEYOND_ALL_PICTURES = 2.0
"""A mean in 0..1 that no picture has, however bright its lights."""


def white_of(dtype: np.dtype[Any]) -> float:
    """The value of white: 255, 65535, or 1 for float32."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def checked_image(image: Any) -> Image:
    """`image` itself if it is an array of a kind that can be denoised; else UserError."""
    if not isinstance(image, np.ndarray):
        raise UserError(f"the image is a {type(image).__name__}; expected a NumPy array")
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise UserError(f"the image's values are {image.dtype}; expected uint8, uint16, or float32 in 0..1")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, PACKED_BAYER)):
        raise UserError(
            f"the image has shape {image.shape}; expected (H, W), (H, W, 1) or (H, W, 3), or of raw data (H, W, 4)"
        )
    if image.size == 0:
        raise UserError(f"the image has shape {image.shape}; it has no pixels")
    if image.dtype == np.float32 and not np.isfinite(image).all():
        raise UserError("the image holds values that are not finite (NaN or infinity); expected 0..1")
    return image


def seems_of_grey_levels(image: Image) -> bool:
    """Whether a float32 image looks as if its white were 255: on average it is far beyond white."""
    return image.dtype == np.float32 and float(image.mean()) > _BEYOND_ALL_PICTURES


def batch_of(image: Image, window: Region, num_channels: int) -> NDArray[np.float32]:
    """The pixels of `window` as a batch (1, num_channels, h, w), values 0..1.

    Right of and below the image its reflection is read (the row before the last, and so on; the row itself where
    there is one only). Grey pixels are repeated for every channel the network has.
    """
    rows = _reflected(window.rows, image.shape[0])
    columns = _reflected(window.columns, image.shape[1])
    pixels = image[rows][:, columns]
    values = np.divide(pixels, np.float32(white_of(image.dtype)), dtype=np.float32)
    if values.ndim == 2:
        values = values[:, :, np.newaxis]
    batch = np.moveaxis(values, 2, 0)[np.newaxis]
    return np.ascontiguousarray(np.broadcast_to(batch, (1, num_channels, *batch.shape[2:])))


def pixels_of(values_CHW: NDArray[np.float32], dtype: np.dtype[Any], num_channels: int) -> Image:
    """Network values as pixels (H, W, num_channels): rounded and clipped for integers, untouched for float32.

    A colour network's answer to a grey picture is averaged over its channels.
    """
    if values_CHW.shape[0] != num_channels:
        values_CHW = values_CHW.mean(axis=0, keepdims=True)
    values = np.moveaxis(values_CHW, 0, 2)
    if dtype == np.float32:
        return values
    white = white_of(dtype)
    return np.clip(np.rint(values * np.float32(white)), 0, white).astype(dtype)


def _reflected(span: Span, size: int) -> slice | NDArray[np.intp]:
    """The pixels of `span` on an axis of `size` pixels, as an index; reflected at the axis' end."""
    if span.stop <= size:
        return span.slice
    period = max(2 * (size - 1), 1)
    index = np.arange(span.start, span.stop) % period
    return np.minimum(index, period - index) if size > 1 else np.zeros_like(index)
