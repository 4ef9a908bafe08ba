"""Measure how well `--sigma auto` finds the level of Gaussian noise: seeded noise on clean pictures, of known sigma.

Run: python tools/measure_noise_estimate.py IMAGES [--every N]
"""

import argparse
from pathlib import Path

import numpy as np
from hinas.runtime.noise.estimate import estimate_sigma
from PIL import Image

SIGMAS = (3, 5, 10, 15, 25, 35, 50, 75)


def main() -> None:
    """Print a table: the share of pictures within 10 % or 1.5 grey levels, the median and the extreme errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--every", type=int, default=1, help="Take every Nth picture only.")
    given = parser.parse_args()
    files = sorted(file for file in given.images.iterdir() if file.suffix.lower() in (".jpg", ".png"))[:: given.every]
    print(f"{len(files)} pictures; estimate minus sigma, grey levels")
    print(f"{'kind':<22} {'sigma':>5} {'within':>7} {'median':>7} {'lowest':>7} {'highest':>7}")
    for mode in ("L", "RGB"):
        pictures = [np.asarray(Image.open(file).convert(mode), np.float32) for file in files]
        for kind in ("un-quantised", "clipped, 8-bit"):
            for sigma in SIGMAS:
                errors = np.array([error(picture, sigma, kind, seed) for seed, picture in enumerate(pictures)])
                within = np.mean(np.abs(errors) <= max(1.5, 0.1 * sigma))
                print(
                    f"{mode + ', ' + kind:<22} {sigma:>5} {within:>7.1%} {np.median(errors):>7.2f} "
                    f"{errors.min():>7.2f} {errors.max():>7.2f}",
                    flush=True,
                )


def error(picture: np.ndarray, sigma: float, kind: str, seed: int) -> float:
    """The estimate's error on a picture (grey levels) with noise drawn from `seed`."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape, np.float32)
    noisy = picture + np.float32(sigma) * noise
    if kind == "un-quantised":
        return estimate_sigma(noisy / np.float32(255)) - sigma
    return estimate_sigma(noisy.round().clip(0, 255).astype(np.uint8)) - sigma


if __name__ == "__main__":
    main()
