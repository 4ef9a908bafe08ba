"""One level more: the same output at first, and a level that learns."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search.genotype import Genotype, genotype_from_json, read_genotype
from hinas.search.learning.weights import load_weights, save_weights
from trainings import add_level


def _genotype(*levels: dict[str, Any], **steps: str) -> Genotype:
    network: dict[str, Any] = {"stem": {"resolution": "half"}, "levels": levels, "conditioning": {"range": [0, 75]}}
    if len(levels) > 1:
        network["steps"] = steps
    return genotype_from_json(
        json.dumps(
            {
                "format": "hinas-genotype",
                "version": 1,
                "space": "pyramid",
                "task": {"name": "denoise", "channels": 1},
                "network": network,
                "provenance": {"created": "2026-11-30", "command": "hinas-search images", "seed": 3},
            }
        )
    )


TOP = {"width": 16, "kind": "residual", "blocks": 1, "blocks_after": 2}
MIDDLE = {"width": 32, "kind": "single", "blocks": 5}


def _saved(genotype: Genotype, folder: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    network = genotype.built()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    (folder / "shallow.json").write_text(genotype.to_json())
    save_weights(network, folder / "shallow.safetensors", identity=genotype.identity, training={"seed": 7})
    return network


def _run(monkeypatch: pytest.MonkeyPatch, folder: Path, *asked: object) -> None:
    files = [folder / "shallow.json", folder / "shallow.safetensors", "--out", folder / "deep.json"]
    monkeypatch.setattr(sys, "argv", ["add_level.py", *map(str, [*files, *asked])])
    add_level.main()


def _deep(folder: Path) -> tuple[Genotype, torch.nn.Module, dict[str, Any]]:
    genotype = read_genotype(folder / "deep.json")
    network = genotype.built()
    return genotype, network, load_weights(network, folder / "deep.safetensors", identity=genotype.identity)


@pytest.mark.parametrize(
    "levels", [(TOP, MIDDLE), (TOP, MIDDLE | {"blocks_after": 1}, MIDDLE), ({**TOP, "blocks_after": 0},)]
)
@pytest.mark.parametrize("before", [None, 0, 1])
def test_the_deeper_network_computes_what_the_other_did(
    levels: tuple[dict[str, Any], ...], before: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shallow = _saved(_genotype(*levels), tmp_path)
    _run(monkeypatch, tmp_path, "--width", 48, "--blocks", 3, *(() if before is None else ("--before", before)))
    genotype, network, record = _deep(tmp_path)
    assert len(genotype.network.model_dump()["levels"]) == len(levels) + 1
    assert record == {"seed": 7}
    assert genotype.provenance is not None and genotype.provenance.seed == 3
    assert (
        genotype.provenance.command
        == "hinas-search images; then a level more of 3 blocks of 48 channels, by add_level.py"
    )
    noisy, sigma = torch.rand(2, 1, 48, 64), torch.tensor([5.0, 50.0])
    with torch.no_grad():
        expected, got = shallow(noisy, sigma), network(noisy, sigma)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


def test_the_new_level_learns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _saved(_genotype(TOP, MIDDLE), tmp_path)
    _run(monkeypatch, tmp_path, "--width", 48, "--blocks", 1)
    _, network, _ = _deep(tmp_path)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    noisy, sigma = torch.rand(2, 1, 48, 64), torch.tensor([5.0, 50.0])
    before = network.state_dict()["runs.2.0.last.weight"].clone()
    for _ in range(3):
        optimizer.zero_grad()
        network(noisy, sigma).square().mean().backward()
        optimizer.step()
    assert not torch.equal(network.state_dict()["runs.2.0.last.weight"], before)


@pytest.mark.parametrize(
    ("levels", "asked", "message"),
    [
        ((TOP, MIDDLE | {"kind": "chain"}), (), "the last level is chain, expected residual or single"),
        ((TOP, MIDDLE), ("--before", 6), "--before: got 6, expected 0 to 5"),
        ((TOP, MIDDLE), ("--width", 0), "the deeper network"),
        ((TOP, MIDDLE), ("--out", "none/deep.json"), "--out none/deep.json: expected the name of a .json file"),
        ((TOP, MIDDLE), ("--out", "deep.safetensors"), "--out deep.safetensors: expected the name of a .json file"),
    ],
)
def test_what_cannot_be_deepened_is_refused_and_nothing_is_written(
    levels: tuple[dict[str, Any], ...],
    asked: tuple[object, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _saved(_genotype(*levels), tmp_path)
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, tmp_path, "--width", 48, "--blocks", 1, *asked)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("deep*"))


@pytest.mark.parametrize("steps", [{"skips": "concatenate"}, {"up": "nearest"}])
def test_a_way_up_that_cannot_be_zero_is_refused(
    steps: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _saved(_genotype(TOP, MIDDLE, **steps), tmp_path)
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, tmp_path, "--width", MIDDLE["width"], "--blocks", 1)
    assert ended.value.code == 2
    assert "expected skips that add" in capsys.readouterr().err
    assert not list(tmp_path.glob("deep*"))


def test_another_space_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    small_document: Callable[[int], dict[str, Any]],
) -> None:
    (tmp_path / "shallow.json").write_text(json.dumps(small_document(1)))
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, tmp_path, "--width", 48, "--blocks", 1)
    assert ended.value.code == 2
    assert "expected pyramid" in capsys.readouterr().err
