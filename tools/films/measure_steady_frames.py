"""Measure what averaging over time (`--temporal`) gains and loses, on films made of pictures with white noise.

For each scene: dB gained over frames denoised alone, then the least gain of one frame, then by how many grey levels the
root of the mean square error grows at most in any window of 5x5 pixels, where a ghost would show.

Run: python tools/films/measure_steady_frames.py PICTURES ... [--model color]
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from hinas.runtime import Denoiser
from hinas.runtime.films.frame_pixels import Pixels
from hinas.runtime.films.steady_frames import SteadyFrames
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

WIDTH, HEIGHT, NUM_FRAMES = 160, 120, 12
LEVELS = (15, 25, 50)
WINDOW = 5


def main() -> None:
    """Print a table, one line for each scene of each picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--model", default="color")
    given = parser.parse_args()
    denoiser = Denoiser.load(given.model, "cpu")
    print("| picture | scene |", *(f"sigma {level} |" for level in LEVELS))
    print("|---|---|" + "---|" * len(LEVELS))
    for path, other in pairwise((*given.pictures, given.pictures[0])):
        for scene, frames in scenes(opened(path), opened(other)):
            texts = [measured(frames, level, denoiser) for level in LEVELS]
            print(f"| {path.stem} | {scene} | {' | '.join(texts)} |", flush=True)


def opened(path: Path) -> Image.Image:
    """A picture that the window of a film moves over."""
    picture = Image.open(path).convert("RGB")
    height = round(2 * WIDTH * picture.height / picture.width)
    return picture.resize((2 * WIDTH, height), Image.Resampling.LANCZOS)


def scenes(picture: Image.Image, other: Image.Image) -> Iterator[tuple[str, list[Pixels]]]:
    """Clean frames."""
    steps = range(NUM_FRAMES)
    still, elsewhere = view(picture, 0), view(other, 60)
    yield "still", [still for _ in steps]
    for speed in (0.25, 1, 3, 6):
        yield f"pan, {speed:g} pixels a frame", [view(picture, speed * step) for step in steps]
    yield "an object before a still ground", [with_object(still, elsewhere, 5 + 4 * step) for step in steps]
    yield "a cut", [still if step < NUM_FRAMES // 2 else elsewhere for step in steps]
    yield "light that flickers by 4 %", [still * np.float32(0.96 + 0.04 * np.sin(2.1 * step)) for step in steps]
    yield "a fade, 5 % a frame", [still * np.float32(1 - 0.05 * step) for step in steps]


def view(picture: Image.Image, across: float) -> Pixels:
    """The window, so many pixels to the right."""
    place = (1, 0, 20 + across, 0, 1, 20)
    turned = picture.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, place, Image.Resampling.BICUBIC)
    return np.asarray(turned, np.float32) / np.float32(255)


def with_object(ground: Pixels, texture: Pixels, column: int) -> Pixels:
    """A textured square before a ground."""
    frame = ground.copy()
    frame[40:80, column : column + 40] = texture[40:80, 40:80]
    return frame


def measured(frames: list[Pixels], level: int, denoiser: Denoiser) -> str:
    """What is gained, in a few words."""
    generator, steady = np.random.default_rng(level), SteadyFrames(level)
    errors: list[tuple[Pixels, Pixels]] = []
    for clean in frames:
        grey_levels = np.clip(np.rint(255 * clean + generator.normal(0, level, clean.shape)), 0, 255)
        alone = denoiser((grey_levels / 255).astype(np.float32), level if denoiser.manifest.conditioned else None)
        errors.append((np.square(alone - clean), np.square(steady(alone) - clean)))
    del errors[0]  # It has none before it.
    least = min(gain_of([pair]) for pair in errors)
    ghost = max(float((local_error(after) - local_error(before)).max()) for before, after in errors)
    return f"{gain_of(errors):+.3f}, {least:+.3f}, {ghost:.1f}"


def gain_of(errors: list[tuple[Pixels, Pixels]]) -> float:
    """dB, of squared errors before and after."""
    before, after = np.mean(errors, axis=(0, 2, 3, 4))
    return float(10 * np.log10(before / after))


def local_error(squares: Pixels) -> Pixels:
    """Root of the mean in every window, in grey levels."""
    windows = sliding_window_view(squares.mean(axis=2), (WINDOW, WINDOW))
    return np.float32(255) * np.sqrt(windows.mean(axis=(2, 3), dtype=np.float32))


if __name__ == "__main__":
    main()
