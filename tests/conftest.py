"""Fixtures that several rooms' tests use: random genotypes, small pictures, tiny models."""

import gc
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else every program that tests start compiles hinas anew, a second

import numpy as np
import onnx
import pytest
import torch
import typer
from hinas.command_line import run_command
from hinas.runtime.model.manifest import ModelManifest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from remembered_exports import RememberedExports
from torch.onnx._internal.exporter._registration import ONNXRegistry

sys.dont_write_bytecode = False
SMALL_GENOTYPES = (1, 3, 29, 40)
"""Seeds of random genotypes that are exported in a second or two: of one cell and two, with and without a noise level,
grey and colour, of alignment 1, 2 and 4. Tests that share them share what is exported."""
OPERATIONS = ("conv_3x3", "sep_3x3", "sep_5x5", "dil_3x3", "dil_5x5", "skip")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--genotypes",
        type=int,
        default=None,
        help="random genotypes to try the export on; 50 are of every kind; left out, four small ones that differ",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: else one of them ends the run alone, on one core."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Thousands of tests and PyTorch stay till the end: who looks for garbage need not look through them each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "genotype_seed" in metafunc.fixturenames:
        number = metafunc.config.getoption("--genotypes")
        metafunc.parametrize("genotype_seed", SMALL_GENOTYPES if number is None else range(int(str(number))))


def _random_document(seed: int) -> dict[str, Any]:
    """A small random genotype of the hinas space: every choice the schema has, drawn from `seed`."""
    draw = random.Random(seed)
    factors = draw.choice([[1.0], [1.0, 1.5, 2.0], [1.0, 2.0, 4.0]])
    cells = []
    for _ in range(draw.randint(1, 4)):
        nodes = [
            [[draw.choice(OPERATIONS), source] for source in draw.sample(range(2 + index), 2)]
            for index in range(draw.randint(1, 3))
        ]
        cells.append({"level": draw.randrange(len(factors)), "nodes": nodes})
    network: dict[str, Any] = {
        "width": draw.choice([3, 4, 8]),
        "width_factors": factors,
        "normalisation": draw.choice(["batch", "none"]),
        "activation": draw.choice(["leaky_relu", "relu"]),
        "residual": draw.random() < 0.8,
        "stem": {"resolution": draw.choice(["full", "half", "quarter"]), "channels": draw.choice([5, 8])},
        "end": {"channels": draw.choice([6, 8]), "early_channels": draw.choice([3, 4])},
        "cells": cells,
    }
    if draw.random() < 0.4:
        network["level_strides"] = [1, 2, 2, 4][: len(factors)]
    if draw.random() < 0.5:
        network["squeeze"] = "where_needed"
    if draw.random() < 0.5:
        network["conditioning"] = {"input": "sigma", "range": [0, 75]}
    return {
        "format": "hinas-genotype",
        "version": 1,
        "space": "hinas",
        "task": {"name": "denoise", "channels": draw.choice([1, 3]), "scale": 1},
        "network": network,
    }


def _small_document(channels: int) -> dict[str, Any]:
    """The smallest genotype that can learn something: half resolution, conditioned, one cell."""
    return {
        "format": "hinas-genotype",
        "version": 1,
        "space": "hinas",
        "task": {"channels": channels},
        "network": {
            "width": 8,
            "normalisation": "none",
            "stem": {"resolution": "half", "channels": 8},
            "end": {"channels": 8, "early_channels": 4},
            "conditioning": {"range": [0, 75]},
            "cells": [{"level": 0, "nodes": [[["conv_3x3", 0], ["skip", 1]], [["sep_3x3", 2], ["skip", 0]]]}],
        },
    }


@pytest.fixture(scope="session", autouse=True)
def remembered_exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RememberedExports]:
    """PyTorch's exporter, seconds for a network, runs once for each structure of the whole run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exports"
    folder.mkdir(exist_ok=True)
    remembered = RememberedExports(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.onnx, "export", remembered)
        # The exporter reads the sources of its 500 translations anew for every network, a third of its time.
        patched.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield remembered


@pytest.fixture
def exporter_itself(remembered_exports: RememberedExports, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's exporter runs in this test, whatever was exported before."""
    monkeypatch.setattr(torch.onnx, "export", remembered_exports.itself)


@pytest.fixture
def small_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's peak is measured on few pixels: a run takes a millisecond, not two tenths of a second."""
    monkeypatch.setattr("hinas.bench.methods.peak_probes._CPU_SIDE", 16)


