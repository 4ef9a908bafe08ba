"""Raw data scored before any development: packed Bayer, simulated shots of one camera at three ISOs."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...search.camera.random_shots import ISO_GAINS, shot_at_gain
from .clean_images import ImageSet, clean_pixels
from .measure_quality import NOISY_INPUT, ImageScore, ScoredMethod, scores_of
from .psnr_ssim import SMALLEST_SIDE, Pixels, SsimReference

_Packed = NDArray[np.float32]


def raw_pairs(pixels: NDArray[np.uint8], image: str | Path) -> Iterator[tuple[str, _Packed, _Packed]]:
    """(ISO, noisy, clean) for each case of the task raw, (H/2, W/2, 4) in 0..1, of a clean picture (H, W, 3).

    The camera, the exposure and the cases are the task's. The noise depends on the image's name without folder and
    suffix, and on the ISO, alone. UserError where nothing of the picture would be left to score.
    """
    height, width = (side - side % 2 for side in pixels.shape[:2])
    if min(height, width) < 2 * SMALLEST_SIDE:
        raise UserError(
            f"{width}x{height} is smaller than {2 * SMALLEST_SIDE}x{2 * SMALLEST_SIDE}, which raw data need"
        )
    for name, gain in ISO_GAINS.items():
        seed = int.from_bytes(hashlib.sha256(f"{Path(image).stem}|{name}".encode()).digest()[:8], "little")
        noisy, clean = shot_at_gain(gain, seed).raw_pair(pixels[:height, :width])
        yield name, _channels_last(noisy), _channels_last(clean)


def _channels_last(packed_CHW: _Packed) -> _Packed:
    return np.ascontiguousarray(packed_CHW.transpose(1, 2, 0), np.float32)


def measure_raw(
    methods: Sequence[ScoredMethod],
    images: ImageSet,
    *,
    progress: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[ImageScore]:
    """Score every method for raw data, and doing nothing, on every image at every ISO.

    `progress` is called after each image, `warn` with a line for each that cannot be scored. Raises UserError where
    none could be, and with the image's name where a method fails on it.
    """
    scores: list[ImageScore] = []
    for file in images.files:
        try:
            pairs = list(raw_pairs(clean_pixels(file, 3), file))
        except UserError as error:
            warn(f"{file}: {str(error).removeprefix(f'{file}: ')}, skipped")
            continue
        for condition, noisy, clean in pairs:
            white = np.float32(255)
            outputs: dict[str, tuple[Pixels, float | None]] = {NOISY_INPUT: (noisy * white, None)}
            for method in methods:
                start = time.perf_counter()
                try:
                    output = method.denoise(noisy, 0.0)
                except UserError as error:
                    raise UserError(f"{method.name} on {file} at {condition}: {error}") from error
                outputs[method.name] = output * white, time.perf_counter() - start
            expected = clean * white
            about = partial(
                ImageScore,
                channels=clean.shape[2],
                condition=condition,
                image=str(file),
                width=clean.shape[1],
                height=clean.shape[0],
                sigma=None,
            )
            scores += scores_of(outputs, expected, SsimReference(expected), about)
        progress()
    if not scores:
        raise UserError(f"no image of {images.name} could be scored")
    return scores
