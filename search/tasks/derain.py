"""De-raining: streaks of rain drawn over clean pictures are to be taken away.

The families of Rain100 and Rain800 are within what is drawn: streaks of one direction, several sizes and brightnesses,
added or blended.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import UserError
from .denoise import quantised
from .interface import Case, Pairs, Task, TaskOptions

_TURNS = 10
"""Random numbers that a rain takes."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Streaks of one size; those far away are shorter, thinner and more."""

    length_pixels: float
    width_pixels: float
    """Standard deviation across a streak."""
    per_pixel: float
    """Streaks that begin in a pixel, on average."""
    brightness: float
    """Of the brightest streak, 0..1; the others are evenly spread below."""


@dataclass(frozen=True, kw_only=True)
class Rain:
    """One rain over one picture."""

    degrees: float
    """From the vertical, clockwise."""
    layers: tuple[Layer, ...]
    """The furthest first."""
    joined: Literal["added", "blended"]
    """`added` light can become brighter than white and is clipped; `blended` streaks cover what is behind them."""
    haze: float = 0.0
    """Share of white light at the upper edge, where the view is deepest; it falls to 0 at the lower edge."""

    def over(self, clean_CHW: Tensor, generator: torch.Generator) -> Tensor:
        """(C, H, W) in 0..1 -> the same in rain, in 0..1, not rounded."""
        height = clean_CHW.shape[1]
        depth_H = torch.linspace(1, 0, height, device=clean_CHW.device) if height > 1 else clean_CHW.new_zeros(1)
        rainy = clean_CHW + self.haze * depth_H[:, None] * (1 - clean_CHW)
        for layer in self.layers:
            streaks = drawn_streaks(layer, self.degrees, (clean_CHW.shape[1], clean_CHW.shape[2]), generator)
            rainy = rainy + (streaks if self.joined == "added" else streaks * (1 - rainy))
        return rainy.clamp(0, 1)


def drawn_streaks(layer: Layer, degrees: float, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(1, H, W) the light of random streaks, 0..1."""
    kernel = streak(layer, degrees).to(generator.device)
    margin = kernel.shape[0] // 2
    shape = (size[0] + 2 * margin, size[1] + 2 * margin)
    begins = torch.rand(shape, generator=generator, device=generator.device) < layer.per_pixel
    light = layer.brightness * torch.rand(shape, generator=generator, device=generator.device)
    return F.conv2d((begins * light)[None, None], kernel[None, None])[0].clamp(0, 1)


def streak(layer: Layer, degrees: float) -> Tensor:
    """(K, K) one streak, centred, 1 in its middle: even along its length, a Gaussian across."""
    reach = math.ceil(layer.length_pixels / 2 + 3 * layer.width_pixels)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    down, right = offsets[:, None], offsets[None, :]
    angle = math.radians(degrees)
    # A clockwise turn leans the upper end of a streak to the right.
    along = down * math.cos(angle) - right * math.sin(angle)
    across = down * math.sin(angle) + right * math.cos(angle)
    inside = (layer.length_pixels / 2 + 0.5 - along.abs()).clamp(0, 1)
    return inside * torch.exp(-((across / layer.width_pixels) ** 2) / 2)


_STRENGTHS = {"light": 0.15, "medium": 0.5, "heavy": 0.9}
"""From 0, hardly any, to 1, as much as is ever drawn."""
_DRY_SHARE = 0.1
"""Of the patches: without them a network takes stripes, such as those of a zebra, for rain."""


@dataclass(frozen=True, kw_only=True)
class Derain(Task):
    """Every picture in a rain of its own, stored as an 8-bit file; nothing tells the network how much it rains."""

    name: str = "derain"

    @property
    def level_range(self) -> None:
        """None: a blind task."""
        return None

    @property
    def cases(self) -> tuple[Case, ...]:
        """Light, medium and heavy rain, of any direction."""
        return tuple(Case(name=name) for name in _STRENGTHS)

    def drawn(self, clean_BCHW: Tensor, generator: torch.Generator) -> Pairs:
        """Rains of any strength; a tenth of the pictures stay dry."""
        turns = torch.rand(len(clean_BCHW), generator=generator, device=generator.device)
        strengths = ((turns - _DRY_SHARE) / (1 - _DRY_SHARE)).tolist()
        return _pairs(clean_BCHW, strengths, generator)

    def of_cases(self, clean_BCHW: Tensor, cases: Sequence[Case], generator: torch.Generator) -> Pairs:
        """Rains of the cases' strengths."""
        return _pairs(clean_BCHW, [_STRENGTHS[case.name] for case in cases], generator)

    @classmethod
    def from_options(cls, options: TaskOptions) -> Self:
        """There is nothing to choose."""
        if options.scale != 1:
            raise UserError(f"--scale: got {options.scale}, but de-raining keeps the size; leave it out")
        if options.levels is not None or options.level_range is not None:
            raise UserError("--sigma: de-raining takes no noise level; leave it out")
        if options.quantised_share is not None:
            raise UserError("quantised share: rain is always stored as an 8-bit file; leave it out")
        return cls()


def _pairs(clean_BCHW: Tensor, strengths: Sequence[float], generator: torch.Generator) -> Pairs:
    """It rains where a strength is above 0."""
    rainy = [
        random_rain(strength, generator).over(clean, generator) if strength > 0 else clean
        for clean, strength in zip(clean_BCHW, strengths, strict=True)
    ]
    return Pairs(quantised(torch.stack(rainy)), clean_BCHW, None)


def random_rain(strength: float, generator: torch.Generator) -> Rain:
    """A rain of a strength 0..1: more, longer and brighter streaks the higher it is."""
    turns = iter(torch.rand(_TURNS, generator=generator, device=generator.device).tolist())

    def between(low: float, high: float) -> float:
        return low + (high - low) * next(turns)

    degrees, joined, haze = between(-45, 45), between(0, 1), between(0, 1)
    length, width = between(8, 14) + 26 * strength, between(0.5, 1.1)
    per_pixel, brightness = between(0.0004, 0.0012) + 0.004 * strength, between(0.25, 0.45) + 0.5 * strength
    near = Layer(length_pixels=length, width_pixels=width, per_pixel=per_pixel, brightness=brightness)
    far = Layer(
        length_pixels=length / 2,
        width_pixels=max(0.4, width / 2),
        per_pixel=2.5 * per_pixel,
        brightness=0.6 * brightness,
    )
    return Rain(
        degrees=degrees,
        layers=(far, near) if between(0, 1) < 0.7 else (near,),
        joined="blended" if joined < 0.6 else "added",
        # A fifth of the pictures; a small patch does not show how much contrast it has lost.
        haze=0.5 * (haze - 0.8) if haze > 0.8 else 0.0,
    )
