"""Simulated pairs as files: a folder of PNGs as real sets come in, or one array for a training."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .clean_crops import CleanImages, drawn_crop
from .shot import CameraShot, drawn_shot, level_of

Progress = Callable[[], object]
"""Called after every pair."""


@dataclass(frozen=True, kw_only=True)
class SimulatedPair:
    """Two pictures and how the degraded one came about."""

    degraded: np.ndarray
    """(size, size, 3) uint8."""
    clean: np.ndarray
    """(size, size, 3) uint8."""
    shot: CameraShot
    level: float
    """RMS of the difference in grey levels 0..255."""


def simulated_pairs(origins: Sequence[CleanImages], *, number: int, size: int, seed: int) -> Iterator[SimulatedPair]:
    """`number` pairs of crops; a pair depends on the seed and its place alone, not on how many there are."""
    for seed_of_pair in (_seed_of(seed, place) for place in range(number)):
        shot = drawn_shot(seed_of_pair)
        degraded, clean = shot.pair(drawn_crop(origins, size, seed_of_pair))
        yield SimulatedPair(degraded=degraded, clean=clean, shot=shot, level=level_of(degraded, clean))


def write_pair_folder(folder: Path, pairs: Iterator[SimulatedPair], progress: Progress) -> list[dict[str, object]]:
    """Write `folder/noisy/0000.png` beside `folder/clean/0000.png` and so on; a row of parameters for every pair."""
    for name in ("noisy", "clean"):
        (folder / name).mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for place, pair in enumerate(pairs):
        name = f"{place:04}.png"
        Image.fromarray(pair.degraded).save(folder / "noisy" / name)
        Image.fromarray(pair.clean).save(folder / "clean" / name)
        rows.append({"file": f"{folder.name}/noisy/{name}", "level": round(pair.level, 4), **parameters_of(pair.shot)})
        progress()
    return rows


def write_parameters(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """A CSV file with one line for every pair."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def pair_array(pairs: Iterator[SimulatedPair], *, number: int, size: int, progress: Progress) -> np.ndarray:
    """(number, size, size, 6) uint8: channels 0 to 2 degraded, 3 to 5 clean."""
    array = np.empty((number, size, size, 6), np.uint8)
    for place, pair in enumerate(pairs):
        array[place, ..., :3], array[place, ..., 3:] = pair.degraded, pair.clean
        progress()
    return array


def parameters_of(shot: CameraShot) -> dict[str, object]:
    """The values of a shot as columns of a table; empty where a step does not take place."""
    sensor, development, jpeg = shot.sensor, shot.development, shot.jpeg
    return {
        "kind": shot.kind,
        "camera": shot.camera,
        "gain": sensor.gain,
        "read_noise": sensor.read_noise,
        "row_noise": sensor.row_noise,
        "exposure": sensor.exposure,
        "black": sensor.black,
        "bits": sensor.bits,
        "phase": development.phase,
        "demosaicing": development.demosaicing,
        "red_gain": development.gains[0],
        "blue_gain": development.gains[1],
        "gamma": development.curve.gamma or "sRGB",
        "contrast": development.curve.contrast,
        "optical_blur": development.optical_blur,
        "luma_blur": development.luma_blur,
        "luma_denoising": development.luma_denoising,
        "chroma_denoising": development.chroma_denoising,
        "sharpening": development.sharpening,
        "scale": development.scale,
        "jpeg_quality": jpeg.quality if jpeg else "",
        "jpeg_subsampling": jpeg.subsampling if jpeg else "",
        "white_sigma": shot.white_sigma,
        "seed": shot.seed,
    }


def _seed_of(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])
