"""What the export does for a task that enlarges, and for a network that sees the whole image."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
import pytest
import torch
from hinas.export import freeze
from hinas.export.checks.accuracy_gate import gate_for
from hinas.export.checks.check_images import check_images
from hinas.export.checks.check_numerics import CHECKED_SIZES, check_numerics, probed_halo
from hinas.export.checks.model_runs import emulated, opened_in_onnxruntime
from hinas.export.graph.model_interface import with_interface
from hinas.export.graph.onnx_from_network import feeds_of, onnx_from_network
from hinas.export.graph.variants import FixedShape, ModelInterface
from hinas.export.precisions.calibration import CROP_PIXELS, NUM_CROPS, calibration_batches
from hinas.export.precisions.half_precision import bf16, fp16
from hinas.export.precisions.int8 import both_ends
from hinas.export.tensorrt.parser_support import for_older_parser, unsupported_nodes
from hinas.network_input import NetworkInput
from hinas.runtime.model.manifest import ModelManifest
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.spaces.image_output import ImageOutput
from hinas.search.spaces.interface import Geometry
from hinas.search.tasks.interface import Case, Pairs, Task, TaskOptions
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Halve(Task):
    """A blind task: every square of 2x2 pixels becomes one."""

    name: str = "halve"
    scale: int = 2

    @property
    def level_range(self) -> None:
        return None

    @property
    def cases(self) -> tuple[Case, ...]:
        return (Case(name="x2"),)

    def drawn(self, clean_BCHW: Tensor, generator: torch.Generator) -> Pairs:
        return Pairs(nn.functional.avg_pool2d(clean_BCHW, 2), clean_BCHW, None)

    def of_cases(self, clean_BCHW: Tensor, cases: Sequence[Case], generator: torch.Generator) -> Pairs:
        return self.drawn(clean_BCHW, generator)

    @classmethod
    def from_options(cls, options: TaskOptions) -> Self:
        return cls()


class Enlarge(nn.Module):
    """Sees two input pixels on each side, on a map of half the input's resolution one block of them."""

    def __init__(self, scale: int, alignment: int) -> None:
        super().__init__()
        self.down, self.up = nn.PixelUnshuffle(alignment), nn.PixelShuffle(alignment * scale)
        self.first = nn.Conv2d(alignment**2, 8, 3, padding=1)
        self.last = nn.Conv2d(8, (alignment * scale) ** 2, 3, padding=1)

    def forward(self, noisy: Tensor) -> Tensor:
        return self.up(self.last(self.first(self.down(noisy))))


@pytest.fixture
def enlarging() -> nn.Module:
    torch.manual_seed(0)
    return Enlarge(2, 1).eval()


GIVEN = NetworkInput(channels=1, scale=2)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("alignment", [1, 2])
def test_the_probe_measures_in_input_pixels(scale: int, alignment: int) -> None:
    given = NetworkInput(channels=1, scale=scale, alignment=alignment)
    # Two blocks of the map; from the far end of one's own block, so many pixels less one further.
    expected = 2 * alignment + alignment - 1
    assert probed_halo(Enlarge(scale, alignment).eval(), given, halo=expected) == expected


@pytest.mark.parametrize("alignment", [1, 2])
def test_an_enlarging_network_exports_and_matches(alignment: int) -> None:
    torch.manual_seed(0)
    network = Enlarge(3, alignment).eval()
    given = NetworkInput(channels=1, scale=3, alignment=alignment)
    model = onnx_from_network(network, given)
    report = check_numerics(model, network, given)
    assert report.sizes == CHECKED_SIZES
    output = opened_in_onnxruntime(model)({"noisy": np.zeros((2, 1, 4, 6), np.float32)})
    assert output.shape == (2, 1, 12, 18)


@pytest.mark.parametrize(
    "interface",
    [ModelInterface(io="uint8"), ModelInterface(io="uint8", shape=FixedShape(batch=2, height=6, width=4))],
)
def test_an_enlarging_model_takes_and_gives_pixels(enlarging: nn.Module, interface: ModelInterface) -> None:
    # It is held to the model's own answer inside.
    made = with_interface(onnx_from_network(enlarging, GIVEN), interface, alignment=1, scale=2)
    pixels: Any = np.zeros((2, 6, 4, 1), np.uint8)
    output = opened_in_onnxruntime(made)({"noisy": pixels})
    assert output.shape == (2, 12, 8, 1)


