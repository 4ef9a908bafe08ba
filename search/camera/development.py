"""From the raw file to the picture: what a camera or a raw converter does, as values.

Planes are float32 of (..., 3, H, W), red, green, blue.
"""

from dataclasses import dataclass

import numpy as np

from .mosaic import Demosaicing, Phase, demosaiced
from .separable_filters import Kernel, box_averaged, gaussian_blurred, resized
from .tone_curve import ToneCurve

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R 601."""
_ENERGY_SIZE = 5
"""Pixels along a side over which the local Wiener filter measures detail."""


@dataclass(frozen=True, kw_only=True)
class Development:
    """Every step between the raw file and the picture."""

    phase: Phase
    demosaicing: Demosaicing
    gains: tuple[float, float]
    """White balance: what red and blue are multiplied by."""
    camera_of_srgb: tuple[float, ...]
    """3 x 3, row by row: linear sRGB to the white-balanced camera; rows sum to 1."""
    curve: ToneCurve
    optical_blur: float = 0.0
    """Sigma in sensor pixels of the blur of lens and low-pass filter, before the colour filter; 0: none."""
    luma_blur: float = 0.0
    """Sigma in pixels of a plain blur of the brightness, the simplest denoising; 0: none."""
    luma_denoising: float = 0.0
    """Strength of the local Wiener filter on the brightness, in noise levels; 0: none."""
    luma_denoising_sigma: float = 1.2
    """What counts as detail to it: differences from a blur of this many pixels."""
    chroma_denoising: float = 0.0
    """Sigma in pixels of the blur of the colours; 0: none."""
    sharpening: float = 0.0
    """Amount of the unsharp mask on the brightness; 0: none."""
    sharpening_sigma: float = 1.0
    """Its width in pixels."""
    scale: float = 1.0
    """Pixels of the sensor per pixel of the picture, along each side; 1: not scaled."""
    scaling: Kernel = "area"

    def light_of(self, pixels: np.ndarray) -> np.ndarray:
        """(3, H', W') light on the sensor for (H, W, 3) uint8: all steps backwards; H' is even and about scale * H."""
        planes = np.ascontiguousarray(self.curve.linear_of_bytes()[pixels].transpose(2, 0, 1))
        height, width = (2 * round(self.scale * side / 2) for side in pixels.shape[:2])
        planes = resized(planes, height, width, "bicubic")
        planes = gaussian_blurred(planes, self.optical_blur)
        planes = _mixed(planes, np.array(self.camera_of_srgb).reshape(3, 3))
        return np.clip(planes / self._white_balance, 0, 1)

    def developed(self, mosaics: np.ndarray, height: int, width: int) -> np.ndarray:
        """(2, 3, height, width) in 0..1 of a noisy and a clean mosaic (2, H', W'), developed alike."""
        planes = demosaiced(mosaics, self.phase, self.demosaicing) * self._white_balance
        srgb_of_camera = np.linalg.inv(np.array(self.camera_of_srgb).reshape(3, 3))
        planes = self.curve.developed(_mixed(np.minimum(planes, 1), srgb_of_camera))
        planes = self._finished(planes)
        return resized(planes, height, width, self.scaling)

    def _finished(self, planes: np.ndarray) -> np.ndarray:
        """Denoise brightness and colours, then sharpen."""
        luma = np.float32(LUMA[0]) * planes[:, 0] + LUMA[1] * planes[:, 1] + LUMA[2] * planes[:, 2]
        # Red and blue less luma; what green lacks follows, since the three weighted sum to nothing.
        colours = gaussian_blurred(planes[:, ::2] - luma[:, None], self.chroma_denoising)
        luma = gaussian_blurred(luma, self.luma_blur)
        if self.luma_denoising:
            luma = self._with_less_detail(luma)
        if self.sharpening:
            luma = luma + self.sharpening * (luma - gaussian_blurred(luma, self.sharpening_sigma))
        planes = np.empty_like(planes)
        planes[:, ::2] = colours + luma[:, None]
        planes[:, 1] = luma - (LUMA[0] * colours[:, 0] + LUMA[2] * colours[:, 1]) / LUMA[1]
        return planes

    def _with_less_detail(self, luma: np.ndarray) -> np.ndarray:
        """A local Wiener filter: where the fine detail is no stronger than the noise, it is taken back.

        The weights come from the noisy picture and go to both, as the mean of many developed shots would have them.
        """
        coarse = gaussian_blurred(luma, self.luma_denoising_sigma)
        detail = luma - coarse
        noise = np.mean((detail[0] - detail[1]) ** 2) * np.float32(self.luma_denoising**2)
        energy = box_averaged(detail[0] ** 2, _ENERGY_SIZE)
        return coarse + detail * (energy / (energy + noise + np.float32(1e-12)))

    @property
    def _white_balance(self) -> np.ndarray:
        return np.array([self.gains[0], 1, self.gains[1]], np.float32).reshape(3, 1, 1)


def _mixed(planes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(..., 3, H, W) with each pixel's colour multiplied by the (3, 3) matrix."""
    flat = planes.reshape(*planes.shape[:-2], -1)
    return (matrix.astype(np.float32) @ flat).reshape(planes.shape)
