"""Super-resolution scored as most publications do: bicubically reduced, 8 bits, brightness alone, without a border."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...search.bicubic import enlarged, reduced
from ...search.luma import Y_OF_BLACK, Y_WEIGHTS
from .clean_images import ImageSet, clean_pixels
from .measure_quality import ImageScore, ScoredMethod, scores_of
from .psnr_ssim import SMALLEST_SIDE, Pixels, SsimReference

BICUBIC = "bicubic enlargement"
"""The baseline's name in results: what MATLAB's imresize, and hardly another program, gives."""


def small_and_clean(pixels: NDArray[np.uint8], scale: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The small image in grey levels 0..255, rounded, and the clean one cropped to multiples of `scale`.

    (H, W) or (H, W, 3); UserError where nothing of the image would be left to score.
    """
    height, width = (side - side % scale for side in pixels.shape[:2])
    if min(height, width) < SMALLEST_SIDE + 2 * scale:
        least = SMALLEST_SIDE + 2 * scale
        raise UserError(f"{width}x{height} is smaller than {least}x{least}, which x{scale} needs")
    clean = pixels[:height, :width]
    return np.rint(reduced(clean.astype(np.float64), scale)).clip(0, 255).astype(np.float32), clean


def luma(pixels: NDArray[np.uint8] | Pixels) -> NDArray[np.float64]:
    """(H, W) or (H, W, 3) in grey levels 0..255 -> (H, W) Y of BT.601 in 16..235."""
    values = np.clip(pixels, 0, 255, dtype=np.float64)
    weights = np.array(Y_WEIGHTS, np.float64)
    weighted: NDArray[np.float64] = values @ weights if values.ndim == 3 else values * weights.sum()
    return weighted + 255 * Y_OF_BLACK


def measure_enlarging(
    methods: Sequence[ScoredMethod],
    images: ImageSet,
    *,
    progress: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[ImageScore]:
    """Score every method that enlarges, and bicubic enlargement, on every image at the method's scale.

    `progress` is called after each image, `warn` with a line for each that cannot be scored. Raises UserError where
    none could be, and with the image's name where a method fails on it.
    """
    scores: list[ImageScore] = []
    for file in images.files:
        for channels, scale in sorted({(method.channels, method.scale) for method in methods}):
            try:
                small, clean = small_and_clean(clean_pixels(file, channels), scale)
            except UserError as error:
                warn(f"{file}: {str(error).removeprefix(f'{file}: ')}, skipped")
                continue
            outputs: dict[str, tuple[Pixels, float | None]] = {BICUBIC: (enlarged(small, scale), None)}
            for method in methods:
                if (method.channels, method.scale) == (channels, scale):
                    try:
                        outputs[method.name] = _enlarged(method, small)
                    except UserError as error:
                        raise UserError(f"{method.name} on {file}: {error}") from error
            inside = slice(scale, -scale)
            expected = luma(clean)[inside, inside]
            found = {model: (luma(output)[inside, inside], seconds) for model, (output, seconds) in outputs.items()}
            about = partial(
                ImageScore,
                channels=channels,
                task=f"super-resolution x{scale}",
                protocol="sr-y",
                image=str(file),
                width=clean.shape[1],
                height=clean.shape[0],
                sigma=None,
            )
            scores += scores_of(found, expected, SsimReference(expected), about)
        progress()
    if not scores:
        raise UserError(f"no image of {images.name} could be scored")
    return scores


def _enlarged(method: ScoredMethod, small: NDArray[np.float32]) -> tuple[Pixels, float]:
    given = small / np.float32(255)
    start = time.perf_counter()
    output = method.denoise(given, 0.0)
    return output * np.float32(255), time.perf_counter() - start
