"""Pairs of pictures, noisy beside clean: found on disk, scored as hinas-denoise treats them, kept in the results."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hinas.bench.commands import app
from hinas.bench.latency.progress import Listener
from hinas.bench.pairs.measure_pairs import PROTOCOL_IN_WORDS
from hinas.bench.pairs.pair_files import find_pairs
from hinas.bench.pairs.pair_methods import Levels
from hinas.bench.pairs_session import PairsSettings, run_pairs
from hinas.bench.quality.psnr_ssim import psnr_db, ssim
from hinas.bench.results.compare import compare_results
from hinas.bench.results.entries import Entry
from hinas.bench.results.pairs_texts import pairs_table
from hinas.bench.results.results_file import read_results, results_from_json
from hinas.bench.session import BenchOutcome
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from PIL import Image

_LEVELS = (5.0, 20.0, 60.0)


def _write_pair(noisy: Path, clean: Path, *, sigma: float = 20.0, width: int = 48) -> None:
    rows, columns = np.mgrid[:40, :width]
    plain = np.dstack([3 * rows + columns, 200 - 2 * columns, 90 + rows]).astype(np.float64)
    noise = np.random.default_rng(int(sigma)).normal(0, sigma, plain.shape)
    for file, pixels in ((noisy, plain + noise), (clean, plain)):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).save(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs with more and more noise, beside a file that is in no pair."""
    folder = tmp_path_factory.mktemp("set")
    for name, sigma in (("a", 10.0), ("b", 20.0), ("c", 40.0)):
        _write_pair(folder / f"{name}_real.png", folder / f"{name}_mean.png", sigma=sigma)
    (folder / "notes.txt").write_text("taken in winter")
    return folder


@pytest.fixture(scope="module")
def outcome(folder: Path, models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> BenchOutcome:
    settings = PairsSettings(
        folders=(folder,),
        models=(str(models["color1"]), str(models["blind"])),
        levels=Levels(given=(20.0,), oracle=_LEVELS),
        out=tmp_path_factory.mktemp("out"),
    )
    return run_pairs(settings, Listener())


def _rows(outcome: BenchOutcome, method: str, asked: str = "") -> list[dict[str, str]]:
    """Of pairs.csv, in the order of the pairs."""
    with outcome.files[2].open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["method"] == method and row["asked"] == asked]


def _entry(outcome: BenchOutcome, model: str, level: str | None) -> Entry:
    (found,) = (entry for entry in outcome.results.entries if (entry.model, entry.level) == (model, level))
    return found


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        ("noisy/{}.png", "clean/{}.png"),
        ("noisy/{}.jpg", "clean/{}.png"),
        ("{}_real.JPG", "{}_mean.JPG"),
        ("{}_Real.png", "{}_mean.png"),
        ("{}_noisy.png", "{}_clean.png"),
        ("scene/{}_NOISY_SRGB_010.PNG", "scene/{}_GT_SRGB_010.PNG"),
        ("mean_{}_real.png", "mean_{}_mean.png"),
    ],
)
def test_pairs_are_told_by_folder_or_by_name(noisy: str, clean: str, tmp_path: Path) -> None:
    for name in ("1", "2", "3", "4"):
        _write_pair(tmp_path / noisy.format(name), tmp_path / clean.format(name))
    found = find_pairs(tmp_path)
    expected = [(tmp_path / noisy.format(name), tmp_path / clean.format(name)) for name in ("1", "2", "3", "4")]
    assert [(pair.noisy, pair.clean) for pair in found.pairs] == expected
    assert found.name == f"{tmp_path.name} (4 pairs)" and found.warnings == ()
    some = find_pairs(tmp_path, limit=2)
    assert [pair.noisy for pair in some.pairs] == [expected[0][0], expected[2][0]]
    assert some.name == f"{tmp_path.name} (2 of 4 pairs)"


def test_what_is_in_no_pair_is_named(folder: Path) -> None:
    (warning,) = find_pairs(folder).warnings
    assert "notes.txt" in warning


