"""The export as one flow: genotype and weights -> folded network -> ONNX -> rewrites -> checks -> bytes and report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from torch import nn

from ..atomic_files import written_whole
from ..errors import UserError
from ..runtime.manifest import ModelManifest
from ..search.genotype import Genotype
from ..search.spaces.interface import Geometry
from ..search.spaces.registry import build_network, geometry
from ..search.weights import load_weights
from .check_numerics import check_numerics, probed_halo
from .fold_batchnorm import with_folded_batchnorm
from .graph_cost import cost_of_graph
from .model_interface import FOR_THE_RUNTIME, ModelInterface, with_interface
from .onnx_from_network import OPSET, onnx_from_network
from .optimise import optimised
from .report import ExportReport
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


def plain_export(genotype: Genotype, weights: Path | None) -> PlainExport:
    """Export a genotype with trained weights (`None`: random ones, for timing only), nothing rewritten yet.

    Raises UserError where the weights do not fit.
    """
    channels = genotype.task.channels
    network = build_network(genotype.space, genotype.network, channels).eval()
    training = None if weights is None else load_weights(network, weights, identity=genotype.identity)
    conditioned = genotype.network.conditioning_range is not None
    place = geometry(genotype.space, genotype.network)
    folded = with_folded_batchnorm(network)
    probed = probed_halo(folded, channels=channels, alignment=place.alignment, halo=place.halo, conditioned=conditioned)
    if probed != place.halo:
        raise RuntimeError(f"{genotype.identity}: computed halo {place.halo} px, the probe found {probed} px")
    model = onnx_from_network(folded, channels=channels, alignment=place.alignment, conditioned=conditioned)
    return PlainExport(model=model, network=network, genotype=genotype, geometry=place, training=training)


def finished_model(
    plain: PlainExport, target: Target, interface: ModelInterface = FOR_THE_RUNTIME
) -> tuple[bytes, ExportReport]:
    """Rewrite a plain export for a target, check the result, give it its interface and let it describe itself.

    Raises UserError where the model does not do what the network does.
    """
    genotype, training = plain.genotype, plain.training or {}
    channels, alignment = genotype.task.channels, plain.geometry.alignment
    sigma_range = _sigma_range(training, genotype.network.conditioning_range)
    model, rewrites = optimised(plain.model, target)
    parity = check_numerics(model, plain.network, channels=channels, alignment=alignment, sigma_range=sigma_range)
    model = with_interface(model, interface, alignment=alignment)
    manifest = ModelManifest(
        channels=channels,
        scale=genotype.task.scale,
        halo=plain.geometry.halo,
        alignment=alignment,
        conditioned=genotype.network.conditioning_range is not None,
        sigma_range=sigma_range,
        io=interface.io,
        weights="random" if plain.training is None else "trained",
        genotype=json.dumps(json.loads(genotype.to_json()), separators=(",", ":")),
        training=json.dumps(training, separators=(",", ":"), sort_keys=True),
    )
    onnx.helper.set_model_props(model, manifest.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    report = ExportReport(
        genotype_id=genotype.identity,
        weights=manifest.weights,
        target=target,
        opset=OPSET,
        cost=cost_of_graph(plain.model),
        rewrites=rewrites,
        halo=plain.geometry.halo,
        alignment=alignment,
        interface=interface,
        file_bytes=len(content),
        parity=parity,
    )
    return content, report


def frozen_model(genotype: Genotype, weights: Path | None, target: Target = "ort") -> tuple[bytes, ExportReport]:
    """Freeze a genotype with trained weights (`None`: random ones, for timing only) and check the result.

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


def _sigma_range(training: dict[str, Any], conditioning: tuple[float, float] | None) -> tuple[float, float] | None:
    """The levels the weights were trained for; without a record, the levels the genotype was made for."""
    recorded = training.get("settings", {}).get("sigma_range")
    if recorded is None:
        return conditioning
    try:
        low, high = recorded
        return float(low), float(high)
    except (TypeError, ValueError) as error:
        raise UserError(f"the weights' record of their sigma range is {recorded!r}, expected two numbers") from error