@pytest.fixture
def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """(command's app, *arguments) -> its exit code and what it prints.

    The command runs as its entry point runs it, but in this process: a process of its own costs seconds of imports.
    """

    def run(app: typer.Typer, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = ["hinas", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as exit:
            run_command(app)
        printed = capsys.readouterr()
        assert isinstance(exit.value.code, int)
        return subprocess.CompletedProcess(command, exit.value.code, printed.out, printed.err)

    return run


@pytest.fixture
def mistake(in_process: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., str]:
    """(command's app, *arguments) -> what it prints on stderr; the exit code is 2 and there is no traceback."""

    def printed(app: typer.Typer, *arguments: str | Path) -> str:
        result = in_process(app, *arguments)
        assert result.returncode == 2, (arguments, result.stderr)
        assert "Traceback" not in result.stderr
        return result.stderr

    return printed


@pytest.fixture(scope="session")
def small_document() -> Callable[[int], dict[str, Any]]:
    """channels -> the JSON document of a small genotype."""
    return _small_document


@pytest.fixture(scope="session")
def random_document() -> Callable[[int], dict[str, Any]]:
    """seed -> the JSON document of a small random genotype."""
    return _random_document


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a few small clean pictures with edges, ramps and texture."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(3):
        height, width = 70 + 8 * index, 90
        rows, columns = np.mgrid[:height, :width]
        ramp = 255 * columns / width
        stripes = 127 + 100 * np.sin((rows + index * columns) / 5)
        disc = 255.0 * ((rows - 35) ** 2 + (columns - 45) ** 2 < 400)
        pixels = np.stack([ramp, stripes, disc], axis=-1).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"picture-{index}.png")
    return folder


def tiny_model(
    path: Path,
    *,
    channels: int = 1,
    conditioned: bool = True,
    alignment: int = 1,
    sigma_range: tuple[float, float] | None = (0.0, 75.0),
    tiling: str = "exact",
    bias: float = 0.0,
    scale: int = 1,
    seed: int = 0,
) -> Path:
    """A model as exact as the real ones: two zero-padded 3 x 3 convolutions, plus sigma / 2550 where conditioned.

    They work at half resolution where `alignment` is 2. Where `scale` is above 1 a pixel shuffle ends
    them, around 0.5.
    `bias` is added to every value: NaN or infinity make the output so. `approximate` adds the whole image's mean.
    """
    generator = np.random.default_rng(seed)
    block = alignment
    inner = channels * block * block
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def add(operation: str, inputs: list[str], **attributes: Any) -> str:
        output = f"t{len(nodes)}"
        nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constant(name: str, values: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(values, name))
        return name

    def convolution(value: str, num_in: int, num_out: int, name: str) -> str:
        kernel = generator.standard_normal((num_out, num_in, 3, 3)).astype(np.float32) / np.float32(3 * num_in**0.5)
        return add("Conv", [value, constant(name, kernel)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    value = add("SpaceToDepth", ["noisy"], blocksize=block) if block > 1 else "noisy"
    value = add("LeakyRelu", [convolution(value, inner, 4, "first")], alpha=0.1)
    value = convolution(value, 4, inner * scale**2, "second")
    if block * scale > 1:
        value = add("DepthToSpace", [value], blocksize=block * scale, mode="CRD")
    if tiling == "approximate":
        value = add("Add", [value, add("ReduceMean", ["noisy"], axes=[2, 3], keepdims=1)])
    if conditioned:
        level = add("Reshape", ["sigma", constant("shape", np.array([-1, 1, 1, 1], np.int64))])
        value = add("Add", [value, add("Div", [level, constant("scale", np.array(2550, np.float32))])])
    value = add("Add", [value, constant("bias", np.array(bias, np.float32))])
    base = "noisy" if scale == 1 else constant("grey", np.array(0.5, np.float32))
    nodes.append(helper.make_node("Add", [base, value], ["denoised"]))
    pixels = ["B", channels, "H", "W"]
    inputs = [helper.make_tensor_value_info("noisy", TensorProto.FLOAT, pixels)]
    if conditioned:
        inputs.append(helper.make_tensor_value_info("sigma", TensorProto.FLOAT, ["B"]))
    result = pixels if scale == 1 else ["B", channels, "larger H", "larger W"]
    outputs = [helper.make_tensor_value_info("denoised", TensorProto.FLOAT, result)]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    manifest = ModelManifest(
        channels=channels,
        scale=scale,
        task="raw" if channels == 4 else "denoise" if scale == 1 else "super-resolution",
        halo=2 * alignment + (alignment - 1),
        alignment=alignment,
        tiling=tiling,  # pyright: ignore[reportArgumentType]
        conditioned=conditioned,
        sigma_range=sigma_range,
        weights="trained",
        genotype="{}",
    )
    helper.set_model_props(model, manifest.to_metadata())
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Path]:
    """`tiny_model`, for networks that `models` has not."""
    return tiny_model


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files by name: gray, color (conditioned, alignment 2), gray1, color1 (alignment 1), single (sigma 30)."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "gray": tiny_model(folder / "gray.onnx", channels=1, alignment=2),
        "color": tiny_model(folder / "color.onnx", channels=3, alignment=2),
        "gray1": tiny_model(folder / "gray1.onnx", channels=1),
        "color1": tiny_model(folder / "color1.onnx", channels=3),
        "single": tiny_model(folder / "single.onnx", channels=1, conditioned=False, sigma_range=(30.0, 30.0)),
        "narrow": tiny_model(folder / "narrow.onnx", channels=1, sigma_range=(5.0, 10.0)),
        "blind": tiny_model(folder / "blind.onnx", channels=3, conditioned=False, sigma_range=None),
        "whole": tiny_model(folder / "whole.onnx", channels=1, tiling="approximate"),
        "infinite": tiny_model(folder / "infinite.onnx", channels=1, bias=float("nan")),
    }
