"""Results of several sessions become those of one, or an error says which two files do not go together."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hinas.bench.commands import app
from hinas.bench.devices.environment import Machine
from hinas.bench.results.entries import Entry, Latency, Results
from hinas.bench.results.joining import NamedResults, joined_results, session_dates
from hinas.bench.results.results_file import read_results, write_results
from hinas.errors import UserError
from stand_ins.machine import MACHINE
from typer.testing import CliRunner

RUN = {
    "device": MACHINE.cpu, "backend": "cpu", "precision": "fp32", "threads": 1, "source": "file", "origin": "measured",
}  # fmt: skip
LATER = MACHINE.model_copy(update={"date_utc": MACHINE.date_utc + timedelta(days=3), "load_average": 0.25})


def _latency(model: str, channels: int, ms: float, **changes: Any) -> Entry:
    timed = {"size": "500x400", "batch": 1, "latency_ms": Latency(p50=ms, runs=1, samples=(ms,))}
    return Entry.model_validate(RUN | timed | {"model": model, "channels": channels} | changes)


def _quality(model: str, channels: int, psnr_db: float, **changes: Any) -> Entry:
    facts = {"psnr_db": psnr_db, "ssim": 0.7, "dataset": "test", "sigma": 50, "protocol": "standard"}
    return Entry.model_validate(RUN | facts | {"model": model, "channels": channels} | changes)


def _photograph(model: str, psnr_db: float, iso: int) -> Entry:
    return _quality(model, 3, psnr_db, task=f"camera ISO {iso}", protocol="task cases", sigma=None)


NOISY = _quality("noisy input", 1, 15.0, backend=None, precision=None, threads=None, device=None)
PAPER = _quality("theirs", 1, 27.0, origin="published")
GREY = (_latency("gray", 1, 20.0), _quality("gray", 1, 26.5), NOISY, PAPER)
PHOTO = (
    _latency("photo", 3, 40.0, task="camera"),
    *(_photograph("photo", 42 - iso / 1000, iso) for iso in (400, 1600, 6400)),
    *(_photograph("noisy input", 40 - iso / 500, iso) for iso in (400, 1600, 6400)),
)


def _part(name: str, *entries: Entry, machine: Machine = MACHINE) -> NamedResults:
    return NamedResults(name=name, results=Results(machine=machine, entries=entries))


def test_all_entries_are_there_once_in_their_order() -> None:
    colour = (_latency("color", 3, 30.0), NOISY, PAPER)
    joined = joined_results([_part("a", *GREY), _part("b", *colour, machine=LATER)])
    assert joined.entries == (*GREY, colour[0])
    assert joined.sessions == (MACHINE, LATER)
    assert session_dates(joined) == "2026-01-02 to 2026-01-05 (2 sessions)"


def test_the_machine_is_that_of_the_earliest_session_with_the_largest_load() -> None:
    joined = joined_results([_part("b", machine=LATER), _part("a", *GREY)])
    assert joined.machine == MACHINE.model_copy(update={"load_average": 0.25})


def test_joined_results_join_again_and_know_every_session() -> None:
    last = MACHINE.model_copy(update={"date_utc": MACHINE.date_utc + timedelta(days=9)})
    first = joined_results([_part("a", *GREY), _part("b", *PHOTO, machine=LATER)])
    again = joined_results([_part("c", _latency("color", 3, 9.0), machine=last), NamedResults(name="d", results=first)])
    assert again.sessions == (MACHINE, LATER, last)
    assert again.entries == (_latency("color", 3, 9.0), *GREY, *PHOTO)
    assert joined_results([NamedResults(name="d", results=first), _part("a", *GREY)]) == first


def test_several_figures_that_papers_print_of_one_method_stay() -> None:
    other = _quality("theirs", 1, 27.5, origin="published")
    joined = joined_results([_part("a", PAPER, other), _part("b", other, PAPER)])
    assert joined.entries == (PAPER, other)


def test_results_of_earlier_versions_join_though_they_do_not_say_the_size_of_the_images() -> None:
    sized = NOISY.model_copy(update={"image_size": "40x30"})
    assert joined_results([_part("old", NOISY), _part("new", sized)]).entries == (NOISY,)
    assert joined_results([_part("new", sized), _part("old", NOISY)]).entries == (sized,)
    other = NOISY.model_copy(update={"image_size": "50x30"})
    with pytest.raises(UserError, match="another image_size"):
        joined_results([_part("a", sized), _part("b", other)])


def test_other_images_of_the_same_name_are_not_joined() -> None:
    one, other = (_quality("color", 3, 28.0, images_digest=digest * 16) for digest in "ab")
    with pytest.raises(UserError, match=r"^b\.json: quality of denoise at sigma 50 is .* other images than in a\.json"):
        joined_results([_part("old.json", *GREY), _part("a.json", one), _part("b.json", other)])
    elsewhere = other.model_copy(update={"sigma": 30.0})
    assert len(joined_results([_part("old.json", *GREY), _part("a", one), _part("b", elsewhere)]).entries) == 6


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (_latency("gray", 1, 21.0), r"gray \(grey, 500x400, .*\) is in a\.json too, with another latency_ms"),
        (_quality("gray", 1, 26.6), r"gray \(grey, sigma 50, test, .*\) is in a\.json too, with another psnr_db"),
        (_quality("gray", 1, 26.5, source="other file"), "gray .* a.json too, with another source"),
        (
            _quality("color", 3, 28.0, protocol="hinas-patches"),
            "quality of denoise at sigma 50 is measured by the protocol hinas-patches on test, in a.json by the "
            "protocol standard on test",
        ),
        (_quality("color", 3, 28.0, dataset="others"), "protocol standard on others, in a.json by the .* on test"),
        (
            _latency("color", 3, 30.0, size="100x100"),
            "measured at 100x100 pixels, in a.json at 500x400 pixels",
        ),
        (_latency("color", 3, 30.0, threads=2), "latency is timed with 2 threads, in a.json with 1 thread"),
        (_latency("color", 3, 30.0, threads=None), "with unknown threads, in a.json with 1 thread"),
    ],
)
def test_figures_that_do_not_go_together_name_both_files(second: Entry, expected: str) -> None:
    with pytest.raises(UserError, match=rf"^b\.json: .*{expected}"):
        joined_results([_part("a.json", *GREY), _part("b.json", second)])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"cpu": "Other 2000"}, "cpu Other 2000, not Testing 1000"),
        ({"onnxruntime": "2"}, "onnxruntime 2, not 1"),
        ({"governor": "powersave"}, "governor powersave, not unknown"),
    ],
)
def test_another_machine_names_both_files_and_what_differs(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=rf"^b\.json: .* than a\.json \(.*{expected}.*\)"):
        joined_results([_part("a.json", *GREY), _part("b.json", machine=MACHINE.model_copy(update=change))])


def test_what_tells_nothing_of_each_other_may_differ() -> None:
    others = (
        _quality("color", 3, 30.0, sigma=30, dataset="others", protocol="hinas-patches"),
        _latency("sr-x3", 3, 5.0, task="super-resolution x3", size="160x107"),
        _quality("auto", 3, 35.0, protocol="pairs", sigma=None, dataset="PolyU", level="estimated"),
        _quality("auto", 3, 36.0, protocol="pairs", sigma=None, dataset="CC15", level="estimated"),
    )
    moment = {"affinity": (1,), "logical_cores": 1, "load_average": None}
    joined = joined_results([_part("a", *GREY), _part("b", *others, machine=MACHINE.model_copy(update=moment))])
    assert joined.entries == (*GREY, *others)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Results of grey images, and of photographs measured three days later."""
    found = tmp_path / "grey" / "results.json", tmp_path / "photo" / "results.json"
    for file, entries, machine in zip(found, (GREY, PHOTO), (MACHINE, LATER), strict=True):
        file.parent.mkdir()
        write_results(Results(machine=machine, entries=entries), file)
    return found


