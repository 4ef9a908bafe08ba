"""Networks from elsewhere become hinas models: what they compute, how their tiles are shown right, what is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hinas.export import import_network
from hinas.export.commands import app
from hinas.export.foreign import imported_network
from hinas.export.foreign.foreign_use import ForeignUse
from hinas.export.foreign.imported_network import imported
from hinas.export.foreign.trial import run_of
from hinas.export.reach.seen_halo import Run
from hinas.runtime.denoiser import Denoiser
from hinas.runtime.model.manifest import ModelManifest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

FREE = ["N", 1, "H", "W"]
COLOUR = ["N", 3, "H", "W"]
TOLD = ForeignUse(condition="sigma/255", level_range=(0, 75))
BLIND = ForeignUse()


@dataclass
class Net:
    """A graph as it grows; `x` is the image."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str | np.ndarray, **attributes: Any) -> str:
        names = []
        for item in inputs:
            if isinstance(item, np.ndarray):
                name = f"c{len(self.constants)}"
                self.constants[name] = item
                names.append(name)
            else:
                names.append(item)
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def conv(self, value: str, channels: tuple[int, int], side: int = 3, **attributes: Any) -> str:
        random = np.random.default_rng(len(self.nodes))
        shape = (channels[1], channels[0], side, side)
        kernel = (random.standard_normal(shape) * np.sqrt(1 / np.prod(shape[1:]))).astype(np.float32)
        return self.add("Conv", value, kernel, **{"pads": [side // 2] * 4, **attributes})

    def up(self, value: str, channels: tuple[int, int]) -> str:
        random = np.random.default_rng(len(self.nodes))
        kernel = (random.standard_normal((*channels, 2, 2)) * 0.3).astype(np.float32)
        return self.add("ConvTranspose", value, kernel, strides=[2, 2])

    def model(
        self, output: str, *inputs: tuple[str, list[Any]], opset: int = 17, kind: int = TensorProto.FLOAT
    ) -> onnx.ModelProto:
        given = [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs or [("x", FREE)]]
        made = [helper.make_tensor_value_info(output, kind, None)]
        stored = [numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        graph = helper.make_graph(self.nodes, "theirs", given, made, stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def _dncnn(depth: int = 4) -> tuple[Net, str]:
    net = Net()
    value = net.add("Relu", net.conv("x", (1, 4)))
    for _ in range(depth - 2):
        value = net.add("Relu", net.conv(value, (4, 4)))
    return net, net.conv(value, (4, 1))


def dncnn(opset: int = 17) -> onnx.ModelProto:
    net, noise = _dncnn()
    return net.model(net.add("Sub", "x", noise), opset=opset)


def ffdnet(level: list[Any], *, has_own_unshuffle: bool = False) -> onnx.ModelProto:
    """At half resolution with a noise map; a level that is one number is spread, and padded images are cropped."""
    net = Net()
    if has_own_unshuffle:
        half = net.add("Concat", *(_phase(net, row, column) for row in (0, 1) for column in (0, 1)), axis=1)
    else:
        half = net.add("SpaceToDepth", "x", blocksize=2)
    told = "level"
    if level[1:] == [1, 1, 1]:
        sides = net.add("Slice", net.add("Shape", half), np.array([2]), np.array([4]))
        told = net.add("Expand", "level", net.add("Concat", np.array([1, 1]), sides, axis=0))
    value = net.add("Relu", net.conv(net.add("Concat", half, told, axis=1), (5, 6)))
    value = net.conv(net.add("Relu", net.conv(value, (6, 6))), (6, 4))
    return net.model(net.add("DepthToSpace", value, blocksize=2, mode="CRD"), ("x", FREE), ("level", level))


def _phase(net: Net, row: int, column: int) -> str:
    end = np.array([1 << 30, 1 << 30])
    return net.add("Slice", "x", np.array([row, column]), end, np.array([2, 3]), np.array([2, 2]))


def unet() -> onnx.ModelProto:
    """Strided convolutions down, transposed ones up; the image comes with a map of the noise as its last channel."""
    net = Net()
    full = net.conv("x", (4, 4))
    half = net.add("Relu", net.conv(full, (4, 6), side=2, strides=[2, 2], pads=[0] * 4))
    low = net.conv(net.add("Relu", net.conv(half, (6, 8), side=4, strides=[2, 2], pads=[1] * 4)), (8, 8))
    half = net.conv(net.add("Add", half, net.up(low, (8, 6))), (6, 6))
    value = net.add("Concat", net.up(half, (6, 4)), full, axis=1)
    return net.model(net.conv(value, (8, 3)), ("x", ["N", 4, "H", "W"]))


def bilinear() -> onnx.ModelProto:
    net = Net()
    small = net.conv(net.add("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2]), (1, 4))
    scales = np.array([1, 1, 2, 2], np.float32)
    large = net.add("Resize", small, "", scales, mode="linear")
    return net.model(net.conv(large, (4, 1)))


def reflecting() -> onnx.ModelProto:
    net = Net()
    padded = net.add("Pad", "x", np.array([0, 0, 2, 2, 0, 0, 2, 2]), mode="reflect")
    value = net.conv(net.conv(padded, (1, 4), pads=[0] * 4), (4, 1), pads=[0] * 4)
    return net.model(value)


def windows() -> onnx.ModelProto:
    """Attention of 4 pixels in a row, all cut from one start, by Reshape, MatMul and Softmax."""
    net = Net()
    rows = net.add("Transpose", "x", perm=[0, 2, 3, 1])
    cut = net.add("Reshape", rows, np.array([0, 0, -1, 4]))
    scores = net.add("MatMul", net.add("Unsqueeze", cut, np.array([4])), net.add("Unsqueeze", cut, np.array([3])))
    mixed = net.add("MatMul", net.add("Softmax", scores, axis=-1), net.add("Unsqueeze", cut, np.array([4])))
    whole = net.add("Reshape", mixed, net.add("Shape", "x"))
    return net.model(net.add("Add", whole, "x"))


def excited() -> onnx.ModelProto:
    """Channel attention: a mean over the whole image weighs the channels."""
    net = Net()
    value = net.conv("x", (3, 4))
    weights = net.add("Sigmoid", net.conv(net.add("GlobalAveragePool", value), (4, 4), side=1))
    return net.model(net.conv(net.add("Mul", value, weights), (4, 3)), ("x", COLOUR))


def rolled() -> onnx.ModelProto:
    """One column goes from the right end to the left one, as where attention shifts its windows."""
    net = Net()
    axis, end = np.array([3]), np.array([1 << 30])
    last = net.add("Slice", "x", np.array([-1]), end, axis)
    return net.model(net.add("Concat", last, net.add("Slice", "x", np.array([0]), np.array([-1]), axis), axis=3))


def placed() -> onnx.ModelProto:
    """What it adds differs from place to place; it is fixed to one size."""
    net = Net()
    ramp = np.linspace(0, 0.5, 64, dtype=np.float32).reshape(1, 1, 1, 64)
    row = net.add("Slice", ramp, np.array([0]), net.add("Slice", net.add("Shape", "x"), np.array([3]), np.array([4])))
    return net.model(net.add("Add", "x", row), ("x", [1, 1, 64, 64]))


@pytest.mark.parametrize(
    ("model", "use", "halo", "alignment"),
    [
        (dncnn(), BLIND, 4, 1),
        (dncnn(opset=9), BLIND, 4, 1),
        (ffdnet(["N", 1, "h", "w"]), TOLD, 7, 2),
        (ffdnet([1, 1, 1, 1]), TOLD, 7, 2),
        (ffdnet(["N", 1, "h", "w"], has_own_unshuffle=True), TOLD, 7, 2),
        (bilinear(), BLIND, 5, 2),
        (reflecting(), BLIND, 2, 4),
        (windows(), BLIND, 3, 4),
    ],
)
def test_the_halo_of_the_graph_is_the_one_that_is_seen(
    model: onnx.ModelProto, use: ForeignUse, halo: int, alignment: int
) -> None:
    network = imported(model, use)
    assert network.tiling.tiling == "exact", network.tiling.reason
    assert (network.tiling.halo, network.given.alignment) == (halo, alignment)
    assert network.tiling.seen_halo == halo


def test_a_u_net_is_exact_with_the_alignment_of_its_lowest_level() -> None:
    network = imported(unet(), TOLD)
    assert (network.tiling.tiling, network.given.alignment, network.inputs.form) == ("exact", 4, "channel")
    assert network.tiling.seen_halo is not None
    assert network.tiling.halo - 2 <= network.tiling.seen_halo <= network.tiling.halo


@pytest.mark.parametrize("predicts", ["image", "noise"])
@pytest.mark.parametrize(("values", "factor", "shift"), [("0..1", 1, 0), ("0..255", 255, 0), ("-1..1", 2, -1)])
def test_values_and_output_are_as_the_network_means_them(
    values: Any, factor: float, shift: float, predicts: Any
) -> None:
    net, output = _dncnn()
    original = net.model(output)
    network = imported(original, ForeignUse(values=values, predicts=predicts))
    noisy = np.random.default_rng(0).random((2, 1, 9, 7), np.float32)
    [theirs] = _run(original, {"x": (noisy * factor + shift).astype(np.float32)})
    expected = noisy - theirs / factor if predicts == "noise" else (theirs - shift) / factor
    np.testing.assert_allclose(_run(network.model, {"noisy": noisy})[0], expected, atol=1e-6)


@pytest.mark.parametrize(("condition", "factor"), [("sigma", 1.0), ("sigma/255", 1 / 255), ("sigma/127.5", 2 / 255)])
def test_the_noise_input_gets_what_the_condition_says(condition: str, factor: float) -> None:
    net = Net()
    model = net.model(net.add("Add", "x", "level"), ("x", FREE), ("level", ["N", 1, 1, 1]))
    network = imported(model, ForeignUse(condition=condition, level_range=(0, 75)))
    feeds = {"noisy": np.zeros((2, 1, 3, 3), np.float32), "sigma": np.array([10, 50], np.float32)}
    found = _run(network.model, feeds)[0]
    np.testing.assert_allclose(found[:, 0, 0, 0], np.array([10, 50]) * factor, rtol=1e-6)


def test_an_answer_that_is_not_a_number_is_seen_at_the_last_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt_run_of(model: onnx.ModelProto) -> Run:
        run = run_of(model)

        def spoilt(feeds: Any) -> Any:
            is_last = "noisy" in feeds and feeds["noisy"].shape[2:] == (64, 96)
            return run(feeds) * np.float32(np.nan if is_last else 1)

        return spoilt

    monkeypatch.setattr(imported_network, "run_of", spoilt_run_of)
    with pytest.raises(RuntimeError, match="differs from the original by nan"):
        imported(dncnn(), BLIND)


def test_a_network_that_sees_the_whole_image_is_approximate() -> None:
    network = imported(excited(), BLIND)
    assert network.tiling.tiling == network.manifest().tiling == "approximate"
    assert network.tiling.reason == "GlobalAveragePool: looks at the whole image"


def test_a_network_whose_ends_see_each_other_is_approximate() -> None:
    network = imported(rolled(), BLIND)
    assert network.tiling.tiling == "approximate"
    assert network.tiling.reason == "outputs at the image's border see farther than those in its middle"


def test_dead_parts_do_not_hide_what_the_graph_allows() -> None:
    net = Net()
    far = net.conv("x", (1, 1), side=9)
    dead = net.add("Relu", net.add("Sub", far, np.array(1000, np.float32)))
    network = imported(net.model(net.add("Add", "x", dead)), BLIND)
    assert (network.tiling.halo, network.tiling.seen_halo) == (4, 0)


def test_an_operator_nobody_knows_makes_it_approximate_and_is_named() -> None:
    net = Net()
    value = net.add("CumSum", net.conv("x", (1, 1)), np.array(3))
    network = imported(net.model(net.add("Add", "x", value)), BLIND)
    assert network.tiling.tiling == "approximate"
    assert network.tiling.reason.startswith("CumSum: ")


def test_a_size_the_file_was_exported_for_is_freed_where_the_network_runs_on_others() -> None:
    net, noise = _dncnn()
    network = imported(net.model(net.add("Sub", "x", noise), ("x", [1, 1, 48, 64])), BLIND)
    assert network.inputs.fixed_size == (48, 64)
    assert network.compared_sizes == ((48, 64),)
    assert _run(network.model, {"noisy": np.zeros((2, 1, 10, 30), np.float32)})[0].shape == (2, 1, 10, 30)


def _run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


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
