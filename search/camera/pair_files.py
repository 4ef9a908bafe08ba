"""Simulated pairs as files: a folder of PNGs as real sets come in, or one array for a training."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .clean_crops import CleanImages, drawn_crop
from .random_shots import drawn_shot
from .shot import CameraShot, level_of

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
    """A CSV file with one line for every pair; empty where a step does not take place."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=columns, restval="", lineterminator="\n")
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
    """All values of a shot as columns of a table, such as `sensor.gain`."""
    return dict(_flattened(asdict(shot)))


def _flattened(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        elif isinstance(value, tuple):
            yield prefix + name, " ".join(str(part) for part in value)
        elif value is not None:
            yield prefix + name, value


def _seed_of(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])
