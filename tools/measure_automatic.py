"""Measure what `hinas-denoise` makes of 8-bit files when nothing is said: white noise, clean pictures, JPEG's blocks.

Run: python tools/measure_automatic.py IMAGES [--every N]
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hinas.bench.quality.protocol import noisy_image
from hinas.bench.quality.psnr_ssim import psnr_db
from PIL import Image

SIGMAS = (15, 25, 50)
JPEG_QUALITIES = (20, 40, 60)
JPEG_SIZE = (240, 160)
"""The pictures of the set are JPEGs themselves: scaled down to this, their own blocks are gone."""


def main() -> None:
    """Print a line for each kind: mean PSNR in dB of the degraded files, of the results, and of the lowest result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--every", type=int, default=1, help="Take every Nth picture only, by name.")
    given = parser.parse_args()
    files = sorted(file for file in given.images.iterdir() if file.suffix.lower() in (".jpg", ".png"))[:: given.every]
    whole = [Image.open(file).convert("RGB") for file in files]
    small = [picture.resize(JPEG_SIZE, Image.Resampling.BICUBIC) for picture in whole]
    print(f"{len(files)} pictures; PSNR in dB")
    print(f"{'kind':<26} {'before':>7} {'after':>7} {'lowest':>7}")
    print_line("clean", files, whole, unchanged)
    for sigma in SIGMAS:
        noisy = with_noise(sigma)
        print_line(f"white, sigma {sigma}", files, whole, noisy)
        print_line(f"white, `color` told {sigma}", files, whole, noisy, "--model", "color", "--sigma", str(sigma))
    for quality in JPEG_QUALITIES:
        print_line(f"JPEG of quality {quality}", files, small, with_blocks(quality))


Degraded = Callable[[Path, Image.Image], Image.Image]
"""(the picture's file, the clean picture) -> the picture as it is stored."""


def unchanged(file: Path, clean: Image.Image) -> Image.Image:
    """The picture as it is."""
    return clean


def with_noise(sigma: float) -> Degraded:
    """White noise of `sigma` grey levels, clipped and rounded."""

    def degraded(file: Path, clean: Image.Image) -> Image.Image:
        noisy = noisy_image(np.asarray(clean), sigma, image=file, noise="file")
        return Image.fromarray(noisy.astype(np.uint8))

    return degraded


def with_blocks(quality: int) -> Degraded:
    """What Pillow's JPEG of that quality keeps, colours subsampled."""

    def degraded(file: Path, clean: Image.Image) -> Image.Image:
        stored = BytesIO()
        clean.save(stored, "JPEG", quality=quality)
        return Image.open(stored).convert("RGB")

    return degraded


def print_line(kind: str, files: list[Path], clean: list[Image.Image], degrade: Degraded, *options: str) -> None:
    """Write the degraded pictures as PNG, let the command denoise the folder, and print the scores."""
    with TemporaryDirectory() as name:
        degraded, denoised = Path(name, "degraded"), Path(name, "denoised")
        degraded.mkdir()
        names = [f"{index:04d}.png" for index in range(len(files))]
        for file, picture, stored in zip(files, clean, names, strict=True):
            degrade(file, picture).save(degraded / stored)
        program = Path(sys.executable).with_name("hinas-denoise")
        subprocess.run([program, degraded, denoised, "--quiet", *options], check=True)
        before, after = (
            [score(folder / stored, picture) for stored, picture in zip(names, clean, strict=True)]
            for folder in (degraded, denoised)
        )
    print(f"{kind:<26} {np.mean(before):>7.2f} {np.mean(after):>7.2f} {np.min(after):>7.2f}", flush=True)


def score(file: Path, clean: Image.Image) -> float:
    """PSNR in dB of a file against the clean picture; equal pixels count as 60 dB."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.float32)
    reference = np.asarray(clean, np.float32)
    return 60.0 if np.array_equal(pixels, reference) else min(60.0, psnr_db(pixels, reference))


if __name__ == "__main__":
    main()
