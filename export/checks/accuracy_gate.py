"""The accuracy gate: a precision passes where it restores real images as well as fp32 does, up to a limit.

Where it does not, the layers that cost most stay in fp32: one, then two, four and so on, up to half of the
multiply-adds of the layers that may stay; then as many fewer as still pass. Where an engine may compute what is kept in
bf16, that is tried first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from ...errors import UserError
from ...network_input import NetworkInput
from ...runtime.model.manifest import FloatArithmetic, Precision
from ...search.tasks.interface import Example, Task
from ..graph.graph_cost import macs_of_layers
from ..graph.onnx_from_network import feeds_of
from ..graph.variants import Target
from ..precisions.table import Reduction, kept_in
from .check_images import CheckImage
from .model_runs import CheckingEngine, ModelRun, float_arithmetics, opened, opened_in_onnxruntime, value_not_finite
from .quality_loss import Certificate, QualityLoss, Reference, quality_loss, references

_RANKING_IMAGES = 4
_RANKING_SIDE = 128
_MOST_KEPT = 0.5
"""Of the multiply-adds of those layers that are not in fp32 from the start: with more of them in fp32 the precision is
not worth its name."""


class TooMuchLostError(UserError):
    """A precision did not pass; others may. `found` is what it loses, or has that is not finite."""

    def __init__(self, trial: "PrecisionTrial", found: str, but: str = "") -> None:
        super().__init__(f"--check: {trial.precision} for {trial.target} {found}; {but}nothing was written for it")
        self.found = found


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What every model of a run is held to."""

    references: tuple[Reference, ...]
    """Degraded images as the plain fp32 export restores them."""
    max_drop_db: float
    """What may be lost under each case, mean over the images."""
    task: Task
    given: NetworkInput

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images, each once; images of several folders may have one name."""
        first_case = self.references[0].image.case
        return tuple(item.image.image for item in self.references if item.image.case == first_case)

    def loss(self, run: ModelRun) -> QualityLoss:
        """What a model loses."""
        return quality_loss(run, self.references, task=self.task, given=self.given)

    def is_passed_by(self, loss: QualityLoss) -> bool:
        """Whether that is little enough; what is not a number is not."""
        return all(item.psnr_lost_db <= self.max_drop_db for item in loss.by_case)


@dataclass(frozen=True, kw_only=True)
class PrecisionTrial:
    """A finished fp32 model, and the precision that is tried on it."""

    model: onnx.ModelProto
    """In fp32, rewritten for the target."""
    precision: Precision
    target: Target
    reduction: Reduction
    floating: FloatArithmetic | None = None
    """What the floating-point layers are computed in; None: as the runtime chooses."""

    def written(self, keep: Sequence[str]) -> onnx.ModelProto:
        """The model in its precision, some nodes kept in fp32."""
        return self.reduction.write(self.model, frozenset(keep))

    def opened(self, keep: Sequence[str]) -> CheckingEngine:
        """The same, made ready to run."""
        return opened(self.written(keep), self.precision, self.target, self.floating)


def gate_for(
    plain: onnx.ModelProto, images: Sequence[CheckImage], *, max_drop_db: float, task: Task, given: NetworkInput
) -> Gate:
    """Restore the images with the plain fp32 export; UserError where its output is not finite."""
    made = references(opened_in_onnxruntime(plain), images, task=task, given=given)
    for item in made:
        if not np.isfinite(item.restored).all():
            raise UserError(f"--check: the fp32 model's output for {item.image.image} is not finite; train it anew")
    return Gate(references=tuple(made), max_drop_db=max_drop_db, task=task, given=given)


@dataclass(frozen=True, kw_only=True)
class PassedModel:
    """A model in its precision, with as many layers kept in fp32 as it took."""

    model: onnx.ModelProto
    certificate: Certificate
    floating: FloatArithmetic | None
    """What its floating-point layers were computed in, where the target has a choice."""


def passed(trial: PrecisionTrial, gate: Gate) -> PassedModel:
    """The model in its precision, its floating-point layers in the fastest arithmetic that passes.

    Raises TooMuchLostError where it loses too much in all of them.
    """
    *faster, exact = float_arithmetics(trial.precision, trial.target)
    given_up: dict[str, str] = {}
    for floating in faster:
        try:
            return _passed_in(replace(trial, floating=floating), gate)
        except TooMuchLostError as error:
            given_up[str(floating)] = error.found
    through = _passed_in(replace(trial, floating=exact), gate)
    return replace(through, certificate=replace(through.certificate, given_up=given_up))


def _passed_in(trial: PrecisionTrial, gate: Gate) -> PassedModel:
    """With as many layers kept in fp32 as it takes; TooMuchLostError where it loses too much all the same."""
    kept: list[str] = []
    loss = gate.loss(trial.opened(kept).run)
    if not gate.is_passed_by(loss) and trial.reduction.keeps_layers:
        kept, loss = _with_layers_kept(trial, gate, _ranked_layers(trial, gate, loss.largest.case), loss)
    if not gate.is_passed_by(loss):
        raise TooMuchLostError(trial, _lost(trial, loss, kept), f"--max-drop allows {gate.max_drop_db:g} dB; ")
    model = trial.written(kept)
    inputs = (feeds_of(_cut(item.image.example, gate.given), gate.given) for item in gate.references)
    if hidden := value_not_finite(model, trial.precision, trial.target, inputs):
        raise TooMuchLostError(trial, f"has the value {hidden} inside, which is not finite")
    certificate = Certificate(
        images=gate.images,
        losses=loss.rounded().by_case,
        worst=loss.rounded().worst,
        max_drop_db=gate.max_drop_db,
        kept_fp32=(*sorted(trial.reduction.always_kept), *kept),
        engine=trial.opened(kept).description,
    )
    return PassedModel(model=model, certificate=certificate, floating=trial.floating)


def _with_layers_kept(
    trial: PrecisionTrial, gate: Gate, ranked: Sequence[str], loss: QualityLoss
) -> tuple[list[str], QualityLoss]:
    """The first of the ranked layers that have to stay for the gate to be passed, and what is lost then.

    All of them where none of the attempts passes. A passing number is found by doubling, and the fewest below it by
    halving what lies between, as if every layer more lost less.
    """
    too_few, enough = 0, 0
    while not gate.is_passed_by(loss) and enough < len(ranked):
        too_few, enough = enough, min(max(1, 2 * enough), len(ranked))
        loss = gate.loss(trial.opened(ranked[:enough]).run)
    while gate.is_passed_by(loss) and enough - too_few > 1:
        fewer = (too_few + enough) // 2
        loss_of_fewer = gate.loss(trial.opened(ranked[:fewer]).run)
        if gate.is_passed_by(loss_of_fewer):
            enough, loss = fewer, loss_of_fewer
        else:
            too_few = fewer
    return list(ranked[:enough]), loss


def _ranked_layers(trial: PrecisionTrial, gate: Gate, case: str) -> list[str]:
    """The layers that may stay in fp32, the one first that alone in the precision moves the output most."""
    macs = {name: macs for name, macs in macs_of_layers(trial.model).items() if name not in trial.reduction.always_kept}
    examples = [item.image.example for item in gate.references if item.image.case.name == case][:_RANKING_IMAGES]
    feeds = [feeds_of(_cut(example, gate.given), gate.given) for example in examples]
    full = opened_in_onnxruntime(trial.model)
    expected = [full(item) for item in feeds]

    def error(layer: str) -> float:
        run = trial.opened([name for name in macs if name != layer]).run
        found = float(
            np.mean([np.mean((run(item) - wanted) ** 2) for item, wanted in zip(feeds, expected, strict=True)])
        )
        return found if np.isfinite(found) else np.inf

    errors = {layer: error(layer) for layer in macs}
    ranked = sorted(macs, key=lambda layer: -errors[layer])
    share = np.cumsum([macs[layer] for layer in ranked]) / sum(macs.values())
    return ranked[: int(np.searchsorted(share, _MOST_KEPT, side="right"))]


def _cut(example: Example, given: NetworkInput) -> Example:
    """Its corner: the ranking needs less to look at. The clean image stays: only models are compared here."""
    side = max(_RANKING_SIDE // given.alignment, 1) * given.alignment
    return replace(example, degraded_BCHW=np.ascontiguousarray(example.degraded_BCHW[:, :, :side, :side]))


def _lost(trial: PrecisionTrial, loss: QualityLoss, kept: Sequence[str]) -> str:
    largest = loss.largest
    lost = f"{largest.psnr_lost_db:.3f} dB" if np.isfinite(largest.psnr_lost_db) else "all: its output is not finite"
    though = f", with {len(kept)} layers kept in {kept_in(trial.precision)}" if kept else ""
    return f"loses at {largest.case} {lost}{though}"
