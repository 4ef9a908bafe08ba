"""The papers' figures: complete, as printed, and honest about what they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hinas.bench.published.published_figures import (
    PublishedRow,
    published_entries,
    published_table,
    read_published,
    rows_matching,
)
from hinas.errors import UserError
from pydantic import ValidationError


@pytest.fixture(scope="module")
def rows() -> tuple[PublishedRow, ...]:
    return read_published()


def _changed(row: PublishedRow, **changes: object) -> PublishedRow:
    return PublishedRow.model_validate(row.model_dump() | changes)


def test_every_row_is_one_figure_of_one_table(rows: tuple[PublishedRow, ...]) -> None:
    keys = {(row.source, row.task, row.dataset, row.degradation, row.method) for row in rows}
    assert len(keys) == len(rows)
    assert {row.paper for row in rows} == {"HiNAS v1", "HiNAS v2", "Superkernel NAS"}


def test_rows_keep_the_printed_digits_and_the_protocol(rows: tuple[PublishedRow, ...]) -> None:
    (row,) = rows_matching(rows, "hinas V2, 10, Sigma=50, n3net")
    assert (str(row.psnr_db), str(row.ssim), str(row.time_s)) == ("26.50", "0.7490", "80.74")
    for method, protocol in (("HiNAS", "hinas-patches"), ("BM3D", "half-size images"), ("N3Net", "standard")):
        assert {row.protocol for row in rows_matching(rows, f"HiNAS v2, 10, {method}")} == {protocol}
    (odd,) = rows_matching(rows, "HiNAS v1, 5, sigma=70, WNNM")
    assert str(odd.ssim) == "0.3460"
    assert "as printed" in (odd.note or "")


def test_a_choice_without_rows_is_a_mistake(rows: tuple[PublishedRow, ...]) -> None:
    assert rows_matching(rows, "all") == rows
    with pytest.raises(UserError, match="no published figure has all of these"):
        rows_matching(rows, "HiNAS v1, 10")
    with pytest.raises(UserError, match="pictures are drawn with --figure 14a or 14b"):
        rows_matching(rows, "Figure 14")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"protocol": "guessed"}, "protocol"),
        ({"psnr_db": None, "ssim": None}, "a psnr_db or an ssim"),
        ({"device": None}, "stand together"),
        ({"degradation": "rain"}, "sigma=NUMBER"),
        ({"parameters_m": "few"}, "parameters_m"),
        ({"images": 0}, "images"),
    ],
)
def test_a_row_is_validated(rows: tuple[PublishedRow, ...], changes: dict[str, object], expected: str) -> None:
    (row,) = rows_matching(rows, "HiNAS v2, 10, sigma=50, N3Net")
    assert _changed(row) == row
    with pytest.raises(ValidationError, match=expected):
        _changed(row, **changes)


def test_entries_are_published_and_their_times_are_of_a_whole_data_set(rows: tuple[PublishedRow, ...]) -> None:
    entries = published_entries(rows)
    assert len(entries) == len(rows)
    for entry, row in zip(entries, rows, strict=True):
        assert entry.origin == "published"
        assert entry.latency_ms is None
        assert (entry.dataset_time_s is None) == (row.time_s is None)
        assert entry.psnr_db == (None if row.psnr_db is None else float(row.psnr_db))
        # A search takes hours; no table of inference times belongs to these.
        if "search" in (row.note or ""):
            assert entry.dataset_time_s is None
    (row,) = rows_matching(rows, "HiNAS v2, 10, sigma=30, HiNAS")
    (entry,) = published_entries([row])
    assert entry.num_images == 200
    assert entry.device == "GTX 1080 Ti"
    assert entry.parameters is None
    assert "0.22-0.34 M parameters" in (entry.note or "")
    timed = [row for row in rows if row.task == "super-resolution x3" and row.time_s is not None]
    assert {row.dataset for row in timed} == {"BSD100"}


def test_the_table_numbers_its_notes(rows: tuple[PublishedRow, ...]) -> None:
    text = published_table(rows_matching(rows, "HiNAS v2, 10, sigma=70"))
    heading, *_ = text.splitlines()
    assert heading.startswith("HiNAS v2 (arXiv 2012.13212), Table 10")
    assert "0.3460" in text
    (note,) = [line for line in text.splitlines() if "stands out" in line]
    assert next(line for line in text.splitlines() if line.startswith("  WNNM")).split()[-1] == note.split()[0]


def test_the_command_prints_tables_and_json(tmp_path: Path) -> None:
    def printed(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hinas.bench.commands", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    assert "MemNet" in printed("--published", "HiNAS v2, 10").stdout
    document = json.loads(printed("--published", "HiNAS v2, 10", "--json").stdout)
    assert {row["table"] for row in document} == {10}
    assert isinstance(document[0]["psnr_db"], float)
    wrong = printed("--published", "nothing of the kind")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
    assert printed("--published", "all", "--data", ".").returncode == 2
    assert list(tmp_path.iterdir()) == []
