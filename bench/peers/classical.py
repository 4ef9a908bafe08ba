"""Classical denoisers: told the noise level, on whole images, in their libraries' own implementations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ..quality.measure_quality import Denoise

TIMED_SIGMA = 25.0
"""Grey levels: the noise level that their latency is measured at."""
BYTES_PER_PIXEL = 2000
"""Above what BM3D takes for colour images."""


@dataclass(frozen=True, kw_only=True)
class ClassicalPeer:
    """An algorithm without weights."""

    title: str
    channels: int
    open: Callable[[], Denoise]
    """Imports its library; UserError that says what to install where that is missing."""
    package: str
    """What pip installs."""
    source: str

    def library(self) -> str:
        """Name and version, once it is open."""
        return f"{self.package} {version(self.package)}"


def _open_bm3d(channels: int) -> Denoise:
    try:
        from bm3d import bm3d, bm3d_rgb  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            "BM3D needs the package bm3d of its authors, free for non-commercial use alone: if that is your use, "
            f"pip install bm3d ({error})"
        ) from error
    run = bm3d if channels == 1 else bm3d_rgb

    def denoise(noisy: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        # Some versions give one channel as an axis of its own.
        return np.asarray(run(noisy, sigma / 255), np.float32).reshape(noisy.shape)

    return denoise


def _open_nlm(channels: int) -> Denoise:
    try:
        from skimage.restoration import denoise_nl_means
    except ImportError as error:
        raise UserError(f"non-local means needs scikit-image: pip install scikit-image ({error})") from error

    def denoise(noisy: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        level = sigma / 255
        result = denoise_nl_means(
            noisy,
            patch_size=5,
            patch_distance=6,
            # What scikit-image's own guide takes where the noise level is told too.
            h=0.6 * level,
            sigma=level,
            fast_mode=True,
            channel_axis=None if channels == 1 else -1,
        )
        return np.asarray(result, np.float32)

    return denoise


def _algorithms() -> dict[str, ClassicalPeer]:
    algorithms: dict[str, ClassicalPeer] = {}
    for suffix, channels in (("", 1), ("-color", 3)):
        algorithms[f"bm3d{suffix}"] = ClassicalPeer(
            title="BM3D" if channels == 1 else "CBM3D",
            channels=channels,
            open=partial(_open_bm3d, channels),
            package="bm3d",
            source="Dabov et al., TIP 2007, in the authors' package",
        )
        algorithms[f"nlm{suffix}"] = ClassicalPeer(
            title="NLM" if channels == 1 else "NLM color",
            channels=channels,
            open=partial(_open_nlm, channels),
            package="scikit-image",
            source="Buades et al., CVPR 2005, scikit-image's fast mode, patches of 5 within 6 pixels, h 0.6 sigma",
        )
    return algorithms


CLASSICAL: dict[str, ClassicalPeer] = _algorithms()
