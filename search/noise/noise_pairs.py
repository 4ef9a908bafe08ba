"""Pictures whose noise is known: camera shots, white noise, JPEG alone and none, on photographs and drawings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..camera.clean_crops import CleanImages, drawn_origin
from ..camera.development import LUMA
from ..camera.jpeg import Jpeg
from ..camera.random_shots import drawn_shot
from .drawings import drawn_drawing
from .patterns import drawn_pattern

Source = Literal["shot", "photograph", "drawing", "pattern"]
"""A simulated shot of a photograph, scaled down; a photograph as it is stored; what is drawn here."""
SHARES: dict[Source, float] = {"shot": 0.66, "photograph": 0.16, "drawing": 0.12, "pattern": 0.06}
"""How often each is drawn."""
_WHITE_SHARE, _JPEG_SHARE = 0.5, 0.1
"""Of what is no shot; the rest stays clean."""
_GREY_SHARE = 0.12
_HIGHEST_SIGMA, _USUAL_SIGMA = 75.0, 15.0
"""Grey levels: half of the white noise is drawn up to each."""


@dataclass(frozen=True, kw_only=True)
class NoisePair:
    """A picture and the same without what noise and compression changed."""

    degraded: np.ndarray
    """(size, size, 3) uint8."""
    clean: np.ndarray
    """(size, size, 3) uint8."""
    is_white: bool
    """Whether the noise is white Gaussian, clipped and rounded as in a file of 8 bits."""


def drawn_pair(
    origins: Sequence[CleanImages], *, size: int, generator: np.random.Generator, source: Source | None = None
) -> NoisePair:
    """A random pair of `size` pixels a side; without a source, by the shares of `SHARES`."""
    if source is None:
        sources = tuple(SHARES)
        source = sources[generator.choice(len(sources), p=list(SHARES.values()))]
    is_grey = bool(generator.random() < _GREY_SHARE)
    if source == "shot":
        return _pair_of_shot(drawn_origin(origins, generator).crop(size, generator), is_grey, generator)
    clean = _clean(source, origins, size, generator)
    return _degraded(_grey(clean) if is_grey else clean, is_grey, generator)


def _pair_of_shot(pixels: np.ndarray, is_grey: bool, generator: np.random.Generator) -> NoisePair:
    shot = drawn_shot(int(generator.integers(2**62)))
    degraded, clean = shot.pair(pixels)
    # White noise of a grey file is drawn on the grey file, as `_degraded` does it.
    if is_grey and shot.kind != "white":
        degraded, clean = _grey(degraded), _grey(clean)
    return NoisePair(degraded=degraded, clean=clean, is_white=shot.kind == "white")


def _clean(source: Source, origins: Sequence[CleanImages], size: int, generator: np.random.Generator) -> np.ndarray:
    if source == "photograph":
        return drawn_origin(origins, generator).part_as_stored(size, generator)
    return drawn_drawing(size, generator) if source == "drawing" else drawn_pattern(size, size, generator)


def _degraded(clean: np.ndarray, is_grey: bool, generator: np.random.Generator) -> NoisePair:
    """White noise, JPEG or nothing; the channels of a grey picture have their noise in common."""
    how = generator.random()
    if how < _WHITE_SHARE:
        sigma = generator.uniform(0, _HIGHEST_SIGMA if generator.random() < 0.5 else _USUAL_SIGMA)
        noise = sigma * generator.standard_normal((*clean.shape[:2], 1 if is_grey else 3))
        degraded = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
        return NoisePair(degraded=degraded, clean=clean, is_white=True)
    if how < _WHITE_SHARE + _JPEG_SHARE:
        subsampling: Literal["4:4:4", "4:2:0"] = "4:4:4" if generator.random() < 0.5 else "4:2:0"
        jpeg = Jpeg(quality=int(generator.integers(20, 97)), subsampling=subsampling)
        return NoisePair(degraded=jpeg.compressed(clean), clean=clean, is_white=False)
    return NoisePair(degraded=clean, clean=clean, is_white=False)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 with three equal channels."""
    return np.rint(pixels @ LUMA).astype(np.uint8)[..., None].repeat(3, axis=2)
