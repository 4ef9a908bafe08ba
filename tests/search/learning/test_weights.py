"""Weights files: round trip, and refusal of what does not belong to the network."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from hinas.errors import UserError
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from hinas.search.bundled_genotypes import GENOTYPES_FOLDER, bundled_genotypes, genotype_file, weights_beside
from hinas.search.genotype import read_genotype
from hinas.search.learning.weights import load_fitting_weights, load_weights, save_weights
from torch import nn


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))


def test_weights_and_record_come_back(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    source, target = _network(), _network()
    save_weights(source, path, identity="abc", training={"iterations_done": 7})
    assert load_weights(target, path, identity="abc") == {"iterations_done": 7}
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name])


def test_of_another_network_is_taken_what_fits(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    source = _network()
    save_weights(source, path, identity="abc", training={"iterations_done": 7})
    another = nn.Conv2d(4, 8, 3)
    larger = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), another)
    last = another.weight.detach().clone()
    assert load_fitting_weights(larger, path) == {"iterations_done": 7, "tensors_taken": "7 of 9"}
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, larger.state_dict()[name])
    assert torch.equal(another.weight, last)
    wider = nn.Sequential(nn.Conv2d(1, 5, 3))
    with pytest.raises(UserError, match="nothing in it has the name and the shape"):
        load_fitting_weights(wider, path)
    with pytest.raises(UserError, match="no such weights file"):
        load_fitting_weights(wider, tmp_path / "none")


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(UserError, match="no such weights file"):
        load_weights(_network(), path, identity="abc")
    path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00garbage")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        load_weights(_network(), path, identity="abc")
    save_weights(_network(), path, identity="other", training={})
    with pytest.raises(UserError, match="weights of genotype other, expected abc"):
        load_weights(_network(), path, identity="abc")
    save_weights(nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5)), path, identity="abc", training={})
    with pytest.raises(UserError, match=r"0\.weight: got \(5, 1, 3, 3\), expected \(4, 1, 3, 3\)"):
        load_weights(_network(), path, identity="abc")
    save_weights(nn.Sequential(*_network().children(), nn.Conv2d(4, 4, 1)), path, identity="abc", training={})
    with pytest.raises(UserError, match=r"2\.bias is no weight of this network"):
        load_weights(_network(), path, identity="abc")
    save_weights(nn.Sequential(nn.Conv2d(1, 4, 3)), path, identity="abc", training={})
    with pytest.raises(UserError, match=r"1\.weight: got nothing, expected \(4,\)"):
        load_weights(_network(), path, identity="abc")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_changed_values_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "weights.safetensors"
    source = _network().to(dtype)
    save_weights(source, path, identity="abc", training={})
    assert load_weights(_network().to(dtype), path, identity="abc") == {}
    content = path.read_bytes()
    place = content.index(source.state_dict()["0.weight"].reshape(-1).view(torch.uint8).numpy().tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(UserError, match=r"weights\.safetensors: damaged: .*checksum.*; copy it again"):
        load_weights(_network().to(dtype), path, identity="abc")


def test_nan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    broken = _network()
    with torch.no_grad():
        broken.state_dict()["0.weight"][0, 0, 0, 0] = torch.nan
    save_weights(broken, path, identity="abc", training={})
    with pytest.raises(UserError, match=r"0\.weight holds NaN"):
        load_weights(_network(), path, identity="abc")


def test_plain_safetensors_without_a_record_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(_network().state_dict(), path)
    assert load_weights(_network(), path, identity="abc") == {}


@pytest.mark.parametrize("name", bundled_genotypes())
def test_the_weights_of_a_bundled_network_are_in_its_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = genotype_file(Path(name))
    weights = weights_beside(file)
    assert weights is not None and weights == MODELS_FOLDER / f"{name}.onnx"
    monkeypatch.chdir(GENOTYPES_FOLDER.parent.parent)
    found = weights_beside(Path("search", "genotypes", f"{name}.json"))
    assert found is not None and found.samefile(weights)
    genotype = read_genotype(file)
    assert load_weights(genotype.built(), weights, identity=genotype.identity)["iterations_done"] > 0


def test_weights_beside_a_genotype_come_before_any_model(tmp_path: Path) -> None:
    genotype = tmp_path / "gray.json"
    genotype.write_bytes(genotype_file(Path("gray")).read_bytes())
    assert weights_beside(genotype) is None
    (tmp_path / "weights.safetensors").touch()
    assert weights_beside(genotype) == tmp_path / "weights.safetensors"
    (tmp_path / "gray.safetensors").touch()
    assert weights_beside(genotype) == tmp_path / "gray.safetensors"
