"""Settings of a training that depend on what the network is for, where a person gives none."""

from dataclasses import dataclass
from pathlib import Path

from ..genotype import read_genotype
from ..tasks.registry import usual_ssim_weight

_CROP = 64
"""Pixels of what a network is given."""


@dataclass(frozen=True, kw_only=True)
class UsualSettings:
    """As in `TrainingSettings`."""

    crop: int
    ssim_weight: float


def usual_settings(genotype: Path) -> UsualSettings:
    """Those for the network of a genotype file; UserError where it cannot be read."""
    task = read_genotype(genotype).task
    return UsualSettings(crop=_CROP * task.network_input().picture_scale, ssim_weight=usual_ssim_weight(task.name))
