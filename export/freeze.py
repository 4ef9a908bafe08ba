"""The export as one flow: genotype and weights -> folded network -> ONNX -> rewrites -> precision -> bytes, report."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from torch import nn

from ..atomic_files import written_whole
from ..errors import UserError
from ..runtime.model.manifest import ModelManifest, Precision
from ..search.genotype import Genotype
from ..search.learning.weights import load_weights
from ..search.spaces.interface import Geometry
from .checks.accuracy_gate import Candidate, Gate, passed
from .checks.check_numerics import check_numerics, checked_feeds, largest_difference, probed_halo
from .checks.model_runs import opened, opened_in_onnxruntime, runnable
from .graph.fold_batchnorm import with_folded_batchnorm
from .graph.graph_cost import cost_of_graph
from .graph.model_interface import FOR_THE_RUNTIME, ModelInterface, with_interface
from .graph.onnx_from_network import onnx_from_network
from .precisions.table import Calibration, reduction_for
from .report import ExportReport
from .rewrites.optimise import optimised
from .targets import Target


@dataclass(frozen=True, kw_only=True)
class PlainExport:
    """A network as `torch.onnx.export` writes it, and what the finished model will say of itself."""

    model: onnx.ModelProto
    network: nn.Module
    """As it was trained, in evaluation mode: the reference of the parity check."""
    genotype: Genotype
    geometry: Geometry
    """Halo and alignment; the halo is confirmed by a probe."""
    training: dict[str, Any] | None
    """The weights' record of their training; None: random weights."""

    @property
    def conditioned(self) -> bool:
        """Whether the network takes the noise level."""
        return self.genotype.network.conditioning_range is not None

    @property
    def sigma_range(self) -> tuple[float, float] | None:
        """The levels the weights were trained for; without a record, the levels the genotype was made for."""
        recorded = (self.training or {}).get("settings", {}).get("sigma_range")
        if recorded is None:
            return self.genotype.network.conditioning_range
        try:
            low, high = recorded
            return float(low), float(high)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"the weights' record of their sigma range is {recorded!r}, expected two numbers"
            ) from error


def plain_export(genotype: Genotype, weights: Path | None) -> PlainExport:
    """Export a genotype with trained weights (`None`: random ones, for timing only), nothing rewritten yet.

    Raises UserError where the weights do not fit.
    """
    channels = genotype.task.channels
    network = genotype.built().eval()
    training = None if weights is None else load_weights(network, weights, identity=genotype.identity)
    conditioned = genotype.network.conditioning_range is not None
    place = genotype.geometry
    folded = with_folded_batchnorm(network)
    probed = probed_halo(folded, channels=channels, alignment=place.alignment, halo=place.halo, conditioned=conditioned)
    if probed != place.halo:
        raise RuntimeError(f"{genotype.identity}: computed halo {place.halo} px, the probe found {probed} px")
    model = onnx_from_network(folded, channels=channels, alignment=place.alignment, conditioned=conditioned)
    return PlainExport(model=model, network=network, genotype=genotype, geometry=place, training=training)


def finished_model(
    plain: PlainExport,
    target: Target,
    precision: Precision = "fp32",
    gate: Gate | None = None,
    calibration: Calibration = (),
    interface: ModelInterface = FOR_THE_RUNTIME,
) -> tuple[bytes, ExportReport]:
    """Rewrite a plain export for a target, check the result, write it in a precision and let it describe itself.

    Without a gate nobody knows what the precision costs. Raises UserError where the model does not do what the network
    does, or does not pass the gate.
    """
    genotype, training = plain.genotype, plain.training or {}
    feeding = {
        "channels": genotype.task.channels,
        "alignment": plain.geometry.alignment,
        "sigma_range": plain.sigma_range,
    }
    full, rewrites = optimised(plain.model, target, precision)
    parity = check_numerics(full, plain.network, **feeding)
    candidate = Candidate(
        model=full,
        precision=precision,
        target=target,
        reduction=reduction_for(precision, target, full, calibration),
    )
    model, certificate = (candidate.written(()), None) if gate is None else passed(candidate, gate)
    kept = tuple(sorted(candidate.reduction.always_kept)) if certificate is None else certificate.kept_fp32
    difference = None
    if precision != "fp32":
        feeds = [item for _, item in checked_feeds(**feeding, conditioned=plain.conditioned)]
        run = opened(model, precision, target).run
        difference = largest_difference(run, opened_in_onnxruntime(full), feeds)
    model = with_interface(
        model,
        interface,
        alignment=plain.geometry.alignment,
        runnable=partial(runnable, precision=precision, target=target),
    )
    manifest = ModelManifest(
        channels=genotype.task.channels,
        scale=genotype.task.scale,
        halo=plain.geometry.halo,
        alignment=plain.geometry.alignment,
        conditioned=plain.conditioned,
        sigma_range=plain.sigma_range,
        precision=precision,
        io=interface.io,
        weights="random" if plain.training is None else "trained",
        genotype=json.dumps(json.loads(genotype.to_json()), separators=(",", ":")),
        training=json.dumps(training, separators=(",", ":"), sort_keys=True),
        certificate=None if certificate is None else certificate.to_json(),
    )
    onnx.helper.set_model_props(model, manifest.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    report = ExportReport(
        genotype_id=genotype.identity,
        weights=manifest.weights,
        target=target,
        precision=precision,
        opset=next(item.version for item in model.opset_import if item.domain == ""),
        cost=cost_of_graph(plain.model),
        rewrites=rewrites,
        halo=plain.geometry.halo,
        alignment=plain.geometry.alignment,
        interface=interface,
        file_bytes=len(content),
        parity=parity,
        difference_from_fp32=difference,
        kept_fp32=kept,
        certificate=certificate,
    )
    return content, report


def frozen_model(genotype: Genotype, weights: Path | None, target: Target = "ort") -> tuple[bytes, ExportReport]:
    """Freeze a genotype with trained weights (`None`: random ones, for timing only) in fp32 and check the result.

    Raises UserError where the weights do not fit or the exported model does not do what the network does.
    """
    return finished_model(plain_export(genotype, weights), target)


def write_export(content: bytes, report: ExportReport, path: Path) -> Path:
    """Write the model and, beside it, its report; returns the report's path."""
    report_path = path.with_suffix(".report.json")
    with written_whole(path) as model_file, written_whole(report_path) as report_file:
        model_file.write_bytes(content)
        report_file.write_text(report.to_json(), encoding="utf-8")
    return report_path
