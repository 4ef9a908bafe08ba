"""From linear light to the values of a file and back: gamma, then a tone curve that adds contrast."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_ENTRIES = 32768


@dataclass(frozen=True, kw_only=True)
class ToneCurve:
    """An increasing curve from linear light 0..1 to file values 0..1."""

    gamma: float | None = None
    """Exponent of a plain power law; None: the curve of sRGB."""
    contrast: float = 0.0
    """Share of the S-shaped curve 3x^2 - 2x^3 mixed in after the gamma; 0: none, below 1."""

    def developed(self, linear: np.ndarray) -> np.ndarray:
        """File values of linear light; what lies outside 0..1 is clipped, as in a camera."""
        index = np.clip(linear, 0, 1) * np.float32(_ENTRIES - 1) + np.float32(0.5)
        return self._table[index.astype(np.int32)]

    def linear_of_bytes(self) -> np.ndarray:
        """(256,) linear light of each value of an 8-bit file: the inverse of tone curve and gamma."""
        files = np.arange(256) / 255
        steps = np.linspace(0, 1, 4097)
        return self._linear_of_gamma(np.interp(files, self._with_contrast(steps), steps)).astype(np.float32)

    @cached_property
    def _table(self) -> np.ndarray:
        linear = np.linspace(0, 1, _ENTRIES, dtype=np.float32)
        return self._with_contrast(self._gamma_of_linear(linear)).astype(np.float32)

    def _with_contrast(self, x: np.ndarray) -> np.ndarray:
        return x + self.contrast * (x * x * (3 - 2 * x) - x)

    def _gamma_of_linear(self, linear: np.ndarray) -> np.ndarray:
        if self.gamma is not None:
            return linear ** (1 / self.gamma)
        return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)

    def _linear_of_gamma(self, x: np.ndarray) -> np.ndarray:
        if self.gamma is not None:
            return x**self.gamma
        return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