def test_a_task_that_enlarges_is_checked_and_calibrated(enlarging: nn.Module, picture_folder: Path) -> None:
    images = check_images(str(picture_folder), task=Halve(), given=GIVEN)
    for item in images:
        small, large = item.example.degraded_BCHW.shape, item.example.clean_BCHW.shape
        assert (2 * small[2], 2 * small[3]) == large[2:]
        assert item.case.name == "x2"
        assert feeds_of(item.example, GIVEN).keys() == {"noisy"}
    model = onnx_from_network(enlarging, GIVEN)
    gate = gate_for(model, images, max_drop_db=0, task=Halve(), given=GIVEN)
    loss = gate.loss(opened_in_onnxruntime(model))
    assert [(item.case, item.psnr_lost_db, item.ssim_lost) for item in loss.by_case] == [("x2", 0, 0)]


def test_calibration_of_a_task_that_enlarges(tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (2 * CROP_PIXELS, 2 * CROP_PIXELS + 9), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    first, second = (list(calibration_batches([tmp_path], task=Halve(), given=GIVEN)) for _ in range(2))
    assert len(first) == NUM_CROPS
    assert {batch["noisy"].shape for batch in first} == {(1, 1, CROP_PIXELS, CROP_PIXELS)}
    assert all(np.array_equal(a["noisy"], b["noisy"]) for a, b in zip(first, second, strict=True))


class Residual(nn.Module):
    """Bicubic enlargement, and two convolutions whose answer is taken from it."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.down = nn.PixelUnshuffle(stride)
        self.layers = nn.Sequential(
            nn.Conv2d(stride**2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4 * stride**2, 3, padding=1)
        )
        self.image = ImageOutput(1, stride=stride, scale=2, residual=True)

    def forward(self, noisy: Tensor) -> Tensor:
        return self.image(self.layers(self.down(noisy)), noisy)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("lowered", [fp16, bf16])
def test_the_bicubic_part_keeps_its_precision(stride: int, lowered: Callable[..., onnx.ModelProto]) -> None:
    torch.manual_seed(0)
    network = Residual(stride).eval()
    given = NetworkInput(channels=1, scale=2, alignment=stride)
    full = onnx_from_network(network, given)
    bicubic = next(
        node.name for node in full.graph.node if node.op_type == "Conv" and node.input[1].endswith("kernels")
    )
    assert bicubic in both_ends(full)
    assert not unsupported_nodes(for_older_parser(full), (8, 6))
    low = emulated(lowered(full, frozenset()))
    image = np.random.default_rng(0).random((1, 1, 12, 16), np.float32)
    exact, rounded = (opened_in_onnxruntime(model)({"noisy": image}) for model in (full, low))
    with torch.no_grad():
        base = network.image(
            torch.zeros_like(network.layers(network.down(torch.from_numpy(image)))), torch.from_numpy(image)
        )
    # What is rounded is the network's part alone.
    assert 0 < np.abs(rounded - exact).max() < 0.02 * np.abs(exact - base.numpy()).max()


def test_a_network_that_sees_everything_is_not_probed_and_says_so(
    small_document: Callable[[int], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    genotype = genotype_from_json(json.dumps(small_document(1)))
    place = Geometry(halo=7, alignment=2, tiling="approximate")
    monkeypatch.setattr(Genotype, "geometry", property(lambda _: place))
    monkeypatch.setattr(freeze, "probed_halo", None)
    content, report = freeze.frozen_model(genotype, None)
    properties = {item.key: item.value for item in onnx.load_from_string(content).metadata_props}
    manifest = ModelManifest.from_metadata(properties)
    assert (manifest.tiling, manifest.halo) == ("approximate", 7)
    assert report.tiling == "approximate"
    assert "7 px, not exact: the network sees the whole image" in report.to_table()
