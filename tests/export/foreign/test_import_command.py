"""hinas-export with a network of others: the file that it writes, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hinas.export import import_network
from hinas.export.commands import app
from hinas.runtime.denoiser import Denoiser
from hinas.runtime.model.manifest import ModelManifest
from onnx import TensorProto
from PIL import Image
from stand_ins.foreign_networks import COLOUR, Net, dncnn, excited, ffdnet, placed
from torch import nn


@pytest.fixture
def theirs(tmp_path: Path) -> Callable[..., Path]:
    """A model -> its file."""

    def write(model: onnx.ModelProto) -> Path:
        onnx.save(model, tmp_path / "theirs.onnx")
        return tmp_path / "theirs.onnx"

    return write


def test_the_command_writes_a_model_that_tiles_without_a_trace(
    in_process: Callable[..., Any], theirs: Callable[..., Path]
) -> None:
    file = theirs(ffdnet(["N", 1, "h", "w"]))
    said = in_process(app, "--import", file, "--condition", "sigma/255", "--range", "0:75")
    assert said.returncode == 0, said.stderr
    assert "a map (N, 1, H, W), 2 times smaller: sigma/255, trained for 0 to 75" in said.stdout
    assert "exact: from the graph, operator by operator" in said.stdout
    written = file.with_name("theirs.hinas.onnx")
    assert json.loads(file.with_name("theirs.hinas.report.json").read_text())["tiling"]["halo"] == 7
    image = np.random.default_rng(0).random((61, 83), np.float32)
    whole, tiled = (Denoiser.load(written, backend="cpu", tile=tile)(image, sigma=25) for tile in (None, 16))
    np.testing.assert_allclose(tiled, whole, atol=1e-6)
    assert Denoiser.load(written, backend="cpu").manifest.sigma_range == (0, 75)


def test_an_approximate_model_says_so_in_its_file(
    in_process: Callable[..., Any], theirs: Callable[..., Path], tmp_path: Path
) -> None:
    said = in_process(app, "--import", theirs(excited()), "--out", tmp_path / "m.onnx")
    assert "approximate: GlobalAveragePool: looks at the whole image" in said.stdout
    properties = {item.key: item.value for item in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert ModelManifest.from_metadata(properties).tiling == "approximate"


def test_the_gate_holds_precisions_of_an_imported_network(
    in_process: Callable[..., Any], theirs: Callable[..., Path], tmp_path: Path
) -> None:
    file = theirs(dncnn())
    photo = tmp_path / "photo.png"
    Image.fromarray(np.add.outer(np.arange(96), np.arange(96)).astype(np.uint8)).save(photo)
    options = ["--precision", "fp32,fp16,int8", "--check", photo, "--calibration", tmp_path]
    said = in_process(app, "--import", file, *options, "--max-drop", "30", "--json")
    assert said.returncode == 0, said.stderr
    for name in ("theirs.hinas.onnx", "theirs.hinas.fp16.onnx", "theirs.hinas.ort.int8.onnx"):
        report = json.loads(file.with_name(name).with_suffix(".report.json").read_text())
        assert [item["case"] for item in report["certificate"]["losses"]] == ["sigma 15", "sigma 25", "sigma 50"]


NOTHING = Net()
COPIED = NOTHING.add("Identity", "x")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (NOTHING.model(COPIED, ("x", ["N", 8])), [], "no denoiser that hinas can feed: inputs x float (?, 8)"),
        (NOTHING.model(COPIED, ("x", COLOUR), ("y", COLOUR)), [], "inputs x float (?, 3, ?, ?), y float (?, 3, ?, ?)"),
        (NOTHING.model(COPIED, kind=TensorProto.UINT8), [], "x is uint8, not float32"),
        (ffdnet(["N", 1, "h", "w"]), [], "told the noise level by its input level; say in which unit"),
        (ffdnet(["N", 1, "h", "w"]), ["--condition", "sigma"], "say which levels it was trained for, such as --range"),
        (dncnn(), ["--condition", "sigma", "--range", "0:75"], "takes the image x alone; leave --condition out"),
        (dncnn(), ["--condition", "variance"], "--condition: got 'variance', expected sigma"),
        (dncnn(), ["--range", "75"], "--range: got '75', expected LOW:HIGH"),
        (dncnn(), ["--weights", "w.safetensors"], "--weights: concerns genotypes"),
        (placed(), [], "takes images of 64 x 64 pixels alone"),
    ],
)
def test_what_cannot_be_imported_is_told_why(
    model: onnx.ModelProto, options: list[str], message: str, mistake: Callable[..., str], theirs: Callable[..., Path]
) -> None:
    assert message in mistake(app, "--import", theirs(model), *options)


def test_a_file_that_is_none_and_missing_data_are_named(mistake: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"no model at all")
    assert "noise.onnx: damaged, or not an ONNX model" in mistake(app, "--import", tmp_path / "noise.onnx")
    assert "none.onnx: cannot be read" in mistake(app, "--import", tmp_path / "none.onnx")
    onnx.save(dncnn(), tmp_path / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0)
    (tmp_path / "big.data").unlink()
    assert "keeps its weights in big.data, which is not beside it" in mistake(app, "--import", tmp_path / "big.onnx")


def test_external_data_is_read_from_the_files_own_folder_alone(
    mistake: Callable[..., str], in_process: Callable[..., Any], tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    onnx.save(dncnn(), inside / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0)
    assert in_process(app, "--import", inside / "big.onnx", "--quiet").returncode == 0
    (tmp_path / "big.data").write_bytes((inside / "big.data").read_bytes())
    model = onnx.load(inside / "big.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../big.data" if entry.key == "location" else entry.value
    (inside / "big.onnx").write_bytes(model.SerializeToString())
    assert "outside its own folder" in mistake(app, "--import", inside / "big.onnx")


def test_a_hinas_model_needs_no_import(mistake: Callable[..., str], models: dict[str, Path]) -> None:
    assert "is a hinas model already" in mistake(app, "--import", models["gray"])


def test_options_of_imports_and_genotypes_do_not_mix(mistake: Callable[..., str]) -> None:
    assert "one of the two" in mistake(app)
    assert "one of the two" in mistake(app, "color", "--import", "a.onnx")
    assert "--values: concerns --import alone" in mistake(app, "color", "--values", "0..255")


class Unet(nn.Module):
    """As authors write them: a noise map beside the image, one level of half resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(4, 8, 2, stride=2), nn.ConvTranspose2d(8, 3, 2, stride=2)

    def forward(self, image: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return image - self.up(torch.relu(self.down(torch.cat([image, level], 1))))


@pytest.mark.slow
def test_a_module_of_pytorch_is_imported_from_python(tmp_path: Path) -> None:
    module = Unet()
    module.train()
    file = tmp_path / "unet.onnx"
    report = import_network(
        module, file, condition="sigma/255", level_range=(0, 50), channels=3, noise="map", alignment=2
    )
    assert module.training
    assert (report.tiling.tiling, report.tiling.halo, report.alignment) == ("exact", 1, 2)
    noisy = np.random.default_rng(0).random((10, 14, 3), np.float32)
    with torch.no_grad():
        image = torch.from_numpy(noisy).permute(2, 0, 1)[None]
        expected = module(image, torch.full((1, 1, 10, 14), 25 / 255))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(Denoiser.load(file, backend="cpu")(noisy, sigma=25), expected, atol=1e-5)
