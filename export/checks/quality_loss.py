"""PSNR and SSIM that a model loses against another one on the same degraded images, and the record kept of it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from ...network_input import NetworkInput
from ...search.learning.losses import ssim
from ...search.learning.metrics import psnr_db
from ...search.tasks.interface import Task
from ..graph.onnx_from_network import feeds_of
from .check_images import CheckImage
from .model_runs import ModelRun


@dataclass(frozen=True, kw_only=True)
class CaseLoss:
    """Means over the images under one case; a gain is negative."""

    case: str
    """Its name, such as `sigma 25`."""
    psnr_db: float
    """Of the reduced model, standard protocol: output clipped to 0..1 and not rounded."""
    psnr_lost_db: float
    ssim_lost: float


@dataclass(frozen=True, kw_only=True)
class WorstImage:
    """Where most was lost."""

    image: str
    case: str
    psnr_lost_db: float


@dataclass(frozen=True, kw_only=True)
class QualityLoss:
    """What a model loses; infinite where its output is not finite."""

    by_case: tuple[CaseLoss, ...]
    worst: WorstImage

    @property
    def largest(self) -> CaseLoss:
        """The case under which most PSNR is lost."""
        return max(self.by_case, key=lambda loss: loss.psnr_lost_db)

    def rounded(self) -> "QualityLoss":
        """To what matters: the last digits hang on the number of threads."""
        by_case = [
            replace(
                item,
                psnr_db=_rounded(item.psnr_db, 4),
                psnr_lost_db=_rounded(item.psnr_lost_db, 4),
                ssim_lost=_rounded(item.ssim_lost, 5),
            )
            for item in self.by_case
        ]
        worst = replace(self.worst, psnr_lost_db=_rounded(self.worst.psnr_lost_db, 4))
        return QualityLoss(by_case=tuple(by_case), worst=worst)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What the accuracy gate measured. No date: the same export gives the same bytes."""

    images: tuple[str, ...]
    """File names, in the order of the degradation that each was given."""
    losses: tuple[CaseLoss, ...]
    """Against the plain fp32 model, under each case."""
    worst: WorstImage
    max_drop_db: float
    """What was allowed to be lost under each case."""
    kept_fp32: tuple[str, ...]
    """The nodes that had to stay in fp32, the one that cost most first."""
    engine: str
    """What ran the model: library, version, precision."""
    given_up: Mapping[str, str] = field(default_factory=dict[str, str])
    """Faster arithmetics of the floating-point layers that did not pass, and what the model loses in each."""

    def to_json(self) -> str:
        """The text in the model file."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        given = json.loads(text)
        return cls(
            images=tuple(given["images"]),
            losses=tuple(CaseLoss(**item) for item in given["losses"]),
            worst=WorstImage(**given["worst"]),
            max_drop_db=given["max_drop_db"],
            kept_fp32=tuple(given["kept_fp32"]),
            engine=given["engine"],
            given_up=given.get("given_up", {}),
        )

    def to_rows(self) -> dict[str, str]:
        """Lines to read, by their headings."""
        rows = {
            f"lost at {item.case}": f"{item.psnr_lost_db:.4f} dB, SSIM {item.ssim_lost:.5f}, "
            f"of {len(self.images)} images (limit {self.max_drop_db:g} dB)"
            for item in self.losses
        }
        worst = f"{self.worst.psnr_lost_db:.4f} dB, {self.worst.image} at {self.worst.case}"
        refused = {f"not in {arithmetic}": found for arithmetic, found in self.given_up.items()}
        return rows | {"lost most": worst, "checked in": self.engine} | refused


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A degraded image, and how well the fp32 model restores it."""

    image: CheckImage
    restored: NDArray[np.float32]
    psnr_db: float
    ssim: float


def references(run: ModelRun, images: Sequence[CheckImage], *, task: Task, given: NetworkInput) -> list[Reference]:
    """Restore every image with the fp32 model."""
    made = []
    for image in images:
        restored = run(feeds_of(image.example, given))
        found_db, found_ssim = _scores(restored, image, task)
        made.append(Reference(image=image, restored=restored, psnr_db=found_db, ssim=found_ssim))
    return made


def quality_loss(run: ModelRun, against: Sequence[Reference], *, task: Task, given: NetworkInput) -> QualityLoss:
    """Restore the same images with another model and compare."""
    scores = [_scores(run(feeds_of(item.image.example, given)), item.image, task) for item in against]
    lost = [(item.psnr_db - db, item.ssim - similarity) for item, (db, similarity) in zip(against, scores, strict=True)]
    by_case = []
    for case in dict.fromkeys(item.image.case for item in against):
        own = [index for index, item in enumerate(against) if item.image.case == case]
        by_case.append(
            CaseLoss(
                case=case.name,
                psnr_db=float(np.mean([scores[index][0] for index in own])),
                psnr_lost_db=float(np.mean([lost[index][0] for index in own])),
                ssim_lost=float(np.mean([lost[index][1] for index in own])),
            )
        )
    worst = max(range(len(against)), key=lambda index: lost[index][0])
    image = against[worst].image
    return QualityLoss(
        by_case=tuple(by_case),
        worst=WorstImage(image=image.image, case=image.case.name, psnr_lost_db=lost[worst][0]),
    )


def _rounded(number: float, digits: int) -> float:
    return round(number, digits) + 0.0  # no negative zero


def _scores(restored: NDArray[np.float32], image: CheckImage, task: Task) -> tuple[float, float]:
    """(PSNR in dB, SSIM); minus infinity for what is not finite."""
    if not np.isfinite(restored).all():
        return -math.inf, -math.inf
    output = torch.from_numpy(np.clip(restored, 0, 1)).double()
    output, truth = task.compared(output, torch.from_numpy(image.example.clean_BCHW).double())
    return psnr_db(output, truth), ssim(output, truth).item()
