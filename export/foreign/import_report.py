"""What an import says of itself: what the network takes, how its tiles are known to be right, what was compared."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ...runtime.model.manifest import Precision
from ..checks.quality_loss import Certificate
from ..graph.graph_cost import GraphCost
from ..graph.variants import ModelInterface, Target
from ..precisions.table import kept_in
from .foreign_inputs import Form
from .foreign_use import ForeignUse
from .tiling_evidence import TilingEvidence

_FORMS: Mapping[Form, str] = {
    "list": "a list (N,)",
    "column": "a column (N, 1)",
    "scalar": "a number (N, 1, 1, 1)",
    "map": "a map (N, 1, H, W)",
    "channel": "the image's last channel",
}


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What `NAME.report.json` says of an imported network."""

    source: str
    """The file, and its SHA-256."""
    channels: int
    scale: int
    form: Form | None
    """How it is told the noise level; None: it is not."""
    map_reduced: int
    """How many times smaller than the image its map of the noise level is."""
    use: ForeignUse
    """What the person who imported it said of it."""
    target: Target
    precision: Precision
    opset: int
    cost: GraphCost
    tiling: TilingEvidence
    alignment: int
    interface: ModelInterface
    fixed_size: tuple[int, int] | None
    """(height, width) that the original was exported for; the imported file takes others too."""
    takes_batches: bool
    file_bytes: int
    compared_sizes: tuple[tuple[int, int], ...]
    """(height, width) at which the wrapped network and the original were compared in ONNX Runtime."""
    largest_difference: float
    kept_fp32: tuple[str, ...] = ()
    """The nodes that are not in the precision."""
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
        sizes = " ".join(f"{width}x{height}" for height, width in self.compared_sizes) or "no size"
        rows = {
            "imported from": self.source,
            "parameters": f"{self.cost.parameters:,}",
            "multiply-adds per pixel": f"{self.cost.macs_per_pixel:,.0f}",
            "input": self.interface.text(self.alignment) + ("" if self.takes_batches else ", one image at a time"),
            "noise level": self._level_text(),
            "output": f"the {self.use.predicts}, values {self.use.values}"
            + ("" if self.scale == 1 else f", {self.scale} times as large"),
            "tiling": self.tiling.tiling,
            "halo": f"{self.tiling.halo} px",
            "alignment": f"{self.alignment} px",
            "file": f"{self.file_bytes:,} bytes, {self.precision}, opset {self.opset}",
            "largest difference from the original": f"{self.largest_difference:.1e} at {sizes}",
        }
        if self.tiling.tiling == "exact":
            rows["tiling"] += f": from {self.tiling.reason}"
            rows["halo"] += f"; {self.tiling.seen_halo} px seen in a run"
            rows["largest difference of tiles from the whole"] = f"{self.tiling.tiled_difference:.1e}"
        else:
            rows["tiling"] += f": {self.tiling.reason}"
            rows["halo"] += "; larger pictures are run in overlapping tiles and mixed"
        if self.fixed_size is not None:
            height, width = self.fixed_size
            rows["exported for"] = f"{width or 'any'}x{height or 'any'} alone; it runs on other sizes too"
        if self.precision != "fp32":
            rows[f"kept in {kept_in(self.precision)}"] = ", ".join(self.kept_fp32) or "nothing"
        if self.certificate is not None:
            rows |= self.certificate.to_rows()
        elif self.is_unchecked:
            rows["lost by the precision"] = "not checked on images; give --check IMAGES"
        wide = max(map(len, rows))
        return "\n".join(f"{name:<{wide}}  {value}" for name, value in rows.items())

    def _level_text(self) -> str:
        if self.form is None:
            return "not told"
        smaller = "" if self.map_reduced == 1 else f", {self.map_reduced} times smaller"
        low, high = self.use.level_range or (0.0, 255.0)
        return f"{_FORMS[self.form]}{smaller}: {self.use.condition}, trained for {low:g} to {high:g}"
