"""Weights that are ready to be bundled: the mean of states of a training, in bfloat16."""

import sys
from pathlib import Path

import pytest
import torch
from hinas.search.bundled_genotypes import genotype_file
from hinas.search.genotype import Genotype, read_genotype
from hinas.search.learning.weights import load_weights, save_weights
from trainings.average_weights import main


@pytest.fixture
def genotype() -> Genotype:
    return read_genotype(genotype_file(Path("gray-fast")))


def _state(genotype: Genotype, path: Path, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    network = genotype.built()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_weights(network, path, identity=genotype.identity, training={"seed": seed, "validation": {"psnr_db": 30.0}})
    return network


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["average_weights", *map(str, arguments)])
    main()


def test_the_mean_has_the_shares_asked_for_and_says_so(
    genotype: Genotype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (_state(genotype, tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    out = tmp_path / "mean.safetensors"
    asked = ("--shares", "0.25,0.75", "--out", out)
    _run(monkeypatch, genotype_file(Path("gray-fast")), tmp_path / "1.safetensors", tmp_path / "2.safetensors", *asked)
    mean = genotype.built()
    record = load_weights(mean, out, identity=genotype.identity)
    for got, a, b in zip(mean.parameters(), one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(got, 0.25 * a + 0.75 * b, rtol=2**-8, atol=1e-7)
    assert [item["share"] for item in record["averaged"]] == [0.25, 0.75]
    assert record["seed"] == 2
    assert "validation" not in record, "the score is of one state, not of the mean"


def test_one_state_is_rounded_and_keeps_its_record(
    genotype: Genotype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _state(genotype, tmp_path / "1.safetensors", 1)
    out = tmp_path / "rounded.safetensors"
    _run(monkeypatch, genotype_file(Path("gray-fast")), tmp_path / "1.safetensors", "--out", out)
    assert out.stat().st_size < 0.6 * (tmp_path / "1.safetensors").stat().st_size
    network = genotype.built()
    assert load_weights(network, out, identity=genotype.identity)["validation"] == {"psnr_db": 30.0}
    assert all(torch.equal(parameter, parameter.bfloat16().float()) for parameter in network.parameters())


def test_shares_must_be_of_every_file_and_make_a_whole(
    genotype: Genotype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _state(genotype, tmp_path / "1.safetensors", 1)
    with pytest.raises(SystemExit):
        _run(
            monkeypatch, "x.json", tmp_path / "1.safetensors", "--shares", "half", "--out", tmp_path / "out.safetensors"
        )
    assert "invalid numbers value: 'half'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        _run(
            monkeypatch, "x.json", tmp_path / "1.safetensors", "--shares", "0.5", "--out", tmp_path / "out.safetensors"
        )
    assert "expected 1 numbers with the sum 1" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
