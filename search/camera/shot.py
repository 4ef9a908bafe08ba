"""One simulated shot as plain values, and the pair of pictures it gives."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .development import Development
from .jpeg import Jpeg
from .mosaic import mosaiced, packed
from .sensor import Sensor

Kind = Literal["camera", "white", "jpeg", "clean"]
"""A developed photograph, white noise in an 8-bit file, JPEG alone, hardly any noise."""
_BEFORE, _AFTER = 16, 8
"""Pixels above and left of a crop, and below and right of it, that are cut off again.

They hold the borders of the filters, and before the crop a whole block of 16 x 16 of JPEG.
"""


@dataclass(frozen=True, kw_only=True)
class CameraShot:
    """Everything that turns a clean picture into a pair; printable, and the same values give the same pixels."""

    kind: Kind
    camera: str
    seed: int
    """Of the noise itself."""
    sensor: Sensor
    development: Development
    jpeg: Jpeg | None = None
    """The compression of the degraded picture; None: it is a PNG or TIFF."""
    white_sigma: float = 0.0
    """White Gaussian noise added to the file, in grey levels 0..255."""

    def pair(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Degraded and clean picture, (H, W, 3) uint8 each, of a clean one."""
        height, width = pixels.shape[:2]
        padded = np.pad(pixels, ((_BEFORE, _AFTER), (_BEFORE, _AFTER), (0, 0)), mode="symmetric")
        generator = np.random.default_rng(self.seed)
        if self.kind in ("camera", "clean"):
            degraded, clean = self._developed(padded, generator)
        else:
            degraded, clean = padded, padded
        if self.white_sigma:
            noise = generator.standard_normal(degraded.shape, dtype=np.float32) * np.float32(self.white_sigma)
            degraded = _as_bytes(degraded + noise)
        if self.jpeg is not None:
            degraded = self.jpeg.compressed(degraded)
        inside = np.s_[_BEFORE : _BEFORE + height, _BEFORE : _BEFORE + width]
        return degraded[inside], clean[inside]

    def raw_pair(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Noisy and clean raw data, (4, H/2, W/2) float32 in 0..1 each, of a clean picture (H, W, 3) uint8; both even.

        A pixel of the picture is one of the sensor, and red is the first. Nothing is developed.
        """
        development = replace(self.development, phase="RGGB", scale=1.0)
        light = mosaiced(development.light_of(pixels), development.phase)
        noisy = self.sensor.recorded(light, np.random.default_rng(self.seed))
        return packed(noisy), packed(light * np.float32(self.sensor.exposure))

    def _developed(self, pixels: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        light = mosaiced(self.development.light_of(pixels), self.development.phase)
        noisy = light if self.kind == "clean" else self.sensor.exposed(light, generator)
        planes = self.development.developed(np.stack([noisy, light]), *pixels.shape[:2])
        degraded, clean = _as_bytes(planes * np.float32(255)).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(degraded), np.ascontiguousarray(clean)


def level_of(degraded: np.ndarray, clean: np.ndarray) -> float:
    """The strength of a degradation: the RMS difference over pixels and channels, in grey levels 0..255."""
    return float(np.sqrt(np.mean((degraded.astype(np.float32) - clean.astype(np.float32)) ** 2)))


def _as_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
