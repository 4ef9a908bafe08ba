"""Networks of several seeds each, compared."""

import sys
from pathlib import Path

import pytest
from hinas.bench.results.entries import Entry, Results
from hinas.bench.results.results_file import write_results
from PIL import Image
from stand_ins.machine import MACHINE
from trainings.compare_seeds import main, trained_networks


def _quality(model: str, sigma: float, psnr_db: float) -> Entry:
    return Entry(
        model=model, channels=1, origin="measured", psnr_db=psnr_db, dataset="test", protocol="standard", sigma=sigma,
        source="model.onnx",
    )  # fmt: skip


def _results() -> Results:
    entries = (
        _quality("narrow_1", 30, 27.0),
        _quality("narrow_1", 50, 25.0),
        _quality("wide_1", 30, 28.0),
        _quality("wide_2", 30, 28.4),
        _quality("wide_1", 50, 26.0),
        _quality("wide_2", 50, 26.2),
        _quality("noisy input", 30, 19.0),
    )
    return Results(machine=MACHINE, entries=entries)


def test_each_network_has_its_mean_and_spread_over_its_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wide, narrow = trained_networks(_results())
    assert wide.name == "wide"
    assert wide.psnr_db == pytest.approx((27.0, 27.3))
    assert wide.by_level_db == pytest.approx((28.2, 26.1))
    assert wide.spread_db == pytest.approx(0.3)
    assert (narrow.name, narrow.spread_db) == ("narrow", 0)
    write_results(_results(), tmp_path / "results.json")
    monkeypatch.setattr(sys, "argv", ["compare_seeds", f"{tmp_path}/results.json", "--out", f"{tmp_path}/seeds.png"])
    main()
    assert "| wide | 2 | 28.20 / 26.10 | 27.150 | 0.300 |" in capsys.readouterr().out
    assert Image.open(tmp_path / "seeds.png").width > 500


def test_each_precision_counts() -> None:
    exact = _quality("wide_1", 30, 28.0)
    coarse = exact.model_copy(update={"precision": "int8", "psnr_db": 27.0})
    (wide,) = trained_networks(Results(machine=MACHINE, entries=(exact, coarse)))
    assert wide.by_level_db == (28.0, 27.0) and wide.psnr_db == (27.5,)


def test_a_training_that_lacks_a_level_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (_quality("wide_1", 30, 28.0), _quality("wide_2", 30, 28.4), _quality("wide_1", 50, 26.0))
    write_results(Results(machine=MACHINE, entries=entries), tmp_path / "results.json")
    monkeypatch.setattr(sys, "argv", ["compare_seeds", f"{tmp_path}/results.json", "--out", f"{tmp_path}/seeds.png"])
    with pytest.raises(SystemExit, match=r"wide_2 has no score on test, standard, .*, sigma 50"):
        main()
    assert not (tmp_path / "seeds.png").exists()


def test_results_without_seeds_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_results(Results(machine=MACHINE, entries=(_quality("net", 30, 27.0),)), tmp_path / "results.json")
    monkeypatch.setattr(sys, "argv", ["compare_seeds", f"{tmp_path}/results.json", "--out", f"{tmp_path}/seeds.png"])
    with pytest.raises(SystemExit, match=r"results\.json: no quality of a model whose name ends in _ and a number"):
        main()
    assert not (tmp_path / "seeds.png").exists()
