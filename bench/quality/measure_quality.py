"""Denoise the test images under one noise protocol and score every one."""

import csv
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import written_whole
from ...errors import UserError
from ..results.entries import Protocol
from .clean_images import ImageSet, clean_pixels
from .noise_protocols import PROTOCOL_OF, Noise
from .protocol import NoisyPatch, joined, noisy_patches
from .psnr_ssim import Pixels, SsimReference, psnr_db

Denoise = Callable[[NDArray[np.float32], float], NDArray[np.float32]]
"""(H, W) for one channel, (H, W, 3) or of raw data (H, W, 4), in 0..1, and sigma in grey levels -> the same shape, not
clipped; of a method that enlarges the sides are multiplied."""


@dataclass(frozen=True, kw_only=True)
class ScoredMethod:
    """Something that denoises or enlarges, with what results say of it."""

    name: str
    """Unique among the methods of a session."""
    channels: int
    """1: takes grey images; 3: colour images; 4: raw data."""
    sigma_range: tuple[float, float] | None
    """Grey levels it can be scored at, both ends included; None: any."""
    denoise: Denoise
    scale: int = 1
    """How many times as high and wide its results are."""
    task: str = "denoise"
    """The name of the task that it is for, as in a genotype."""
    facts: Mapping[str, Any]
    """Fields of an Entry that go with its figures: weights, parameters, backend, library, device, threads, source."""

    @property
    def takes_levels(self) -> bool:
        """Whether it is scored at levels of white noise; else at what its task has instead."""
        return self.scale == 1 and self.task == "denoise"


NOISY_INPUT = "noisy input"
"""The baseline's name in results: what doing nothing scores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageScore:
    """One method on one image at one noise level."""

    model: str
    """A method's name, NOISY_INPUT, or of super-resolution BICUBIC."""
    channels: int
    """1: measured on the grey image; 3: on the colour image; 4: on raw data."""
    task: str
    """As results name it: denoise, super-resolution x3, or a task with its case, such as raw ISO 1600."""
    protocol: Protocol
    image: str
    """The file's path."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    sigma: float | None
    """Grey levels 0..255, of the noise and as told to a conditioned network; None: another task than white noise."""
    psnr_db: float
    """Infinite where the output equals the clean image."""
    ssim: float
    seconds: float | None
    """Wall time of the denoising, a program's start and files included; None for a baseline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanScore:
    """The plain mean over the images."""

    num_images: int
    sides: tuple[int, int] | None
    """The longer and the shorter side of every image in pixels; None: not all are of one size."""
    psnr_db: float
    """dB, mean of the images' dB values; infinite where one of them is."""
    ssim: float
    total_seconds: float | None
    """Of all images one after the other; None for a baseline."""


class Scored(NamedTuple):
    """What a mean is taken over the images of: fields as in ImageScore."""

    model: str
    channels: int
    task: str
    protocol: Protocol
    sigma: float | None


def levels_of(method: ScoredMethod, sigmas: Iterable[float]) -> list[float]:
    """Those noise levels that a method can be scored at; none where it takes none."""
    if not method.takes_levels:
        return []
    low, high = method.sigma_range or (0.0, 255.0)
    return [sigma for sigma in sigmas if low <= sigma <= high]


def measure_quality(
    methods: Sequence[ScoredMethod],
    images: ImageSet,
    *,
    sigmas: Sequence[float],
    noise: Noise,
    progress: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[ImageScore]:
    """Score every method that denoises (and doing nothing) on every image at every sigma in its range.

    One-channel methods see grey images, three-channel methods colour ones; methods of one kind see the same noise.
    `progress` is called after each image, `warn` with a line for each image that turns out damaged.
    Raises UserError where no image could be scored, and with the image's name where a method fails on it.
    """
    scores: list[ImageScore] = []
    for file in images.files:
        for channels in sorted({method.channels for method in methods}):
            try:
                clean = clean_pixels(file, channels)
            except UserError as error:
                warn(f"{error}, skipped")
                break
            reference = SsimReference(clean)
            for sigma in sigmas:
                suited = [method for method in methods if method.channels == channels and levels_of(method, [sigma])]
                if not suited:
                    continue
                patches = noisy_patches(clean, sigma, image=file, noise=noise)
                untouched = joined(patches, [patch.pixels for patch in patches], clean.shape)
                outputs: dict[str, tuple[Pixels, float | None]] = {NOISY_INPUT: (untouched, None)}
                for method in suited:
                    try:
                        outputs[method.name] = _denoised(method, patches, sigma, clean.shape)
                    except UserError as error:
                        raise UserError(f"{method.name} on {file} at sigma {sigma:g}: {error}") from error
                about = partial(
                    ImageScore,
                    channels=channels,
                    task="denoise",
                    protocol=PROTOCOL_OF[noise],
                    image=str(file),
                    width=clean.shape[1],
                    height=clean.shape[0],
                    sigma=sigma,
                )
                scores += scores_of(outputs, clean, reference, about)
        progress()
    if not scores:
        raise UserError(f"no image of {images.name} could be scored")
    return scores


def scores_of(
    outputs: Mapping[str, tuple[Pixels, float | None]],
    expected: NDArray[np.uint8] | Pixels,
    reference: SsimReference,
    about: Callable[..., ImageScore],
) -> list[ImageScore]:
    """The scores of outputs, in grey levels 0..255, by their methods' names, with the seconds each took.

    `reference` is of `expected`. `about` makes a score of what is left: model, psnr_db, ssim and seconds.
    """
    return [
        about(model=model, psnr_db=psnr_db(output, expected), ssim=reference.ssim(output), seconds=seconds)
        for model, (output, seconds) in outputs.items()
    ]


def mean_scores(scores: Iterable[ImageScore]) -> dict[Scored, MeanScore]:
    """The means, in the order of first appearance."""
    groups: dict[Scored, list[ImageScore]] = {}
    for score in scores:
        key = Scored(score.model, score.channels, score.task, score.protocol, score.sigma)
        groups.setdefault(key, []).append(score)
    return {
        key: MeanScore(
            num_images=len(group),
            sides=_only_sides(group),
            psnr_db=math.fsum(score.psnr_db for score in group) / len(group),
            ssim=math.fsum(score.ssim for score in group) / len(group),
            total_seconds=_total([score.seconds for score in group]),
        )
        for key, group in groups.items()
    }


def write_scores(scores: Sequence[ImageScore], path: Path) -> None:
    """One line for each image, model and sigma."""
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(ImageScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def _denoised(
    method: ScoredMethod, patches: Sequence[NoisyPatch], sigma: float, shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], float]:
    """The whole image in grey levels 0..255, not clipped, and the seconds that the method took."""
    inputs = [patch.pixels / np.float32(255) for patch in patches]
    start = time.perf_counter()
    outputs = [method.denoise(values, sigma) for values in inputs]
    seconds = time.perf_counter() - start
    return joined(patches, [output * np.float32(255) for output in outputs], shape), seconds


def _only_sides(scores: Sequence[ImageScore]) -> tuple[int, int] | None:
    found = {(max(score.width, score.height), min(score.width, score.height)) for score in scores}
    return found.pop() if len(found) == 1 else None


def _total(seconds: Sequence[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return math.fsum(known) if known else None
