"""The accuracy gate: a precision passes where it denoises real images as well as fp32 does, up to a limit.

Where it does not, the layers that cost most stay in fp32: one, then two, four and so on, up to half of the
multiply-adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from ...errors import UserError
from ...runtime.model.manifest import Precision
from ..graph.graph_cost import macs_of_layers
from ..precisions.table import Reduction
from ..targets import Target
from .certificate import Certificate
from .check_images import NoisyImage
from .model_runs import Engine, Run, opened, opened_in_onnxruntime, value_not_finite
from .quality_loss import QualityLoss, Reference, feeds_of, quality_loss, references

_RANKING_IMAGES = 4
_RANKING_SIDE = 128
_MOST_KEPT = 0.5
"""Of the multiply-adds: with more of them in fp32 the precision is not worth its name."""


class TooMuchLostError(UserError):
    """A precision did not pass; others may."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What every model of a run is held to."""

    references: tuple[Reference, ...]
    """Noisy images as the plain fp32 export denoises them."""
    max_drop_db: float
    """What may be lost at each noise level, mean over the images."""
    conditioned: bool

    def loss(self, run: Run) -> QualityLoss:
        """What a model loses."""
        return quality_loss(run, self.references, conditioned=self.conditioned)

    def is_passed_by(self, loss: QualityLoss) -> bool:
        """Whether that is little enough; what is not a number is not."""
        return all(item.psnr_lost_db <= self.max_drop_db for item in loss.by_sigma)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that is to be written in a precision for a target."""

    model: onnx.ModelProto
    """In fp32, rewritten for the target."""
    precision: Precision
    target: Target
    reduction: Reduction

    def written(self, keep: Sequence[str]) -> onnx.ModelProto:
        """The model in its precision, some nodes kept in fp32."""
        return self.reduction.write(self.model, frozenset(keep))

    def opened(self, keep: Sequence[str]) -> Engine:
        """The same, made ready to run."""
        return opened(self.written(keep), self.precision, self.target)


def gate_for(plain: onnx.ModelProto, images: Sequence[NoisyImage], *, max_drop_db: float, conditioned: bool) -> Gate:
    """Denoise the images with the plain fp32 export; UserError where its output is not finite."""
    made = references(opened_in_onnxruntime(plain), images, conditioned=conditioned)
    for item in made:
        if not np.isfinite(item.denoised).all():
            raise UserError(f"--check: the fp32 model's output for {item.image.image} is not finite; train it anew")
    return Gate(references=tuple(made), max_drop_db=max_drop_db, conditioned=conditioned)


def passed(candidate: Candidate, gate: Gate) -> tuple[onnx.ModelProto, Certificate]:
    """The model in its precision with as many layers kept in fp32 as it takes, and what it then loses.

    Raises TooMuchLostError where it loses too much all the same.
    """
    kept: list[str] = []
    loss = gate.loss(candidate.opened(kept).run)
    if not gate.is_passed_by(loss) and candidate.reduction.keeps_layers:
        ranked = _ranked_layers(candidate, gate, loss.largest.sigma)
        while not gate.is_passed_by(loss) and len(kept) < len(ranked):
            kept = ranked[: max(1, 2 * len(kept))]
            loss = gate.loss(candidate.opened(kept).run)
    if not gate.is_passed_by(loss):
        raise TooMuchLostError(_failure(candidate, gate, loss, kept))
    model = candidate.written(kept)
    inputs = (feeds_of(_cut(item.image), conditioned=gate.conditioned) for item in gate.references)
    if hidden := value_not_finite(model, candidate.precision, candidate.target, inputs):
        raise TooMuchLostError(
            f"--check: in {candidate.precision} for {candidate.target} the value {hidden} inside the model is not "
            "finite; nothing was written for it"
        )
    certificate = Certificate(
        images=tuple(dict.fromkeys(item.image.image for item in gate.references)),
        losses=loss.rounded().by_sigma,
        worst=loss.rounded().worst,
        max_drop_db=gate.max_drop_db,
        kept_fp32=(*sorted(candidate.reduction.always_kept), *kept),
        engine=candidate.opened(kept).description,
    )
    return model, certificate


def _ranked_layers(candidate: Candidate, gate: Gate, sigma: float) -> list[str]:
    """The layers that may stay in fp32, the one first that alone in the precision moves the output most."""
    macs = {
        name: macs
        for name, macs in macs_of_layers(candidate.model).items()
        if name not in candidate.reduction.always_kept
    }
    images = [_cut(item.image) for item in gate.references if item.image.sigma == sigma][:_RANKING_IMAGES]
    feeds = [feeds_of(image, conditioned=gate.conditioned) for image in images]
    full = opened_in_onnxruntime(candidate.model)
    expected = [full(item) for item in feeds]

    def error(layer: str) -> float:
        run = candidate.opened([name for name in macs if name != layer]).run
        found = float(
            np.mean([np.mean((run(item) - wanted) ** 2) for item, wanted in zip(feeds, expected, strict=True)])
        )
        return found if np.isfinite(found) else np.inf

    errors = {layer: error(layer) for layer in macs}
    ranked = sorted(macs, key=lambda layer: -errors[layer])
    share = np.cumsum([macs[layer] for layer in ranked]) / sum(macs.values())
    return ranked[: int(np.searchsorted(share, _MOST_KEPT, side="right"))]


def _cut(image: NoisyImage) -> NoisyImage:
    """Its corner: the ranking needs less to look at. The sides stay multiples of the alignment, a power of two."""
    return replace(image, noisy=np.ascontiguousarray(image.noisy[:, :, :_RANKING_SIDE, :_RANKING_SIDE]))


def _failure(candidate: Candidate, gate: Gate, loss: QualityLoss, kept: Sequence[str]) -> str:
    largest = loss.largest
    lost = f"{largest.psnr_lost_db:.3f} dB" if np.isfinite(largest.psnr_lost_db) else "all: its output is not finite"
    though = f", with {len(kept)} layers kept in fp32" if kept else ""
    return (
        f"--check: {candidate.precision} for {candidate.target} loses at sigma {largest.sigma:g} {lost}{though}; "
        f"--max-drop allows {gate.max_drop_db:g} dB; nothing was written for it"
    )
