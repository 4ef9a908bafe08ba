"""Measure what `hinas-denoise --ensemble` brings: PSNR of the bundled models with it and without, standard protocol.

Run: python tools/measure_ensemble.py IMAGES [--every N] [--sigma 25 50]
"""

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from hinas.bench.quality.clean_images import clean_pixels
from hinas.bench.quality.noise_protocols import Noise
from hinas.bench.quality.protocol import noisy_image
from hinas.bench.quality.psnr_ssim import psnr_db
from hinas.runtime import Denoiser


def main() -> None:
    """Print a line for each model and sigma: mean PSNR without and with, and the gains' mean and extremes in dB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--every", type=int, default=1, help="Take every Nth picture only, by name.")
    parser.add_argument("--sigma", type=float, nargs="+", default=[25.0, 50.0])
    parser.add_argument("--noise", choices=get_args(Noise), default="standard")
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args()
    files = sorted(file for file in given.images.iterdir() if file.suffix.lower() in (".jpg", ".png"))[:: given.every]
    print(f"{len(files)} pictures, {given.noise} noise")
    print(f"{'model':<6} {'sigma':>5} {'plain':>7} {'ensemble':>8} {'gain':>6} {'lowest':>6} {'highest':>7}")
    for model in ("gray", "color"):
        plain, ensemble = (Denoiser.load(model, "cpu", threads=given.threads, ensemble=on) for on in (False, True))
        for sigma in given.sigma:
            scores = np.array([scores_on(file, sigma, given.noise, (plain, ensemble)) for file in files])
            gains = scores[:, 1] - scores[:, 0]
            print(
                f"{model:<6} {sigma:>5g} {scores[:, 0].mean():>7.3f} {scores[:, 1].mean():>8.3f} "
                f"{gains.mean():>6.3f} {gains.min():>6.3f} {gains.max():>7.3f}",
                flush=True,
            )


def scores_on(file: Path, sigma: float, noise: Noise, denoisers: tuple[Denoiser, ...]) -> list[float]:
    """PSNR in dB of each denoiser on one picture."""
    clean = clean_pixels(file, denoisers[0].manifest.channels)
    noisy = noisy_image(clean, sigma, image=file, noise=noise) / np.float32(255)
    return [psnr_db(denoiser(noisy, sigma=sigma) * np.float32(255), clean) for denoiser in denoisers]


if __name__ == "__main__":
    main()
