"""What an export says of itself: what was built, what was rewritten, what was checked."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from ..runtime.model.manifest import Precision, Tiling
from ..search.spaces.interface import Reach
from .checks.check_numerics import NumericsReport
from .checks.quality_loss import Certificate
from .graph.graph_cost import GraphCost
from .graph.variants import ModelInterface, Target
from .precisions.table import kept_in
from .rewrites.measure_rewrites import Timing


class Report(Protocol):
    """What was built and checked, for a person or a machine."""

    def to_json(self) -> str:
        """One JSON document."""
        ...

    def to_table(self) -> str:
        """Lines to read."""
        ...


def _proof(tiling: Tiling, reach: Reach) -> str:
    if tiling == "exact":
        return "confirmed by a probe" if reach == "halo" else "a limit that a probe confirmed: the picture decides"
    return f"not exact: the network {'sees the whole image' if reach == 'halo' else 'looks as far as it has learnt to'}"


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What `model.report.json` says."""

    genotype_id: str
    weights: str
    target: Target
    """The engine the graph was rewritten for; every engine can run it."""
    precision: Precision
    opset: int
    cost: GraphCost
    """Of the network, before rewrites."""
    rewrites: Mapping[str, int]
    """In how many places each rewrite of the target applied, in order."""
    timings: tuple[Timing, ...] = ()
    """How fast the plain export and the model after each rewrite ran here; empty: not measured."""
    halo: int
    """Receptive-field radius in input pixels; computed from the genotype, confirmed by a probe of the network."""
    tiling: Tiling = "exact"
    """`approximate`: no halo is enough, and none was probed."""
    reach: Reach = "halo"
    """`up_to_halo`: the picture decides how far the network looks; a probe confirmed that it is no further."""
    alignment: int
    interface: ModelInterface
    """What the model takes and gives."""
    sigma_range: tuple[float, float] | None
    """The values of the input `sigma` it is made for, in grey levels 0..255; None: it has no such input."""
    file_bytes: int
    parity: NumericsReport
    """The rewritten model in fp32, in ONNX Runtime, against torch; batch norms were folded in the model alone."""
    difference_from_fp32: float | None = None
    """The largest of a reduced precision's outputs, on the same inputs; None: the model is in fp32."""
    kept_fp32: tuple[str, ...] = ()
    """The nodes that are not in the precision: by their place in the network, for their weights' range, or because
    they cost most."""
    certificate: Certificate | None = None
    """What the precision cost on real images; None: nobody looked."""

    @property
    def is_unchecked(self) -> bool:
        """Whether the precision was reduced and nobody looked at what that cost."""
        return self.precision != "fp32" and self.certificate is None

    def to_json(self) -> str:
        """The report file's text."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def to_table(self) -> str:
        """The report as lines for a person."""
        applied = [f"{name} {places}" for name, places in self.rewrites.items() if places]
        rows = {
            "genotype": self.genotype_id,
            "weights": self.weights,
            "parameters": f"{self.cost.parameters:,}",
            "multiply-adds per pixel": f"{self.cost.macs_per_pixel:,.0f}",
            "halo": f"{self.halo} px, {_proof(self.tiling, self.reach)}",
            "alignment": f"{self.alignment} px",
            "file": f"{self.file_bytes:,} bytes, {self.precision}, opset {self.opset}",
            "input": self.interface.text(self.alignment),
            f"rewritten for {self.target}": ", ".join(applied) or "nothing to rewrite",
            "largest difference from torch": f"{self.parity.largest_difference:.1e} "
            f"over {len(self.parity.sizes)} sizes (limit {self.parity.tolerance:.0e})",
        }
        if self.sigma_range is not None:
            low, high = self.sigma_range
            rows["sigma"] = f"(N,), in grey levels 0..255, made for {low:g} to {high:g}"
        if self.difference_from_fp32 is not None:
            rows["largest difference from fp32"] = f"{self.difference_from_fp32:.1e} on random pixels"
        if self.precision != "fp32":
            rows[f"kept in {kept_in(self.precision)}"] = ", ".join(self.kept_fp32) or "nothing"
        if self.certificate is not None:
            rows |= self.certificate.to_rows()
        elif self.is_unchecked:
            rows["lost by the precision"] = "not checked on images; give --check IMAGES"
        rows |= {f"{item.engine}, {item.stage}": str(item) for item in self.timings}
        wide = max(map(len, rows))
        return "\n".join(f"{name:<{wide}}  {value}" for name, value in rows.items())
