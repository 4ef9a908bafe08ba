"""The projection tried on this machine, as a maintainer runs it."""

import csv
import json
from pathlib import Path

import calibrate_projection
import pytest
from calibrate_projection import CalibrationSettings, app, calibration_table, run_calibration
from hinas.bench.latency.measure_latency import Rounds
from hinas.bench.latency.progress import Listener
from hinas.bench.latency.timed_method import Size
from hinas.errors import UserError
from PIL import Image
from typer.testing import CliRunner


@pytest.mark.slow
def test_this_machine_is_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {"stem": {"resolution": "full", "channels": 4}, "end": {"channels": 4, "early_channels": 4}}
    small = {
        "layers": 1,
        "nodes": 1,
        "compact_width": 4,
        "candidates": ["conv_3x3", "skip", "none"],
        "width_search": "fixed",
        "conditioning": None,
    }
    monkeypatch.setattr(calibrate_projection, "_SPACES", ({**small, **ends},))
    # Every network is measured in a process of its own.
    monkeypatch.setattr(calibrate_projection, "bundled_denoisers", lambda: ("gray", "color"))
    request = CalibrationSettings(
        num_random=3,
        size=Size(width=48, height=32),
        threads=1,
        rounds=Rounds(fewest=2, seconds=0.01, starts=1),
        seed=0,
        out=tmp_path,
    )
    outcome = run_calibration(request, Listener())
    assert "shares reached: dense" in calibration_table(outcome)
    document = json.loads((tmp_path / "calibration.json").read_text())
    assert document["roof"]["macs_per_s"] > 1e8
    assert document["roof"]["bytes_per_s"] > 1e8
    assert 0 < document["calibration"]["dense"] <= 2
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert len(rows) == document["agreement"]["networks"] >= 12
    low, high = document["calibration"]["range_factors"]
    for row in rows:
        assert low * 0.99 <= float(row["measured_ms"]) / float(row["predicted_ms"]) <= high * 1.01
    with Image.open(tmp_path / "calibration.png") as picture:
        assert picture.width > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("1",), "too few random networks"), (("3", "--size", "32x24,64x48"), "a calibration is for one size")],
)
def test_mistakes_are_named(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()
