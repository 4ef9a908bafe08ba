"""Measure what `hinas-denoise --ensemble` brings: PSNR of models with it and without, as hinas-bench scores them.

Run: python tools/measure_ensemble.py IMAGES [--model gray color] [--every N] [--sigma 25 50]
Models for raw data are scored under the cases of their task.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from hinas.bench.quality.clean_images import clean_pixels
from hinas.bench.quality.noise_protocols import Noise
from hinas.bench.quality.protocol import noisy_image
from hinas.bench.quality.psnr_ssim import psnr_db
from hinas.bench.quality.task_cases import case_examples
from hinas.runtime import Denoiser
from numpy.typing import NDArray


def main() -> None:
    """Print a line for each model and case: mean PSNR without and with, and the gains' mean and extremes in dB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", nargs="+", default=["gray", "color"])
    parser.add_argument("--every", type=int, default=1, help="Take every Nth picture only, by name.")
    parser.add_argument("--sigma", type=float, nargs="+", default=[25.0, 50.0])
    parser.add_argument("--noise", choices=get_args(Noise), default="standard")
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args()
    files = sorted(file for file in given.images.iterdir() if file.suffix.lower() in (".jpg", ".png"))[:: given.every]
    print(f"{len(files)} pictures")
    print(f"{'model':<6} {'case':>8} {'plain':>7} {'ensemble':>8} {'gain':>6} {'lowest':>6} {'highest':>7}")
    for model in given.model:
        denoisers = [Denoiser.load(model, "cpu", threads=given.threads, ensemble=on) for on in (False, True)]
        scores: dict[str, list[list[float]]] = {}
        for file in files:
            for case, sigma, noisy, clean in cases(file, denoisers[0], given.sigma, given.noise):
                found = [psnr_db(denoiser(noisy, sigma=sigma) * np.float32(255), clean) for denoiser in denoisers]
                scores.setdefault(case, []).append(found)
        for case, found in scores.items():
            plain, ensemble = np.array(found).T
            gains = ensemble - plain
            print(
                f"{Path(model).stem:<6} {case:>8} {plain.mean():>7.3f} {ensemble.mean():>8.3f} "
                f"{gains.mean():>6.3f} {gains.min():>6.3f} {gains.max():>7.3f}",
                flush=True,
            )


def cases(
    file: Path, model: Denoiser, sigmas: Sequence[float], noise: Noise
) -> Iterator[tuple[str, float | None, NDArray[np.float32], NDArray[Any]]]:
    """Name, level to be told, noisy in 0..1, and clean in grey levels 0..255, of each case of one picture."""
    manifest = model.manifest
    if manifest.is_raw:
        for name, example in case_examples(manifest.task, clean_pixels(file, 3), file):
            noisy, clean = (values[0].transpose(1, 2, 0) for values in (example.degraded_BCHW, example.clean_BCHW))
            yield name, None, noisy, clean * np.float32(255)
        return
    clean = clean_pixels(file, manifest.channels)
    for sigma in sigmas:
        noisy = noisy_image(clean, sigma, image=file, noise=noise) / np.float32(255)
        yield f"{sigma:g}", sigma if manifest.conditioned else None, noisy, clean


if __name__ == "__main__":
    main()
