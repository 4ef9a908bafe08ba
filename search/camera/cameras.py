"""Cameras: their noise and their colours as values.

Noise: the calibration of ELD (Wei et al., A physics-based noise formation model for extreme low-light raw
denoising, CVPR 2020), github.com/Vandermode/ELD, camera_params/release, under the MIT licence: `Profile-1`, its
`g_scale` and `R_scale`, rounded. The signal is in digital numbers of 14 bits above black.
Colours: the matrices from XYZ to the camera under daylight (D65) of Adobe's DNG converter, as LibRaw lists them in
src/tables/colordata.cpp. What becomes of them is what dcraw does in `cam_xyz_coeff`.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class LogLinear:
    """A scale that grows with the gain: log(scale) = slope * log(K) + bias + N(0, spread)."""

    slope: float
    bias: float
    spread: float

    def drawn(self, gain: float, generator: np.random.Generator) -> float:
        """A scale in digital numbers at the gain K."""
        return self.at(gain) * float(np.exp(self.spread * generator.standard_normal()))

    def at(self, gain: float) -> float:
        """The middle of the scales at the gain K."""
        return float(np.exp(self.slope * np.log(gain) + self.bias))


@dataclass(frozen=True, kw_only=True)
class Camera:
    """What differs from camera to camera before development."""

    name: str
    gain_range: tuple[float, float]
    """K, digital numbers per photo-electron, at the lowest and the highest ISO of the calibration.

    The highest is 64 times the lowest, as ISO 6400 is of ISO 100; a camera itself may go further. That the two are
    these ISOs is confirmed by another calibration for the Sony only; the release does not name them.
    """
    read_noise: LogLinear
    """Standard deviation of the Gaussian read noise of each pixel."""
    row_noise: LogLinear
    """Standard deviation of what a whole row has in common."""
    camera_of_xyz: tuple[float, ...]
    """3 x 3, row by row, as published: its rows are not normalised."""

    @property
    def camera_of_srgb(self) -> np.ndarray:
        """(3, 3) from linear sRGB to the white-balanced camera: each row sums to 1, so white stays white."""
        matrix = self._unbalanced
        return matrix / matrix.sum(axis=1, keepdims=True)

    @property
    def daylight_gains(self) -> tuple[float, float]:
        """What red and blue are multiplied by in daylight to equal green."""
        red, green, blue = self._unbalanced.sum(axis=1)
        return float(green / red), float(green / blue)

    @property
    def _unbalanced(self) -> np.ndarray:
        return np.array(self.camera_of_xyz).reshape(3, 3) @ XYZ_OF_SRGB


XYZ_OF_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
"""Of the primaries of sRGB and the white (0.95047, 1, 1.08883), as in LibRaw.

IEC 61966-2-1 prints it with four digits, which differ by up to 0.0002.
"""


def _log_linear(slope: float, bias: float, spread: float) -> LogLinear:
    return LogLinear(slope=slope, bias=bias, spread=spread)


CAMERAS: tuple[Camera, ...] = (
    Camera(
        name="Canon EOS 5D Mark IV",
        gain_range=(0.218, 13.96),  # The upper end: 64 times the lower; not confirmed against a published value.
        read_noise=_log_linear(0.677, 1.512, 0.246),
        row_noise=_log_linear(0.471, -0.808, 0.244),
        camera_of_xyz=(0.6446, -0.0366, -0.0864, -0.4436, 1.2204, 0.2513, -0.0952, 0.2496, 0.6348),
    ),
    Camera(
        name="Canon EOS 70D",
        gain_range=(0.407, 26.08),
        read_noise=_log_linear(0.568, 1.998, 0.249),
        row_noise=_log_linear(0.729, -0.937, 0.250),
        camera_of_xyz=(0.7034, -0.0804, -0.1014, -0.4420, 1.2564, 0.2058, -0.0851, 0.1994, 0.5758),
    ),
    Camera(
        name="Canon EOS 700D",
        gain_range=(0.448, 28.65),
        read_noise=_log_linear(0.652, 2.080, 0.258),
        row_noise=_log_linear(0.622, -0.776, 0.248),
        camera_of_xyz=(0.6602, -0.0841, -0.0939, -0.4472, 1.2458, 0.2247, -0.0975, 0.2039, 0.6148),
    ),
    Camera(
        name="Nikon D850",
        gain_range=(0.415, 26.56),
        read_noise=_log_linear(0.563, 0.799, 0.214),
        row_noise=_log_linear(0.448, -1.798, 0.232),
        camera_of_xyz=(1.0405, -0.3755, -0.1270, -0.5461, 1.3787, 0.1793, -0.1040, 0.2015, 0.6785),
    ),
    Camera(
        name="Sony A7S II",
        gain_range=(0.094, 6.01),
        read_noise=_log_linear(0.541, 1.218, 0.268),
        row_noise=_log_linear(0.528, -0.592, 0.294),
        camera_of_xyz=(0.5838, -0.1430, -0.0246, -0.3497, 1.1477, 0.2297, -0.0748, 0.1885, 0.5778),
    ),
)


def generic_camera(generator: np.random.Generator) -> Camera:
    """A camera between the calibrated ones and somewhat beyond them, such as one with a small sensor."""
    shares = generator.dirichlet(np.ones(len(CAMERAS)))
    matrix = shares @ np.array([camera.camera_of_xyz for camera in CAMERAS])
    lowest = float(np.exp(generator.uniform(np.log(0.1), np.log(1.0))))
    return Camera(
        name="generic",
        gain_range=(lowest, 64 * lowest),
        read_noise=_log_linear(generator.uniform(0.5, 0.75), generator.uniform(0.8, 2.2), 0.25),
        row_noise=_log_linear(generator.uniform(0.4, 0.75), generator.uniform(-1.8, -0.4), 0.25),
        camera_of_xyz=tuple(float(value) for value in matrix.ravel()),
    )