def test_the_command_writes_one_session_with_its_pictures(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "session"
    result = CliRunner().invoke(app, ["--join", str(files[0]), "--join", str(files[1]), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "camera ISO 1600" in result.stdout
    assert f"latencies of {files[0]}, {files[1]}: not measured in the same rounds" in result.stderr
    assert read_results(out / "results.json").entries == (*GREY, *PHOTO)
    drawing = (out / "what-time-buys.svg").read_text(encoding="utf-8")
    assert "gray +11.50" in drawing and "photo +3.60" in drawing and "2026-01-05 (2" in drawing
    report = (out / "report.html").read_text(encoding="utf-8")
    dates = "2026-01-02 to 2026-01-05 (2 sessions)"
    assert f"<title>hinas-bench: speed and quality, {dates}</title>" in report
    assert f"Measured {dates}." in report and f"hinas-bench 0, {dates}, Testing 1000" in report
    assert "2 sessions of this machine" in report and "2026-01-05 00:00 UTC (0.25)" in report
    for name in ("results.csv", "tradeoff-gray-sigma-50.png", "what-time-buys.png"):
        assert (out / name).stat().st_size > 100


def test_times_of_one_session_need_no_warning_and_json_is_the_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    write_results(Results(machine=LATER, entries=PHOTO[1:]), files[1])
    out = tmp_path / "session"
    arguments = ["--join", str(files[0]), "--join", str(files[1]), "--out", str(out), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "same rounds" not in result.stderr
    assert json.loads(result.stdout) == json.loads((out / "results.json").read_text(encoding="utf-8"))


def test_pairs_without_latencies_are_joined_too(tmp_path: Path) -> None:
    parts: list[str] = []
    for name in ("PolyU", "CC15"):
        entry = _quality("auto", 3, 35.0, protocol="pairs", sigma=None, dataset=name, level="estimated", num_images=2)
        write_results(Results(machine=MACHINE, entries=(entry,)), tmp_path / f"{name}.json")
        parts += ["--join", str(tmp_path / f"{name}.json")]
    result = CliRunner().invoke(app, [*parts, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "Pairs: PolyU" in result.stdout and "Pairs: CC15" in result.stdout
    assert "Which model at which latency" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_mistakes_exit_with_2_and_write_nothing(
    files: tuple[Path, Path], mistake: Callable[..., str], tmp_path: Path
) -> None:
    grey, photo = files
    later, slower = tmp_path / "later.json", tmp_path / "slower.json"
    later.write_text(photo.read_text(encoding="utf-8").replace('"version": 1', '"version": 2'), encoding="utf-8")
    write_results(Results(machine=LATER, entries=(_latency("gray", 1, 99.0),)), slower)
    out = tmp_path / "out"
    for arguments, expected in (
        (["--join", grey], "one file has nothing to be joined with"),
        (["--join", grey, "--join", grey.parent / ".." / "grey" / "results.json"], "given twice"),
        (["--join", grey, "--join", tmp_path / "nowhere.json"], "nowhere.json: cannot be read"),
        (["--join", grey, "--join", later], "later.json: results of version 2"),
        (["--join", grey, "--join", slower], f"{slower}: gray (grey, 500x400, cpu, fp32, 1 thread) is in {grey} too"),
        (["--join", grey, "--join", photo, "--model", "gray"], "--model: --join joins results files and measures"),
        (["--join", grey, "--join", photo, "--data", "photos"], "--data: --join joins results files and measures"),
        (["--join", grey, "--join", photo, "--compare", grey, photo], "leave one of the two out"),
    ):
        assert expected in mistake(app, *arguments, "--out", out)
    assert not out.exists()
    before = grey.read_bytes()
    assert "give another folder" in mistake(app, "--join", grey, "--join", photo, "--out", grey.parent)
    assert grey.read_bytes() == before
