"""What the hinas-patches protocol gains, and from what: `python tools/measure_patch_noise.py IMAGES [LIMIT]`.

The bundled gray model under three settings that differ in one thing each: the whole image at once; the same patches
cut from that one noisy image; the patches with noise of their own, which is the protocol.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

import numpy as np
from hinas.bench.quality.clean_images import clean_pixels, find_images
from hinas.bench.quality.protocol import NoisyPatch, joined, noisy_patches
from hinas.bench.quality.psnr_ssim import psnr_db
from hinas.runtime import Denoiser

Setting = Callable[[np.ndarray, str, float], list[NoisyPatch]]


def whole(clean: np.ndarray, image: str, sigma: float) -> list[NoisyPatch]:
    return noisy_patches(clean, sigma, image=image, noise="standard")


def independent(clean: np.ndarray, image: str, sigma: float) -> list[NoisyPatch]:
    return noisy_patches(clean, sigma, image=image, noise="hinas-patches")


def cut(clean: np.ndarray, image: str, sigma: float) -> list[NoisyPatch]:
    (noisy,) = whole(clean, image, sigma)
    return [
        replace(
            patch,
            pixels=noisy.pixels[patch.top : patch.top + len(patch.pixels), patch.left :][:, : patch.pixels.shape[1]],
        )
        for patch in independent(clean, image, sigma)
    ]


def main(data: str, limit: int | None) -> None:
    denoiser = Denoiser.load("gray", backend="cpu", threads=1)
    images = find_images(data, limit=limit)
    print(f"gray, {images.name}, mean PSNR in dB")
    settings: dict[str, Setting] = {
        "whole image": whole,
        "patches of one noisy image": cut,
        "patches with noise of their own": independent,
    }
    for name, setting in settings.items():
        means = []
        for sigma in (30.0, 50.0, 70.0):
            values = []
            for file in images.files:
                clean = clean_pixels(file, 1)
                patches = setting(clean, str(file), sigma)
                outputs = [denoiser(patch.pixels / np.float32(255), sigma=sigma) for patch in patches]
                values.append(psnr_db(joined(patches, outputs, clean.shape) * np.float32(255), clean))
            means.append(fmean(values))
        print(f"{name:32}", *(f"{mean:.2f}" for mean in means), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
