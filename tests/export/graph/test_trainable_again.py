"""A model that hinas-export wrote holds its network's weights: training, or another export, goes on from it alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from hinas.errors import UserError
from hinas.export.freeze import finished_model, frozen_model, plain_export
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from hinas.search.bundled_genotypes import genotype_file
from hinas.search.genotype import Genotype, genotype_from_json, read_genotype
from hinas.search.learning.weights import load_fitting_weights, load_weights, save_weights
from hinas.search.learning.weights_in_model import STATE_DICT


def _trained(genotype: Genotype, path: Path) -> torch.nn.Module:
    torch.manual_seed(3)
    network = genotype.built()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else 0.02 * torch.randn_like(tensor))
    save_weights(network, path, identity=genotype.identity, training={"iterations_done": 7})
    return network


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Genotype, torch.nn.Module, Path]:
    """Of `gray-fast`'s network, whose last convolution the export rewrites, with other weights."""
    folder = tmp_path_factory.mktemp("model")
    genotype = read_genotype(genotype_file(Path("gray-fast")))
    network = _trained(genotype, folder / "weights.safetensors")
    file = folder / "model.onnx"
    file.write_bytes(frozen_model(genotype, folder / "weights.safetensors")[0])
    return genotype, network, file


def test_the_weights_come_back_from_the_model(model: tuple[Genotype, torch.nn.Module, Path]) -> None:
    genotype, network, file = model
    named = {item.name for item in onnx.load(file).graph.initializer}
    assert not set(network.state_dict()) <= named, "no rewrite changed a weight: this test would say little"
    again, warm = genotype.built(), genotype.built()
    assert load_weights(again, file, identity=genotype.identity) == {"iterations_done": 7}
    assert load_fitting_weights(warm, file)["iterations_done"] == 7
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]) and torch.equal(tensor, warm.state_dict()[name])
    with pytest.raises(UserError, match=rf"model\.onnx: weights of genotype {genotype.identity}, expected other"):
        load_weights(again, file, identity="other")


def test_an_export_from_the_model_is_the_model(model: tuple[Genotype, torch.nn.Module, Path]) -> None:
    genotype, _, file = model
    assert frozen_model(genotype, file)[0] == file.read_bytes()


def test_a_model_without_such_weights_says_so(
    random_document: Callable[[int], dict[str, Any]], model: tuple[Genotype, torch.nn.Module, Path], tmp_path: Path
) -> None:
    genotype, network, _ = model
    documents = (random_document(seed) for seed in range(100))
    normed = next(
        genotype_from_json(json.dumps(document))
        for document in documents
        if "batch" in json.dumps(document["network"].get("normalisation", ""))
    )
    _trained(normed, tmp_path / "normed.safetensors")
    plain = plain_export(normed, tmp_path / "normed.safetensors")
    (tmp_path / "folded.onnx").write_bytes(finished_model(plain, "ort")[0])
    for file in (tmp_path / "folded.onnx", MODELS_FOLDER / "gray.ort.int8.onnx"):
        with pytest.raises(UserError, match=r"does not hold its network's weights.*give the fp32 model"):
            load_weights(network, file, identity=genotype.identity)


def test_damaged_models_are_refused(model: tuple[Genotype, torch.nn.Module, Path], tmp_path: Path) -> None:
    genotype, network, file = model
    broken = tmp_path / "broken.onnx"
    with pytest.raises(UserError, match="no such model file"):
        load_weights(network, broken, identity=genotype.identity)
    broken.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match="not a readable ONNX file"):
        load_weights(network, broken, identity=genotype.identity)
    content = file.read_bytes()
    place = content.index(network.state_dict()["runs.0.0.first.weight"].numpy().tobytes())
    broken.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(UserError, match="damaged: the weights are not those that the file's checksum is of"):
        load_weights(network, broken, identity=genotype.identity)
    other = onnx.load(file)
    entry = next(item for item in other.metadata_props if item.key == STATE_DICT)
    cut = entry.value.replace('"changed":"', '"changed":"AA')
    for text in ("{", "[]", '{"names":["none"],"changed":"","checksum":""}', cut):
        entry.value = text
        onnx.save(other, broken)
        with pytest.raises(UserError, match=r"damaged: its entry hinas\.state_dict cannot be read"):
            load_weights(network, broken, identity=genotype.identity)
