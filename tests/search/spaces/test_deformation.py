"""The deformable convolution of HiNAS v1: what it computes, how far it looks, and its way into a model file."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hinas.export.freeze import frozen_model
from hinas.runtime import Denoiser
from hinas.search.genotype import Genotype
from hinas.search.spaces.hinas.operations import Deformation, start_as_convolutions
from hinas.search.spaces.interface import SpaceDescription, TaskDescription
from hinas.search.spaces.registry import space_named, space_settings
from onnx.reference import ReferenceEvaluator
from torch.nn import functional as F

HINAS = space_named("hinas")
GREY = TaskDescription(channels=1)


def _by_the_definition(x: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor, kernel: torch.Tensor) -> Any:
    """ONNX's DeformConv, whose reference evaluator loops over pixels; its offsets are (row, column) for each tap."""
    pairs = torch.stack(offsets.chunk(2, dim=1), dim=2).flatten(1, 2)
    names = ["x", "kernel", "offset", "bias", "mask"]
    node = onnx.helper.make_node("DeformConv", names, ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    graph = onnx.helper.make_graph(
        [node],
        "deform",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)])
    given = [x, kernel, pairs, torch.zeros(len(kernel)), weights]
    return ReferenceEvaluator(model).run(None, {name: value.numpy() for name, value in zip(names, given, strict=True)})


@pytest.mark.parametrize("limit", [None, 2])
@torch.no_grad()
def test_it_is_the_deformable_convolution_of_the_definition(limit: int | None) -> None:
    torch.manual_seed(1)
    deformation = Deformation(3, limit)
    for convolution in (deformation.offsets, deformation.weights):
        torch.nn.init.normal_(convolution.weight, std=0.4)
    x, kernel = torch.randn(2, 3, 7, 9), torch.randn(4, 3, 3, 3)
    ours = F.conv2d(deformation(x), kernel.flatten(1)[..., None, None])
    offsets = deformation.offsets(x)
    assert offsets.abs().max() > 3, "some taps look outside"
    if limit is not None:
        offsets = limit * torch.tanh(offsets)
    [expected] = _by_the_definition(x, offsets, torch.sigmoid(deformation.weights(x)), kernel)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-4)


@torch.no_grad()
def test_it_starts_as_half_a_convolution() -> None:
    torch.manual_seed(1)
    deformation = Deformation(3, None)
    start_as_convolutions(deformation)
    x, kernel = torch.randn(1, 3, 8, 6), torch.randn(4, 3, 3, 3)
    ours = F.conv2d(deformation(x), kernel.flatten(1)[..., None, None])
    torch.testing.assert_close(ours, 0.5 * F.conv2d(x, kernel, padding=1), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_with_mixed_precision_taps_stay_where_they_are() -> None:
    torch.manual_seed(1)
    deformation = Deformation(2, None)
    start_as_convolutions(deformation)
    x = torch.rand(1, 2, 8, 400).bfloat16()
    exact = deformation(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = deformation(x)
    torch.testing.assert_close(mixed.float(), exact, atol=0.01, rtol=0)


def _described(limit: int | None, layers: int = 2) -> SpaceDescription:
    """Of one deformable convolution for each layer, and one more."""
    settings = space_settings(
        "hinas",
        {
            "layers": layers, "nodes": 2, "width": 4, "compact_width": 4, "candidates": ["def_3x3", "skip", "none"],
            "offset_limit": limit, "stem": {"resolution": "full", "channels": 4}, "normalisation": "batch",
            "end": {"channels": 4, "early_channels": 4}, "conditioning": None, "residual": False,
        },
    )  # fmt: skip
    seed = next(s for s in range(50) if str(HINAS.random(settings, Random(s))).count("def_3x3") == layers + 1)
    return HINAS.random(settings, Random(seed))


def test_without_a_limit_tiles_are_approximate_and_with_one_the_halo_grows_by_it() -> None:
    free, two, three = (HINAS.geometry(_described(limit), GREY) for limit in (None, 2, 3))
    assert free.tiling == "approximate" and free.reach == "up_to_halo"
    assert two.tiling == three.tiling == "exact" and two.reach == "up_to_halo"
    assert three.halo > two.halo
    plain = space_settings("hinas", {"layers": 2, "nodes": 2})
    assert HINAS.geometry(HINAS.random(plain, Random(0)), GREY).reach == "halo"


def test_a_genotype_without_a_limit_says_nothing_of_it() -> None:
    assert "offset_limit" not in Genotype(space="hinas", task=GREY, network=_described(None)).to_json()
    assert '"offset_limit": 2' in Genotype(space="hinas", task=GREY, network=_described(2)).to_json()


@pytest.mark.slow
def test_a_trained_network_with_a_limit_is_exported_and_exact_in_tiles(tmp_path: Path) -> None:
    genotype = Genotype(space="hinas", task=GREY, network=_described(2, layers=1))
    torch.manual_seed(3)
    network = genotype.built()
    for name, parameter in network.named_parameters():
        if ".offsets." in name or "end.last" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    from hinas.search.learning.weights import save_weights

    save_weights(network, tmp_path / "weights.safetensors", identity=genotype.identity, training={})
    content, report = frozen_model(genotype, tmp_path / "weights.safetensors")
    (tmp_path / "model.onnx").write_bytes(content)
    assert report.tiling == "exact"
    image = np.random.default_rng(0).random((93, 70), np.float32)
    whole, tiled = (Denoiser.load(tmp_path / "model.onnx", "cpu", tile=tile) for tile in (None, 32))
    found = whole(image)
    assert np.abs(found - image).max() > 0.05
    np.testing.assert_allclose(tiled(image), found, atol=1e-3)
