"""results.json: what it may hold, and how mistakes in it are named."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hinas.bench.devices.environment import Machine, describe_machine
from hinas.bench.latency.measure_latency import latency_of
from hinas.bench.results.entries import Entry, Results
from hinas.bench.results.results_file import read_results, results_from_json, write_results, write_results_csv
from hinas.errors import UserError
from pydantic import ValidationError
from stand_ins.machine import MACHINE


def _latency(model: str, *, channels: int = 1, size: str = "481x321") -> Entry:
    samples = (12.0, 10.0, 11.0)
    return Entry.model_validate(
        {
            "model": model,
            "channels": channels,
            "origin": "measured",
            "parameters": 1000,
            "device": "cpu",
            "size": size,
            "batch": 1,
            "latency_ms": latency_of(samples, warm_up_runs=3, is_warm=True, cold_start=None),
            "source": "file",
        }
    )


def _quality(model: str, psnr_db: float, sigma: float = 30, **changes: Any) -> Entry:
    given = {
        "model": model,
        "channels": 1,
        "origin": "measured",
        "psnr_db": psnr_db,
        "ssim": 0.8,
        "dataset": "pictures",
        "sigma": sigma,
        "protocol": "standard",
        "source": "file",
    }
    return Entry.model_validate(given | changes)


RESULTS = Results(machine=MACHINE, entries=(_latency("a"), _quality("a", 28.5), _quality("noisy input", 18.0)))


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == RESULTS
    write_results_csv(RESULTS, tmp_path / "results.csv")
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [row["model"] for row in rows] == ["a", "a", "noisy input"]
    assert float(rows[0]["latency_ms_p50"]) == 11
    assert rows[1]["latency_ms_p50"] == ""


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["format"], "other", "not a results file of hinas-bench"),
        (["version"], 7, "results of version 7"),
        (["entries", 1, "origin"], "guessed", r"\$\.entries\[1\]\.origin is 'guessed'"),
        (["entries", 1, "sigma"], -1, r"\$\.entries\[1\]\.sigma"),
        (["entries", 0, "latency_ms", "p50"], "fast", r"\$\.entries\[0\]\.latency_ms\.p50 is 'fast'"),
        (["entries", 0, "colour"], 1, r"\$\.entries\[0\]\.colour"),
    ],
)
def test_a_mistake_is_named_with_its_path(path: list[Any], value: Any, expected: str) -> None:
    document = json.loads(RESULTS.to_json())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(UserError, match=rf"mine\.json: .*{expected}"):
        results_from_json(json.dumps(document), "mine.json")


def test_a_measured_latency_keeps_its_samples_and_a_quality_its_protocol() -> None:
    entry = _latency("a").model_dump()
    entry["latency_ms"]["samples"] = ()
    with pytest.raises(ValidationError, match="keeps its samples"):
        Entry.model_validate(entry)
    with pytest.raises(ValidationError, match="lacks protocol"):
        _quality("a", 28.0, protocol=None)


def test_the_machine_describes_itself() -> None:
    machine = describe_machine()
    assert machine.cpu
    assert machine.logical_cores >= 1
    assert machine.memory_bytes > 2**20
    assert Machine.model_validate_json(machine.model_dump_json()) == machine
