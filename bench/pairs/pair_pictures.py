"""A few pairs for eyes: the middle of the noisy picture, of what a method made of it, and of the clean one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..quality.sample_pictures import middle_part
from .measure_pairs import PairScore, in_rgb, rgb_pixels
from .pair_files import PairSet
from .pair_methods import PairMethod

_LARGEST_SIDE = 360
"""Pixels: three pictures stand side by side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairPicture:
    """The middle of a pair, 8-bit RGB (H, W, 3) of one shape, and the scores of the whole pictures."""

    name: str
    dataset: str
    why: str
    """Why this pair is shown, in words."""
    method: str
    noisy: NDArray[np.uint8]
    denoised: NDArray[np.uint8]
    clean: NDArray[np.uint8]
    noisy_psnr_db: float
    denoised_psnr_db: float


def pair_pictures(method: PairMethod, pairs: PairSet, scores: Sequence[PairScore]) -> list[PairPicture]:
    """The pairs where `method`, by its own choice, gained most, least and in the middle: each pair once."""
    own = [score for score in scores if score.method == method.name and score.asked is None]
    ranked = sorted(own, key=lambda score: score.gain_db, reverse=True)
    shown = {ranked[len(ranked) // 2].pair: "median gain", ranked[-1].pair: "least gain", ranked[0].pair: "most gain"}
    files = {pair.name: pair for pair in pairs.pairs}
    pictures: list[PairPicture] = []
    for score in ranked:
        if score.pair not in shown:
            continue
        pair = files[score.pair]
        noisy, clean = rgb_pixels(pair.noisy), rgb_pixels(pair.clean)
        (made,) = method.denoised(pair.noisy, [None])
        part = middle_part(clean.shape, height=_LARGEST_SIDE, width=_LARGEST_SIDE)
        pictures.append(
            PairPicture(
                name=score.pair,
                dataset=score.dataset,
                why=shown[score.pair],
                method=method.name if made.model == method.name else f"{method.name} ({made.model})",
                noisy=noisy[part],
                denoised=in_rgb(made.pixels)[part],
                clean=clean[part],
                noisy_psnr_db=score.psnr_db - score.gain_db,
                denoised_psnr_db=score.psnr_db,
            )
        )
    return pictures
