"""Denoise the noisy picture of every pair and score it against the clean one.

The protocol "pairs": 8-bit files, noisy beside clean; the picture goes through hinas-denoise's own stages and is
rounded to 8 bits; PSNR and SSIM in RGB. A grey picture counts as three equal channels.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import written_whole
from ...errors import UserError
from ...runtime.pictures.image_files import read_picture
from ..quality.measure_quality import NOISY_INPUT
from ..quality.psnr_ssim import SsimReference, psnr_db
from .pair_files import PairFiles, PairSet
from .pair_methods import DenoisedPicture, PairMethod

PROTOCOL_IN_WORDS = "8-bit files, noisy beside clean, RGB PSNR, level estimated"
"""For people; a level that was not estimated is named where its figures stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairScore:
    """One method on one pair at one level."""

    dataset: str
    pair: str
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    method: str
    """A method's name, or NOISY_INPUT."""
    asked: float | None
    """The level that the method was told, in grey levels; None: its own choice."""
    model: str | None
    """The model that ran; None for NOISY_INPUT."""
    sigma: float | None
    """The level that the network was told; None: it takes none."""
    estimate: float | None
    """The level measured on the noisy picture; None: none was."""
    library: str | None
    """What ran the model; None for NOISY_INPUT."""
    psnr_db: float
    """Infinite where the result equals the clean picture."""
    ssim: float
    gain_db: float
    """Beyond the noisy picture's own PSNR."""


def measure_pairs(
    methods: Sequence[PairMethod],
    pairs: PairSet,
    *,
    progress: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[PairScore]:
    """Score doing nothing and every method, at every level of its, on every pair.

    `progress` is called after each pair, `warn` with a line for each pair that turns out damaged. Raises UserError
    where no pair could be scored, and with the picture's name where a method cannot take it.
    """
    scores: list[PairScore] = []
    for pair in pairs.pairs:
        try:
            noisy, clean = (rgb_pixels(file) for file in (pair.noisy, pair.clean))
        except UserError as error:
            warn(f"{error}, its pair is left out")
        else:
            scores += _scores_of(pair, methods, noisy, clean, pairs.name)
        progress()
    if not scores:
        raise UserError(f"no pair of {pairs.name} could be scored")
    return scores


def write_pair_scores(scores: Sequence[PairScore], path: Path) -> None:
    """One line for each pair, method and level."""
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(PairScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def rgb_pixels(file: Path) -> NDArray[np.uint8]:
    """(H, W, 3), read as hinas-denoise reads it; UserError where it is damaged or deeper than 8 bits."""
    picture = read_picture(file)
    if picture.bits != 8:
        raise UserError(f"{file}: {picture.bits} bits per channel; pairs are scored on 8-bit files")
    return in_rgb(picture.pixels)


def in_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) -> (H, W, 3)."""
    return pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)


def _scores_of(
    pair: PairFiles, methods: Sequence[PairMethod], noisy: NDArray[np.uint8], clean: NDArray[np.uint8], dataset: str
) -> list[PairScore]:
    reference = SsimReference(clean)
    height, width = clean.shape[:2]
    doing_nothing = DenoisedPicture(asked=None, pixels=noisy, model=None, sigma=None, estimate=None, library=None)
    noisy_psnr_db = psnr_db(noisy.astype(np.float32), clean)

    def score(method: str, made: DenoisedPicture) -> PairScore:
        values = in_rgb(made.pixels).astype(np.float32)
        reached_db = psnr_db(values, clean)
        return PairScore(
            dataset=dataset,
            pair=pair.name,
            width=width,
            height=height,
            method=method,
            asked=made.asked,
            model=made.model,
            sigma=made.sigma,
            estimate=made.estimate,
            library=made.library,
            psnr_db=reached_db,
            ssim=reference.ssim(values),
            # Two infinite figures are no gain, and have no difference.
            gain_db=0.0 if reached_db == noisy_psnr_db else reached_db - noisy_psnr_db,
        )

    scores = [score(NOISY_INPUT, doing_nothing)]
    for method in methods:
        scores += [score(method.name, made) for made in method.denoised(pair.noisy, method.levels)]
    return scores
