"""The export as one flow: genotype and weights -> folded network -> ONNX -> rewrites -> precision -> bytes, report."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from torch import nn

from ..atomic_files import written_whole
from ..errors import UserError
from ..network_input import NetworkInput
from ..runtime.model.manifest import ModelManifest, Precision
from ..search.genotype import Genotype
from ..search.learning.weights import load_weights
from ..search.spaces.interface import Geometry
from ..search.tasks.interface import Task, TaskOptions
from ..search.tasks.registry import configured_task
from .checks.accuracy_gate import Gate, PrecisionTrial, passed
from .checks.check_numerics import check_numerics, checked_feeds, largest_difference, probed_halo
from .checks.model_runs import opened, opened_in_onnxruntime, runnable_as_written
from .export_report import ExportReport, Report
from .graph.graph_cost import cost_of_graph
from .graph.onnx_from_network import onnx_from_network, with_folded_batchnorm, with_folded_branches
from .graph.self_describing import self_describing
from .graph.trainable_again import entries_for_training
from .graph.variants import FOR_THE_RUNTIME, ModelInterface, Target
from .precisions.table import CalibrationInputs, reduction_for
from .rewrites.optimise import optimised


@dataclass(frozen=True, kw_only=True)
class PlainExport:
    """A network as `torch.onnx.export` writes it, and what the finished model will say of itself."""

    model: onnx.ModelProto
    network: nn.Module
    """As it was trained, in evaluation mode: the reference of the parity check."""
    genotype: Genotype
    geometry: Geometry
    """Halo, confirmed by a probe where tiling is exact, and alignment."""
    training: dict[str, Any] | None
    """The weights' record of their training; None: random weights."""

    @property
    def given(self) -> NetworkInput:
        """What the network takes; the strengths are those it was trained for."""
        described = self.genotype.network_input
        return replace(described, level_range=self.trained_range) if described.conditioned else described

    @property
    def task(self) -> Task:
        """What the network is for, over the strengths it was trained for."""
        described = self.genotype.task
        return configured_task(described.name, TaskOptions(scale=described.scale, level_range=self.trained_range))

    @property
    def trained_range(self) -> tuple[float, float] | None:
        """The strengths the weights were trained for, in grey levels; without a record, those the genotype is for."""
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
    network = genotype.built().eval()
    training = None if weights is None else load_weights(network, weights, identity=genotype.identity)
    place, given = genotype.geometry, genotype.network_input
    folded = with_folded_batchnorm(with_folded_branches(network))
    if place.tiling == "exact":
        probed = probed_halo(folded, given, halo=place.halo)
        if probed > place.halo or (place.reach == "halo" and probed < place.halo):
            raise RuntimeError(f"{genotype.identity}: computed halo {place.halo} px, the probe found {probed} px")
    model = onnx_from_network(folded, given)
    return PlainExport(model=model, network=network, genotype=genotype, geometry=place, training=training)


def finished_model(
    plain: PlainExport,
    target: Target,
    precision: Precision = "fp32",
    gate: Gate | None = None,
    calibration: CalibrationInputs = (),
    interface: ModelInterface = FOR_THE_RUNTIME,
) -> tuple[bytes, ExportReport]:
    """Rewrite a plain export for a target, check the result, write it in a precision and let it describe itself.

    Without a gate nobody knows what the precision costs. Raises UserError where the model does not do what the network
    does, or does not pass the gate.
    """
    genotype, given = plain.genotype, plain.given
    full, rewrites = optimised(plain.model, target, precision)
    parity = check_numerics(full, plain.network, given)
    trial = PrecisionTrial(
        model=full,
        precision=precision,
        target=target,
        reduction=reduction_for(precision, target, full, calibration),
    )
    through = None if gate is None else passed(trial, gate)
    model = trial.written(()) if through is None else through.model
    certificate, floating = (None, None) if through is None else (through.certificate, through.floating)
    kept = tuple(sorted(trial.reduction.always_kept)) if certificate is None else certificate.kept_fp32
    difference = None
    if precision != "fp32":
        feeds = [item for _, item in checked_feeds(given)]
        run = opened(model, precision, target, floating).run
        difference = largest_difference(run, opened_in_onnxruntime(full), feeds)
    manifest = ModelManifest(
        channels=given.channels,
        scale=given.scale,
        task=genotype.task.name,
        halo=plain.geometry.halo,
        alignment=given.alignment,
        tiling=plain.geometry.tiling,
        conditioned=given.conditioned,
        sigma_range=plain.trained_range,
        precision=precision,
        float_arithmetic=floating,
        io=interface.io,
        weights="random" if plain.training is None else "trained",
        genotype=json.dumps(json.loads(genotype.to_json()), separators=(",", ":")),
        training=json.dumps(plain.training or {}, separators=(",", ":"), sort_keys=True),
        certificate=None if certificate is None else certificate.to_json(),
    )
    more = entries_for_training(model, plain.network) if precision == "fp32" and plain.training is not None else {}
    runnable = partial(runnable_as_written, precision=precision)
    content = self_describing(model, manifest, given, interface, runnable, more)
    report = ExportReport(
        genotype_id=genotype.identity,
        weights=manifest.weights,
        target=target,
        precision=precision,
        opset=next(item.version for item in model.opset_import if item.domain == ""),
        cost=cost_of_graph(plain.model),
        rewrites=rewrites,
        halo=plain.geometry.halo,
        tiling=plain.geometry.tiling,
        reach=plain.geometry.reach,
        alignment=given.alignment,
        interface=interface,
        sigma_range=plain.trained_range if given.conditioned else None,
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


def write_export(content: bytes, report: Report, path: Path) -> Path:
    """Write the model and, beside it, its report; returns the report's path."""
    report_path = path.with_suffix(".report.json")
    with written_whole(path) as model_file, written_whole(report_path) as report_file:
        model_file.write_bytes(content)
        report_file.write_text(report.to_json(), encoding="utf-8")
    return report_path