def test_what_makes_no_pair_is_a_mistake(mistake: Callable[..., str], tmp_path: Path) -> None:
    for name in ("alone", "sizes", "deep", "twice", "empty"):
        (tmp_path / name).mkdir()
    _write_pair(tmp_path / "alone" / "a_real.png", tmp_path / "alone" / "b_mean.png")
    _write_pair(tmp_path / "sizes" / "noisy" / "a.png", tmp_path / "sizes" / "clean" / "a.png")
    _write_pair(tmp_path / "sizes" / "noisy" / "a.png", tmp_path / "other.png", width=60)
    _write_pair(tmp_path / "twice" / "a_noisy.png", tmp_path / "twice" / "a_clean.png")
    _write_pair(tmp_path / "other.png", tmp_path / "twice" / "a_gt.png")
    _write_pair(tmp_path / "above" / "test" / "noisy" / "a.png", tmp_path / "above" / "test" / "clean" / "a.png")
    for name in ("a_real.png", "a_mean.png"):
        Image.fromarray(np.zeros((30, 30), np.uint16)).save(tmp_path / "deep" / name)
    for name, expected in (
        ("alone", f"a_real.png: has no clean partner, expected {tmp_path / 'alone' / 'a_mean'}.*"),
        ("sizes", "60x40 pixels, but its clean partner a.png has 48x40"),
        ("twice", "two pictures for one place in a pair"),
        ("deep", "expected 8 bits per channel"),
        ("empty", "no pairs of pictures; expected FOLDER/noisy/NAME"),
        ("above", f"no pairs of pictures; give {tmp_path / 'above' / 'test'}"),
        ("nowhere", "no such folder"),
    ):
        assert expected in mistake(app, "--pairs", tmp_path / name, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_without_a_meaning_are_mistakes(
    mistake: Callable[..., str], folder: Path, models: dict[str, Path], tiny: Callable[..., Path], tmp_path: Path
) -> None:
    pairs, color = ("--pairs", folder), ("--model", models["color1"])
    larger = tiny(tmp_path / "larger.onnx", channels=3, scale=2)
    for arguments, expected in (
        ([*pairs, "--data", folder], "--data: --pairs scores pairs of pictures"),
        ([*pairs, "--noise", "file"], "--noise: --pairs scores pairs of pictures"),
        (["--oracle", "5"], "give them with --pairs FOLDER"),
        ([*pairs, "--sigma", "5"], "add --model"),
        ([*pairs, "--oracle", "5"], "add --model"),
        ([*pairs, *color, "--oracle", "loud"], "--oracle loud: 'loud' is no noise level"),
        ([*pairs, *color, "--sigma", "300"], "--sigma: 300 is no noise level"),
        ([*pairs, "--model", larger], "enlarges pictures"),
        ([*pairs, "--model", models["gray"]], "the image is in colour, but the model is for grey images"),
    ):
        assert expected in mistake(app, *arguments, "--out", tmp_path / "out")


def test_auto_is_what_the_command_does(folder: Path, outcome: BenchOutcome, tmp_path: Path) -> None:
    for row, name in zip(_rows(outcome, "auto"), "abc", strict=True):
        written = tmp_path / f"{name}.png"
        request = Request(source=folder / f"{name}_real.png", target=written, threads=1)
        denoise_files(request, Reporter(quiet=True, json=False))
        clean = np.asarray(Image.open(folder / f"{name}_mean.png"))
        result = np.asarray(Image.open(written)).astype(np.float32)
        assert float(row["psnr_db"]) == pytest.approx(psnr_db(result, clean))
        assert float(row["ssim"]) == pytest.approx(ssim(result, clean))


def test_a_named_model_is_told_the_level_that_was_given(
    folder: Path, outcome: BenchOutcome, models: dict[str, Path]
) -> None:
    noisy, clean = (np.asarray(Image.open(folder / name)) for name in ("b_real.png", "b_mean.png"))
    expected = psnr_db(Denoiser.load(models["color1"], "cpu")(noisy, sigma=20).astype(np.float32), clean)
    row = _rows(outcome, "color1", "20.0")[1]
    assert float(row["psnr_db"]) == pytest.approx(expected, abs=0.02)
    assert float(row["gain_db"]) == pytest.approx(expected - psnr_db(noisy.astype(np.float32), clean), abs=0.02)


def test_a_row_holds_the_means_over_the_pairs(outcome: BenchOutcome) -> None:
    entry, rows = _entry(outcome, "auto", "estimated"), _rows(outcome, "auto")
    gains = [float(row["gain_db"]) for row in rows]
    assert entry.psnr_db == pytest.approx(np.mean([float(row["psnr_db"]) for row in rows]))
    assert entry.ssim == pytest.approx(np.mean([float(row["ssim"]) for row in rows]))
    assert entry.gain_db == pytest.approx(np.mean(gains))
    assert entry.num_improved == sum(gain > 0.01 for gain in gains)
    assert entry.median_sigma == pytest.approx(float(rows[1]["estimate"]))
    assert (entry.num_images, entry.protocol) == (3, "pairs")
    assert entry.note is not None and entry.note.startswith(f"chosen: {rows[0]['model']} for ")
    assert _entry(outcome, "noisy input", None).gain_db is None
    assert _entry(outcome, "color1", "given").sigma == 20
    assert _entry(outcome, "blind", None).median_sigma is None, "it takes no level"


def test_the_oracles_are_the_best_of_the_levels_tried_and_say_so(outcome: BenchOutcome) -> None:
    tried = np.array([[float(row["psnr_db"]) for row in _rows(outcome, "color1", str(level))] for level in _LEVELS])
    for_all, for_each = (_entry(outcome, "color1", f"oracle, {kind}") for kind in ("one for all", "best for each"))
    assert for_all.psnr_db == pytest.approx(tried.mean(axis=1).max())
    assert for_all.median_sigma == _LEVELS[int(tried.mean(axis=1).argmax())]
    assert for_each.psnr_db == pytest.approx(tried.max(axis=0).mean())
    table = pairs_table(outcome.results.entries, PROTOCOL_IN_WORDS)
    assert "8-bit files, noisy beside clean, RGB PSNR, level estimated" in table
    assert table.count("ORACLE, ") == 2 and "knowing the clean pictures" in table
    assert "given: 20" in table


def test_results_come_back_compare_with_themselves_and_older_files_are_read(outcome: BenchOutcome) -> None:
    results = read_results(outcome.files[0])
    assert results == outcome.results
    comparison = compare_results(results, results)
    assert len(comparison.qualities) == 2 * len(results.entries)
    assert not any(change.is_real or change.is_other_file for change in comparison.qualities)
    document = json.loads(results.to_json())
    old = {"sigma": 20.0, "protocol": "standard"}
    document["entries"] = [{**document["entries"][0], **old}]
    for name in ("level", "median_sigma", "gain_db", "num_improved"):
        del document["entries"][0][name]
    assert results_from_json(json.dumps(document), "old.json").entries[0].level is None


def test_the_report_shows_pairs_before_after_and_clean(outcome: BenchOutcome) -> None:
    page = outcome.files[3].read_text(encoding="utf-8")
    assert page.count("<img ") == 9
    assert [page.count(f"{which} gain") for which in ("most", "median", "least")] == [1, 1, 1]
    for words in ("b_real.png", "Measured on pairs", "ORACLE", "noisy beside clean", "denoised by auto ("):
        assert words in page
    assert "Which model at which latency" not in page


def test_the_command_prints_the_table_or_the_results(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--pairs", str(folder), "--limit", "1", "--out", str(tmp_path), "--quiet"]
    app(given, standalone_mode=False)
    assert f"{folder.name} (1 of 3 pairs)" in capsys.readouterr().out
    app([*given, "--json"], standalone_mode=False)
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert [(entry["model"], entry["num_images"]) for entry in entries] == [("noisy input", 1), ("auto", 1)]


def test_damaged_and_equal_pairs_do_not_end_the_session(tmp_path: Path) -> None:
    for name in ("equal", "torn"):
        _write_pair(tmp_path / "noisy" / f"{name}.png", tmp_path / "clean" / f"{name}.png")
    equal, torn = tmp_path / "noisy" / "equal.png", tmp_path / "noisy" / "torn.png"
    equal.write_bytes((tmp_path / "clean" / "equal.png").read_bytes())
    torn.write_bytes(torn.read_bytes()[:-60])
    notes: list[str] = []
    outcome = run_pairs(PairsSettings(folders=(tmp_path,), out=tmp_path / "out"), Listener(note=notes.append))
    assert any("torn.png" in note and "left out" in note for note in notes)
    noisy = _entry(outcome, "noisy input", None)
    assert (noisy.psnr_db, noisy.ssim, noisy.num_images) == (None, 1, 1)
    assert "infinite" in pairs_table(outcome.results.entries, PROTOCOL_IN_WORDS)
    equal.write_bytes(torn.read_bytes())
    with pytest.raises(UserError, match=r"no pair of .* could be scored"):
        run_pairs(PairsSettings(folders=(tmp_path,), out=tmp_path / "out"), Listener())
