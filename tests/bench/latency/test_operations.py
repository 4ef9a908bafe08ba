"""Latency tables measured by hinas-bench: the fit finds the prices, the command finds the mistakes."""

import csv
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hinas.bench.commands import app
from hinas.bench.prices.operation_prices import fitted_prices
from hinas.bench.prices.prediction import Prediction, agreement
from hinas.errors import UserError
from hinas.search.architecture_search.latency_table import read_latency_table
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_settings
from PIL import Image
from typer.testing import CliRunner

Run = Callable[..., subprocess.CompletedProcess[str]]

HINAS = space_named("hinas")
assert HINAS.pricing is not None
PRICING = HINAS.pricing
GREY = TaskDescription(channels=1)
SMALL = {
    "layers": 2,
    "nodes": 2,
    "width": 4,
    "compact_width": 4,
    "width_search": "fixed",
    "width_factors": [1.0],
    "stem": {"resolution": "half", "channels": 4},
    "end": {"channels": 4, "early_channels": 4},
}


@pytest.fixture
def bench(in_process: Run) -> Run:
    return partial(in_process, app)


@pytest.mark.parametrize("changes", [{}, {"width_search": "searched", "width_factors": [1, 1.5, 2], "layers": 3}])
def test_the_fit_finds_prices_that_explain_every_network(changes: dict) -> None:
    settings: Any = space_settings("hinas", SMALL | changes)
    probes = [PRICING.blocks(probe, GREY) for probe in PRICING.probes(settings)]
    random = np.random.default_rng(0)
    true = {block: float(random.uniform(0.5, 5)) for block in sorted({block for row in probes for block in row})}

    def latency(counts: dict) -> float:
        return sum(count * true[block] for block, count in counts.items())

    prices = fitted_prices(probes, [latency(dict(row)) for row in probes])
    for seed in range(20):
        counts = dict(PRICING.blocks(HINAS.random(settings, Random(seed)), GREY))
        # Networks that leave an input unread hold a squeeze less than any probe; the others are exact.
        squeezes = sum(count for block, count in counts.items() if block.name == "squeeze")
        if squeezes == 2 * settings.layers:
            predicted = sum(count * prices[block] for block, count in counts.items())
            assert predicted == pytest.approx(latency(counts), rel=1e-6)


def test_agreement_sums_up_errors() -> None:
    figures = [(10.0, 10.0), (22.0, 20.0), (36.0, 40.0)]
    found = agreement(
        [Prediction(model="m", genotype="g", predicted_ms=p, measured_ms=m) for p, m in figures],
    )
    assert found.rank_correlation == pytest.approx(1)
    assert found.mean_error == pytest.approx(0.2 / 3)
    assert found.bias == pytest.approx(0)


@pytest.mark.slow
def test_a_space_is_priced_and_checked(bench: Run, tmp_path: Path) -> None:
    stacks = {"resolutions": ["full"], "levels": [1, 1], "widths": [8], "middle": [1, 4], "kinds": ["single"]}
    stacks |= {"conditioning": None}
    document = {"format": "hinas-space", "version": 2, "space": "pyramid", "task": {"channels": 1}, "settings": stacks}
    (tmp_path / "space.json").write_text(json.dumps(document))
    searched = space_named("pyramid")
    assert searched.pricing is not None
    out = tmp_path / "out"
    result = bench(
        "--operations", tmp_path / "space.json", "--size", "32x24", "--rounds", "2", "--check", "3", "--out", out
    )
    assert result.returncode == 0, result.stderr
    assert "3 networks: rank correlation" in result.stdout
    table = read_latency_table(out / "latency-table.json")
    assert (table.width, table.height, table.threads, table.backend) == (32, 24, 1, "cpu")
    assert table.library.startswith("onnxruntime") and table.command.startswith("hinas-bench --operations")
    rows = list(csv.DictReader((out / "latency-check.csv").open()))
    settings = space_settings("pyramid", stacks)
    draw = Random(0)
    for row in rows:
        counts = searched.pricing.blocks(searched.random(settings, draw), GREY)
        assert float(row["predicted_ms"]) == pytest.approx(table.predicted_ms(counts), abs=1e-3)
        assert float(row["measured_ms"]) > 0
    assert len(rows) == 3
    with Image.open(out / "latency-check.png") as picture:
        assert picture.width > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--operations", "nowhere.json"), "cannot be read"),
        (("--operations", "x.json", "--data", "photos"), "--data: --operations measures"),
        (("--operations", "x.json", "--size", "32x24,64x48"), "a latency table is for one size"),
        (("--operations", "x.json", "--gpu", "h200"), "--gpu: --operations measures"),
        (("--check", "3"), "give --operations"),
        (("--seed", "3"), "give --operations"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()
