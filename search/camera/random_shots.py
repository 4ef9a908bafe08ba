"""Random shots: cameras, exposures and developments drawn from a seed, and the fixed ones that scores use.

The distributions are wide on purpose: they hold the size, the brightness dependence and the correlation that real
pairs show, with a margin on both sides, and are fitted to none of them.
"""

from typing import Literal

import numpy as np

from .cameras import CAMERAS, Camera, generic_camera
from .development import Development
from .jpeg import Jpeg
from .mosaic import RED_AT, Demosaicing
from .sensor import Sensor
from .shot import CameraShot, Kind
from .tone_curve import ToneCurve

SHARES: dict[Kind, float] = {"camera": 0.65, "white": 0.15, "jpeg": 0.1, "clean": 0.1}
"""How often each kind is drawn; the last three keep a network from harming files without camera noise."""
ISO_GAINS: dict[str, float] = {"ISO 400": 1.63, "ISO 1600": 6.51, "ISO 6400": 26.1}
"""K of the Canon EOS 70D, whose ISO 100 is 0.407: a low, a medium and a high one that scores use."""
_DEMOSAICINGS: tuple[Demosaicing, ...] = ("bilinear", "malvar", "hamilton-adams")


def drawn_shot(seed: int, kind: Kind | None = None) -> CameraShot:
    """A shot of random camera, exposure and development; without a kind, by the shares of `SHARES`."""
    generator = np.random.default_rng([seed, 0xCA])
    if kind is None:
        kinds = tuple(SHARES)
        kind = kinds[generator.choice(len(kinds), p=[SHARES[each] for each in kinds])]
    which = generator.integers(2 * len(CAMERAS))
    camera = CAMERAS[which] if which < len(CAMERAS) else generic_camera(generator)
    return CameraShot(
        kind=kind,
        camera=camera.name,
        sensor=_drawn_sensor(camera, generator),
        development=_drawn_development(camera, generator),
        jpeg=_drawn_jpeg(kind, generator),
        white_sigma=generator.uniform(2, 50) if kind == "white" else 0.0,
        seed=int(generator.integers(2**62)),
    )


def shot_at_gain(gain: float, seed: int) -> CameraShot:
    """A typical picture of the Canon EOS 70D at the gain K, for scoring: everything but the noise is fixed."""
    camera = next(camera for camera in CAMERAS if camera.name == "Canon EOS 70D")
    development = Development(
        phase="RGGB",
        demosaicing="malvar",
        gains=camera.daylight_gains,
        camera_of_srgb=tuple(float(value) for value in camera.camera_of_srgb.ravel()),
        curve=ToneCurve(contrast=0.4),
        optical_blur=0.8,
        luma_blur=0.6,
        luma_denoising=1.0,
        chroma_denoising=2.5,
        sharpening=0.3,
    )
    return CameraShot(
        kind="camera",
        camera=camera.name,
        seed=seed,
        sensor=Sensor(
            gain=gain, read_noise=camera.read_noise.at(gain), row_noise=camera.row_noise.at(gain), exposure=0.5
        ),
        development=development,
        jpeg=Jpeg(quality=95, subsampling="4:2:0"),
    )


def _drawn_sensor(camera: Camera, generator: np.random.Generator) -> Sensor:
    lowest, highest = camera.gain_range
    gain = _log_uniform(generator, lowest * 4, highest)
    return Sensor(
        gain=gain,
        read_noise=camera.read_noise.drawn(gain, generator),
        row_noise=camera.row_noise.drawn(gain, generator),
        exposure=_log_uniform(generator, 0.25, 1.0),
        black=int(generator.choice([0, 512, 512, 2048])),
        bits=int(generator.choice([12, 14, 14])),
    )


def _drawn_development(camera: Camera, generator: np.random.Generator) -> Development:
    red, blue = camera.daylight_gains
    warmth = float(np.exp(generator.normal(0, 0.2)))
    # A camera's own pictures are smoothed, above all in colour; a raw converter's often are not.
    in_camera = generator.random() < 0.7
    if in_camera:
        chroma_denoising = _log_uniform(generator, 1.5, 10)
        luma_blur = _or_zero(generator, 0.75, generator.uniform(0.4, 1))
        luma_denoising = _or_zero(generator, 0.7, _log_uniform(generator, 0.5, 8))
        luma_denoising_sigma = _log_uniform(generator, 0.7, 3.5)
        sharpening = _or_zero(generator, 0.6, generator.uniform(0.1, 0.8))
    else:
        chroma_denoising = _or_zero(generator, 0.5, generator.uniform(0.5, 3))
        luma_blur = _or_zero(generator, 0.3, generator.uniform(0.3, 0.7))
        luma_denoising = _or_zero(generator, 0.4, generator.uniform(0.3, 2))
        luma_denoising_sigma = generator.uniform(0.7, 1.6)
        sharpening = _or_zero(generator, 0.6, generator.uniform(0.1, 1))
    return Development(
        phase=tuple(RED_AT)[generator.integers(len(RED_AT))],
        demosaicing=_DEMOSAICINGS[generator.choice(3, p=[0.25, 0.3, 0.45])],
        gains=(max(1.0, red / warmth), max(1.0, blue * warmth)),
        camera_of_srgb=tuple(float(value) for value in camera.camera_of_srgb.ravel()),
        curve=ToneCurve(
            gamma=None if generator.random() < 0.7 else generator.uniform(1.8, 2.4),
            contrast=generator.uniform(0, 0.8),
        ),
        optical_blur=round(generator.uniform(0.4, 1.4), 1),
        luma_blur=round(luma_blur, 1),
        luma_denoising=luma_denoising,
        luma_denoising_sigma=round(luma_denoising_sigma, 1),
        chroma_denoising=round(chroma_denoising, 1),
        sharpening=sharpening,
        sharpening_sigma=round(generator.uniform(0.6, 2), 1),
        scale=_or_zero(generator, 0.3, generator.uniform(0, 1)) + 1,
        scaling="area" if generator.random() < 0.5 else "lanczos",
    )


def _drawn_jpeg(kind: Kind, generator: np.random.Generator) -> Jpeg | None:
    lowest, highest, share = {
        "camera": (70, 98, 0.7),
        "white": (0, 0, 0.0),
        "jpeg": (20, 60, 1.0),
        "clean": (90, 98, 0.5),
    }[kind]
    quality = int(generator.integers(lowest, highest + 1))
    subsampling: Literal["4:4:4", "4:2:0"] = "4:4:4" if generator.random() < 0.5 else "4:2:0"
    offset = (int(generator.integers(16)), int(generator.integers(16)))
    return Jpeg(quality=quality, subsampling=subsampling, offset=offset) if generator.random() < share else None


def _log_uniform(generator: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


def _or_zero(generator: np.random.Generator, share: float, value: float) -> float:
    return value if generator.random() < share else 0.0
