"""Networks that are for something else than white noise and larger pictures, scored on their own task's cases."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...network_input import PACKED_BAYER
from ...search.tasks.interface import Example, TaskOptions
from ...search.tasks.registry import configured_task
from ..results.entries import Protocol
from .clean_images import ImageSet, clean_pixels
from .enlarging import luma
from .measure_quality import NOISY_INPUT, ImageScore, ScoredMethod, scores_of
from .psnr_ssim import SMALLEST_SIDE, Pixels, SsimReference

_Of = Callable[[Pixels], Pixels]
"""What of a picture in grey levels 0..255 is compared."""


def case_examples(task: str, pixels: NDArray[np.uint8], image: str | Path) -> Iterator[tuple[str, Example]]:
    """(name, example) for each case of a task, of a clean picture (H, W) or (H, W, 3).

    What is random depends on the image's name without folder and suffix, and on the case, alone. UserError where
    nothing of the picture would be left to score.
    """
    least = 2 * SMALLEST_SIDE  # packed Bayer has half as many pixels along each side
    height, width = pixels.shape[:2]
    if min(height, width) < least:
        raise UserError(f"{width}x{height} is smaller than {least}x{least}")
    clean_BCHW = (pixels[..., None] if pixels.ndim == 2 else pixels).transpose(2, 0, 1)[None] / np.float32(255)
    number = int.from_bytes(hashlib.sha256(Path(image).stem.encode()).digest()[:8], "little")
    described = configured_task(task, TaskOptions())
    for case in described.cases:
        yield case.name, described.checked_example(np.ascontiguousarray(clean_BCHW, np.float32), case, number=number)


def measure_task_cases(
    methods: Sequence[ScoredMethod],
    images: ImageSet,
    *,
    progress: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[ImageScore]:
    """Score every method, and doing nothing, under every case of the method's task, colour also on brightness alone.

    A method is told the strength that the task states. `progress` is called after each image, `warn` with a line for
    each that cannot be scored. Raises UserError where none could be, and with the image's name where a method fails.
    """
    scores: list[ImageScore] = []
    for file in images.files:
        for task, channels in sorted({(method.task, method.channels) for method in methods}):
            suited = [method for method in methods if (method.task, method.channels) == (task, channels)]
            try:
                clean = clean_pixels(file, 3 if channels == PACKED_BAYER else channels)
                examples = list(case_examples(task, clean, file))
            except UserError as error:
                warn(f"{file}: {str(error).removeprefix(f'{file}: ')}, skipped")
                continue
            for case, example in examples:
                scores += _scores(suited, example, f"{task} {case}", file)
        progress()
    if not scores:
        raise UserError(f"no image of {images.name} could be scored")
    return scores


def _scores(methods: Sequence[ScoredMethod], example: Example, case: str, file: Path) -> list[ImageScore]:
    given, expected = _picture(example.degraded_BCHW), _picture(example.clean_BCHW) * np.float32(255)
    outputs: dict[str, tuple[Pixels, float | None]] = {NOISY_INPUT: (given * np.float32(255), None)}
    for method in methods:
        start = time.perf_counter()
        try:
            output = method.denoise(given, example.level or 0.0)
        except UserError as error:
            raise UserError(f"{method.name} on {file}, {case}: {error}") from error
        outputs[method.name] = output * np.float32(255), time.perf_counter() - start
    channels = 1 if given.ndim == 2 else given.shape[2]
    scored: dict[Protocol, tuple[str, _Of]] = {"task cases": (case, lambda pixels: pixels)}
    if channels == 3:
        scored["task cases, brightness"] = f"{case}, brightness", luma
    scores: list[ImageScore] = []
    for protocol, (task, of) in scored.items():
        about = partial(
            ImageScore,
            channels=channels,
            task=task,
            protocol=protocol,
            image=str(file),
            width=expected.shape[1],
            height=expected.shape[0],
            sigma=None,
        )
        found = {model: (of(output), seconds) for model, (output, seconds) in outputs.items()}
        scores += scores_of(found, of(expected), SsimReference(of(expected)), about)
    return scores


def _picture(values_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
    """(1, C, H, W) -> (H, W) for one channel, else (H, W, C)."""
    picture = np.ascontiguousarray(values_BCHW[0].transpose(1, 2, 0))
    return picture[..., 0] if picture.shape[2] == 1 else picture
