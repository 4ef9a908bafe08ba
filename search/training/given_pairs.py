"""Training on pairs of files: pictures with a degradation of their own beside the same pictures without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ..images.image_folder import LoadedImages, files_of, is_image_file, read_clean
from ..tasks.interface import Case, Pairs, Task, TaskOptions


@dataclass(frozen=True, kw_only=True)
class GivenPairs(Task):
    """A task whose pairs are there: the channels of an image are the clean ones, then the degraded ones.

    So one patch source draws, flips and turns both alike. A conditioned network is told the RMS difference of a pair.
    """

    task: Task
    """What the pairs are for; it says what a score compares."""
    same_when_turned: ClassVar[bool] = True

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The task's."""
        return self.task.name

    @property
    def level_range(self) -> tuple[float, float] | None:
        """The task's; stronger and weaker pairs are told as the ends."""
        return self.task.level_range

    @property
    def cases(self) -> tuple[Case, ...]:
        """The pairs as they are."""
        return (Case(name="pairs"),)

    @property
    def validation_protocol(self) -> str:
        """Nothing is simulated."""
        return f"{self.name}, pairs of files, held-out pairs, mean over pairs"

    def drawn(self, clean_BCHW: Tensor, generator: torch.Generator) -> Pairs:
        """(B, 2 * C, H, W) -> the two halves."""
        clean, degraded = clean_BCHW.chunk(2, dim=1)
        if self.level_range is None:
            return Pairs(degraded, clean, None)
        low, high = self.level_range
        rms_B = 255 * (degraded - clean).square().mean(dim=(1, 2, 3)).sqrt()
        return Pairs(degraded, clean, rms_B.clamp(low, high))

    def of_cases(self, clean_BCHW: Tensor, cases: Sequence[Case], generator: torch.Generator) -> Pairs:
        """The same; nothing is random."""
        return self.drawn(clean_BCHW, generator)

    @classmethod
    def from_options(cls, options: TaskOptions) -> Self:
        """Not by options: pairs come from folders."""
        raise TypeError("pairs of files are made from a task, not from options")

    def compared(self, output_BCHW: Tensor, clean_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """As the task compares."""
        return self.task.compared(output_BCHW, clean_BCHW)


def load_pairs(clean_folder: Path, degraded_folder: Path, *, channels: int, smallest_side: int) -> LoadedImages:
    """Every picture of the one folder with its namesake in the other, each (H, W, 2 * C) uint8, clean channels first.

    Sub-folders count as parts of the names; endings do not. UserError where a picture has no namesake or another size.
    """
    for folder in (clean_folder, degraded_folder):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; pairs are two folders with the same names")
    clean, degraded = _by_name(clean_folder), _by_name(degraded_folder)
    alone = sorted(clean.keys() ^ degraded.keys())
    if alone:
        file = clean.get(alone[0]) or degraded[alone[0]]
        other = degraded_folder if alone[0] in clean else clean_folder
        raise UserError(f"{file}: has no picture of the same name in {other}")
    if not clean:
        raise UserError(f"{clean_folder}: no images; expected pictures of the same names as in {degraded_folder}")
    images: list[np.ndarray] = []
    for name, path in clean.items():
        sides = [read_clean(file, channels=channels, smallest_side=smallest_side) for file in (path, degraded[name])]
        if sides[0].shape != sides[1].shape:
            sizes = ["x".join(map(str, side.shape[1::-1])) for side in sides]
            raise UserError(f"{degraded[name]}: {sizes[1]} pixels, but {path} has {sizes[0]}; pairs have one size")
        images.append(np.concatenate(sides, axis=2))
    return LoadedImages(names=tuple(map(str, clean.values())), images=tuple(images), warnings=())


def _by_name(folder: Path) -> dict[str, Path]:
    files = [file for file in files_of(str(folder)) if is_image_file(file)]
    found = {str(file.relative_to(folder).with_suffix("")): file for file in files}
    if len(found) < len(files):
        twice = next(file for file in files if found[str(file.relative_to(folder).with_suffix(""))] != file)
        raise UserError(f"{twice}: two pictures of this name; pairs are found by names without endings")
    return found
