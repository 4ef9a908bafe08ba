"""Two results files compared: noise is no change, a slower model is one, a slower machine is not blamed on a model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.bench.commands import app
from hinas.bench.latency.measure_latency import latency_of
from hinas.bench.results.compare import Comparison, compare_results, drawn_medians
from hinas.bench.results.comparison_text import comparison_json, comparison_table
from hinas.bench.results.entries import Entry, Results
from hinas.bench.results.results_file import write_results
from hinas.errors import UserError
from stand_ins.machine import MACHINE
from typer.testing import CliRunner

MODELS = {"a": 5.0, "b": 40.0, "c": 160.0, "d": 700.0}


def _entry(model: str, **given: Any) -> Entry:
    facts = {"channels": 1, "origin": "measured", "source": "file", "device": MACHINE.cpu, "backend": "cpu"}
    return Entry.model_validate({"model": model} | facts | given)


def _latency(model: str, ms: float, seed: int, **changes: Any) -> Entry:
    """30 runs of 2 % noise with now and then a slow one, as a machine gives them."""
    random = np.random.default_rng(seed)
    noise = random.normal(1, 0.02, 30) + 0.3 * (random.random(30) < 0.1)
    latency = latency_of((ms * noise).tolist(), warm_up_runs=3, is_warm=True, cold_start=None)
    return _entry(model, **{"size": "48x32", "batch": 1, "latency_ms": latency} | changes)


def _quality(model: str, psnr_db: float | None, ssim: float = 0.8) -> Entry:
    given = {"dataset": "pictures", "sigma": 30, "protocol": "standard"}
    return _entry(model, psnr_db=psnr_db, ssim=ssim, **given)


def _results(*entries: Entry, **machine: Any) -> Results:
    return Results(machine=MACHINE.model_copy(update=machine), entries=entries)


def _session(seed: int, factors: dict[str, float] | None = None, *, drift: float = 1.0) -> list[Entry]:
    factors = factors or {}
    return [
        _latency(model, ms * drift * factors.get(model, 1.0), seed * 100 + index)
        for index, (model, ms) in enumerate(MODELS.items())
    ]


def _verdicts(comparison: Comparison) -> dict[str, str]:
    return {change.subject.model: change.verdict for change in comparison.latencies}


@pytest.mark.parametrize("seed", range(2, 12))
def test_noise_is_no_change(seed: int) -> None:
    comparison = compare_results(_results(*_session(1)), _results(*_session(seed)))
    assert set(_verdicts(comparison).values()) == {"unchanged"}
    (drift,) = comparison.drifts
    assert drift.factor == pytest.approx(1, abs=0.02)
    assert drift.interval[0] < drift.factor < drift.interval[1]
    assert "Unchanged within noise: 4 of 4 latencies" in comparison_table(comparison)


@pytest.mark.parametrize("drift", [0.7, 1.0, 1.5])
def test_a_slower_model_is_named_and_a_slower_machine_apart(drift: float) -> None:
    comparison = compare_results(_results(*_session(1)), _results(*_session(2, {"b": 1.2, "d": 0.8}, drift=drift)))
    assert _verdicts(comparison) == {"a": "unchanged", "b": "slower", "c": "unchanged", "d": "faster"}
    assert comparison.drifts[0].factor == pytest.approx(drift, rel=0.03)
    slower = comparison.latencies[1]
    assert slower.own_factor == pytest.approx(1.2, rel=0.04)
    assert slower.interval is not None and slower.interval[0] < 1.2 < slower.interval[1]
    table = comparison_table(comparison)
    assert "Drift of the machine (its own processor)" in table
    assert "slower" in table and "faster" in table


def test_a_model_at_many_sizes_is_still_one_model() -> None:
    def session(seed: int, factor: float) -> list[Entry]:
        sizes = [_latency("a", 9.0 * factor, seed + turn, size=f"{8 + turn}x8") for turn in range(5)]
        return [*sizes, *_session(seed + 7)[1:]]

    comparison = compare_results(_results(*session(1, 1.0)), _results(*session(2, 1.3)))
    verdicts = [change.verdict for change in comparison.latencies]
    assert verdicts == ["slower"] * 5 + ["unchanged"] * 3


def test_two_models_cannot_tell_the_drift() -> None:
    comparison = compare_results(_results(*_session(1)[:2]), _results(*_session(2, drift=1.3)[:2]))
    assert comparison.drifts == ()
    assert set(_verdicts(comparison).values()) == {"slower"}
    assert "Drift of the machine: unknown" in comparison_table(comparison)


def test_a_change_of_quality_beyond_rounding_is_real() -> None:
    old = _results(_quality("a", 28.5), _quality("b", 28.5), _quality("c", None), _quality("d", 28.0, 0.8))
    new = _results(_quality("a", 28.506), _quality("b", 28.504), _quality("c", None), _quality("d", None, 0.81))
    comparison = compare_results(old, new)
    real = {(change.subject.model, change.measure) for change in comparison.qualities if change.is_real}
    assert real == {("a", "PSNR dB"), ("d", "PSNR dB"), ("d", "SSIM")}
    assert "+0.006" in comparison_table(comparison)
    assert json.loads(comparison_json(comparison))["qualities"][0]["is_real"] is True
    json.loads(comparison_json(comparison), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_what_only_one_file_has_and_other_machines_are_named() -> None:
    old = _results(*_session(1), _quality("gone", 28.0))
    new = _results(
        *[entry.model_copy(update={"device": "Other 2000"}) for entry in _session(2, drift=3.0)],
        _latency("came", 3.0, 5, device="gpu"),
        cpu="Other 2000",
        load_average=4.0,
    )
    comparison = compare_results(old, new)
    assert [subject.model for subject in comparison.only_old] == ["gone"]
    assert [subject.model for subject in comparison.only_new] == ["came"]
    assert set(_verdicts(comparison).values()) == {"unchanged"}
    warnings = "\n".join(comparison.warnings)
    for words in ("different machines", "Testing 1000 -> Other 2000", "new file was measured on a busy machine"):
        assert words in warnings


def test_figures_without_samples_are_compared_as_they_stand() -> None:
    given = {"origin": "published", "num_images": 200, "device": "gpu", "source": "paper"}
    old = _results(_entry("a", dataset_time_s=16.21, **given), _entry("b", dataset_time_s=80.0, **given))
    new = _results(_entry("a", dataset_time_s=16.21, **given), _entry("b", dataset_time_s=81.0, **given))
    comparison = compare_results(old, new)
    assert _verdicts(comparison) == {"a": "unchanged", "b": "other figure"}
    assert comparison.drifts == ()


def test_the_wall_time_of_a_quality_is_no_latency() -> None:
    old, new = (_quality("a", 28.5).model_copy(update={"dataset_time_s": seconds}) for seconds in (16.0, 19.0))
    comparison = compare_results(_results(old), _results(new))
    assert comparison.latencies == ()
    assert [change.measure for change in comparison.qualities] == ["PSNR dB", "SSIM"]


def test_qualities_on_other_images_of_the_same_name_are_not_compared() -> None:
    def quality(psnr_db: float, digest: str | None) -> Results:
        return _results(_quality("a", psnr_db).model_copy(update={"images_digest": digest}))

    one, other = "0123456789abcdef", "f" * 16
    comparison = compare_results(quality(28.0, one), quality(35.0, other))
    assert comparison.qualities == ()
    assert [subject.model for subject in (*comparison.only_old, *comparison.only_new)] == ["a", "a"]
    assert "warning: pictures: other images in the two files" in comparison_table(comparison)
    for known in (one, None):
        assert len(compare_results(quality(28.0, one), quality(35.0, known)).qualities) == 2


@pytest.mark.parametrize("count", [1, 2, 7, 10])
def test_medians_are_drawn_as_if_samples_were_drawn_again(count: int) -> None:
    samples = np.random.default_rng(count).lognormal(0, 1, count)
    resampled = np.median(np.random.default_rng(1).choice(samples, (20_000, count)), axis=1)
    drawn = drawn_medians(samples.tolist(), np.random.default_rng(2))
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        # Few different medians exist: compare how often they come, not where a quantile happens to fall.
        level = np.quantile(resampled, share)
        assert np.mean(drawn <= level) == pytest.approx(np.mean(resampled <= level), abs=0.04)


def test_the_command_prints_a_table_or_json_and_names_mistakes(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    write_results(_results(*_session(1)), old)
    write_results(_results(*_session(2, {"c": 1.5})), new)
    result = CliRunner().invoke(app, ["--compare", str(old), str(new)])
    assert result.exit_code == 0, result.output
    assert "slower" in result.output
    result = CliRunner().invoke(app, ["--compare", str(old), str(new), "--json"])
    assert result.exit_code == 0
    assert [item["verdict"] for item in json.loads(result.output)["latencies"]].count("slower") == 1
    for arguments, words in (
        (["--compare", str(old), str(tmp_path / "none.json")], "cannot be read"),
        (["--compare", str(old), str(new), "--data", "photos"], "--compare reads two results files"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, UserError)
        assert words in str(result.exception)
