"""Networks from elsewhere, from Python: an ONNX file or a PyTorch module becomes a hinas model file."""

import tempfile
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from ..errors import UserError
from ..network_input import NetworkInput
from .foreign.finished_import import finished_import, foreign_import
from .foreign.foreign_inputs import Form
from .foreign.foreign_use import ForeignUse, Predicts, Values
from .foreign.import_report import ImportReport
from .freeze import write_export
from .graph.onnx_from_network import onnx_from_network


def import_network(
    network: nn.Module | Path | str,
    out: Path | str,
    *,
    condition: str | None = None,
    level_range: tuple[float, float] | None = None,
    values: Values = "0..1",
    predicts: Predicts = "image",
    channels: int = 3,
    noise: Form = "list",
    alignment: int = 1,
) -> ImportReport:
    """Write a denoiser from elsewhere to `out` as a hinas model, and its report beside it; returns the report.

    `network`: the path of an ONNX file, or a module of PyTorch that is called with an image (N, `channels`, H, W) and,
    where there is a `condition`, the noise level: as `list` (N,), `column` (N, 1), `scalar` (N, 1, 1, 1) or `map`
    (N, 1, H, W), or with one image whose last channel (`channel`) is that map. `alignment`: H and W that the module
    takes are its multiples. These three are read off an ONNX file. The rest is as in hinas-export --import: `condition`
    such as sigma/255, `level_range` in grey levels 0..255. Raises UserError for what cannot be imported.
    """
    use = ForeignUse(condition=condition, level_range=level_range, values=values, predicts=predicts)
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(network, nn.Module):
            given = NetworkInput(
                channels=channels, alignment=alignment, level_range=(0, 255) if use.level_factor else None
            )
            told = network if use.level_factor is None else _Told(network, noise)
            file = Path(folder) / f"{type(network).__name__}.onnx"
            was_training = network.training
            try:
                onnx.save(onnx_from_network(told, given), file)
            except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
                raise UserError(f"{type(network).__name__}: PyTorch cannot export it ({_first_line(error)})") from error
            finally:
                network.train(was_training)
        else:
            file = Path(network)
        content, report = finished_import(foreign_import(file, use), "ort")
    write_export(content, report, Path(out))
    return report


class _Told(nn.Module):
    """A module that takes its noise level as a list (N,), in whatever form it wants it."""

    def __init__(self, network: nn.Module, form: Form) -> None:
        super().__init__()
        self._network, self._form = network, form

    def forward(self, image_BCHW: Tensor, level_B: Tensor) -> Tensor:
        """(B, C, H, W) image and (B,) level -> the module's answer."""
        if self._form == "list":
            return self._network(image_BCHW, level_B)
        if self._form == "column":
            return self._network(image_BCHW, level_B.reshape(-1, 1))
        level = level_B.reshape(-1, 1, 1, 1)
        if self._form == "scalar":
            return self._network(image_BCHW, level)
        spread = level.expand(-1, 1, image_BCHW.shape[2], image_BCHW.shape[3])
        if self._form == "map":
            return self._network(image_BCHW, spread)
        return self._network(torch.cat([image_BCHW, spread], dim=1))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
