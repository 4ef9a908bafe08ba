"""The export as one flow: genotype and weights -> folded network -> ONNX -> checks -> manifest -> bytes and report."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from ..atomic_files import written_whole
from ..errors import UserError
from ..runtime.manifest import ModelManifest
from ..search.genotype import Genotype
from ..search.spaces.registry import build_network, geometry
from ..search.weights import load_weights
from .check_numerics import NumericsReport, check_numerics, probed_halo
from .fold_batchnorm import with_folded_batchnorm
from .graph_cost import GraphCost, cost_of_graph
from .onnx_from_network import OPSET, onnx_from_network


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What `model.report.json` says: what was built and what was checked."""

    genotype_id: str
    weights: str
    opset: int
    cost: GraphCost
    halo: int
    """Receptive-field radius in pixels; computed from the genotype, confirmed by a probe of the network."""
    alignment: int
    file_bytes: int
    parity: NumericsReport
    """The model in ONNX Runtime against torch; batch norms were folded in the model alone."""

    def to_json(self) -> str:
        """The report file's text."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def to_table(self) -> str:
        """The report as lines for a person."""
        rows = {
            "genotype": self.genotype_id,
            "weights": self.weights,
            "parameters": f"{self.cost.parameters:,}",
            "multiply-adds per pixel": f"{self.cost.macs_per_pixel:,.0f}",
            "halo": f"{self.halo} px, confirmed by a probe",
            "alignment": f"{self.alignment} px",
            "file": f"{self.file_bytes:,} bytes, opset {self.opset}",
            "largest difference from torch": f"{self.parity.largest_difference:.1e} "
            f"over {len(self.parity.sizes)} sizes (limit {self.parity.tolerance:.0e})",
        }
        wide = max(map(len, rows))
        return "\n".join(f"{name:<{wide}}  {value}" for name, value in rows.items())


def frozen_model(genotype: Genotype, weights: Path | None) -> tuple[bytes, ExportReport]:
    """Freeze a genotype with trained weights (`None`: random ones, for timing only) and check the result.

    Raises UserError where the weights do not fit or the exported model does not do what the network does.
    """
    channels = genotype.task.channels
    network = build_network(genotype.space, genotype.network, channels).eval()
    training: dict[str, Any] = {}
    if weights is not None:
        training = load_weights(network, weights, identity=genotype.identity)
    conditioned = genotype.network.conditioning_range is not None
    sigma_range = _sigma_range(training, genotype.network.conditioning_range)
    place = geometry(genotype.space, genotype.network)

    folded = with_folded_batchnorm(network)
    probed = probed_halo(folded, channels=channels, alignment=place.alignment, halo=place.halo, conditioned=conditioned)
    if probed != place.halo:
        raise RuntimeError(f"{genotype.identity}: computed halo {place.halo} px, the probe found {probed} px")
    model = onnx_from_network(folded, channels=channels, alignment=place.alignment, conditioned=conditioned)
    parity = check_numerics(model, network, channels=channels, alignment=place.alignment, sigma_range=sigma_range)
    manifest = ModelManifest(
        channels=channels,
        scale=genotype.task.scale,
        halo=place.halo,
        alignment=place.alignment,
        conditioned=conditioned,
        sigma_range=sigma_range,
        weights="random" if weights is None else "trained",
        genotype=json.dumps(json.loads(genotype.to_json()), separators=(",", ":")),
        training=json.dumps(training, separators=(",", ":"), sort_keys=True),
    )
    onnx.helper.set_model_props(model, manifest.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    report = ExportReport(
        genotype_id=genotype.identity,
        weights=manifest.weights,
        opset=OPSET,
        cost=cost_of_graph(model),
        halo=place.halo,
        alignment=place.alignment,
        file_bytes=len(content),
        parity=parity,
    )
    return content, report


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
