"""Pyramid networks as model files: every part is exported, no folded branch is left, tiles give the whole image."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hinas.export.freeze import finished_model, plain_export
from hinas.export.tensorrt.parser_support import for_older_parser, unsupported_nodes
from hinas.runtime import Denoiser
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.learning.weights import save_weights
from torch import nn

LEVELS = [
    {"width": 4, "blocks": 1, "blocks_after": 1, "kind": "chain", "convolution": "reparameterised"},
    {"width": 6, "blocks": 1, "blocks_after": 1, "kind": "residual", "convolution": "5x5"},
    {"width": 8, "blocks": 2, "kind": "plain"},
]
STEPS = [
    {"down": "strided", "up": "shuffle", "skips": "add"},
    {"down": "unshuffle", "up": "transposed", "skips": "concatenate"},
    {"down": "max_pool", "up": "nearest", "skips": "concatenate", "skips_leave": "entry"},
]


def _genotype(steps: Any) -> Genotype:
    network = {"stem": {"resolution": "half"}, "levels": LEVELS, "steps": steps, "conditioning": {"range": [0, 75]}}
    document = {"format": "hinas-genotype", "version": 1, "space": "pyramid", "task": {"channels": 1}}
    return genotype_from_json(json.dumps(document | {"network": network}))


@pytest.mark.slow
@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: steps["down"])
def test_a_network_of_levels_exports_and_tiles_exactly(steps: Any, tmp_path: Path) -> None:
    genotype = _genotype(steps)
    torch.manual_seed(0)
    network = genotype.built()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    save_weights(network, tmp_path / "weights.safetensors", identity=genotype.identity, training={})
    # Freezing compares halo and outputs with the network that has its branches still.
    plain = plain_export(genotype, tmp_path / "weights.safetensors")
    kernels = Counter(tuple(item.dims[2:]) for item in plain.model.graph.initializer if len(item.dims) == 4)
    # Stem, two folded links, two plain blocks, the end.
    assert kernels[3, 3] == 6
    assert kernels[5, 5] == 4
    assert unsupported_nodes(plain.model, (10, 0)) == []
    assert unsupported_nodes(for_older_parser(plain.model), (8, 6)) == []
    content, report = finished_model(plain, "ort")
    onnx.checker.check_model(onnx.load_from_string(content))
    (tmp_path / "model.onnx").write_bytes(content)
    assert report.alignment == 8
    for height, width in ((1, 1), (3, 50), (90, 71), (160, 8)):
        image = np.random.default_rng(0).random((height, width), np.float32)
        whole, tiled = (Denoiser.load(tmp_path / "model.onnx", "cpu", tile=tile) for tile in (None, 24))
        expected = whole(image, 25.0)
        assert expected.shape == image.shape and np.abs(expected - image).max() > 0.01
        np.testing.assert_allclose(tiled(image, 25.0), expected, atol=1e-5)
