"""What the sensor adds and how it counts: photon, read and row noise, then whole digital numbers.

Signals are in digital numbers of 14 bits above black, float32 of (..., H, W).
"""

from dataclasses import dataclass

import numpy as np

WHITE = 16383
"""The largest digital number of 14 bits."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """The noise of one shot."""

    gain: float
    """K: digital numbers per photo-electron; the variance of the photon noise is K times the signal."""
    read_noise: float
    """Standard deviation in digital numbers."""
    row_noise: float
    """Standard deviation in digital numbers of what a row has in common."""
    exposure: float = 1.0
    """Which share of the sensor's range the picture's white takes; development makes up for it."""
    black: int = 512
    """The digital number of darkness; 0: the camera cuts noise off below it."""
    bits: int = 14
    """14 or 12; with 12 bits every fourth digital number is used."""

    @property
    def white(self) -> float:
        """Digital numbers above black that the picture's white takes."""
        return self.exposure * (WHITE - self.black)

    def exposed(self, linear: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The raw file of a mosaic of light 0..1, back in 0..1: noisy, counted, clipped."""
        return self.counted(self.noisy(linear * np.float32(self.white), generator)) / np.float32(self.white)

    def recorded(self, linear: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The raw file of a mosaic of light 0..1, in 0..1 from black to the largest number; cut off at both ends."""
        counted = self.counted(self.noisy(linear * np.float32(self.white), generator))
        return np.maximum(counted, 0) / np.float32(WHITE - self.black)

    def noisy(self, signal: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The signal with photon, read and row noise."""
        electrons = generator.poisson(np.maximum(signal, 0) / self.gain).astype(np.float32)
        rows = generator.standard_normal((*signal.shape[:-1], 1), dtype=np.float32)
        pixels = generator.standard_normal(signal.shape, dtype=np.float32)
        return (
            electrons * np.float32(self.gain) + pixels * np.float32(self.read_noise) + rows * np.float32(self.row_noise)
        )

    def counted(self, signal: np.ndarray) -> np.ndarray:
        """Whole digital numbers (steps of 4 for 12 bits), clipped to what the file can hold."""
        step = np.float32(2 ** (14 - self.bits))
        return np.clip(np.rint(signal / step) * step, -self.black, WHITE - self.black).astype(np.float32)
