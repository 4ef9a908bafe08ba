"""What the steps have measured, read from what they print and write, and the one table to paste."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Table:
    """Named columns and rows of texts; an empty text is nothing."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def markdown_tables(text: str) -> tuple[Table, ...]:
    """The tables in a text; of one that ends in the middle, the rows that are whole."""
    blocks: list[list[tuple[str, ...]]] = []
    is_in_table = False
    for line in text.splitlines():
        is_row = line.startswith("|") and line.endswith("|")
        if is_row:
            if not is_in_table:
                blocks.append([])
            blocks[-1].append(tuple(cell.strip() for cell in line[1:-1].split("|")))
        is_in_table = is_row
    return tuple(
        Table(columns, tuple(row for row in rows if len(row) == len(columns)))
        for columns, _, *rows in (block for block in blocks if len(block) > 1)
    )


_BENCH_COLUMNS = {
    "model": lambda entry: entry["model"],
    "backend": lambda entry: entry["backend"],
    "precision": lambda entry: entry["precision"],
    "size": lambda entry: entry["size"],
    "origin": lambda entry: entry["origin"],
    "p50 ms": lambda entry: f"{entry['latency_ms']['p50']:.3f}",
    "p99 ms": lambda entry: _number(entry["latency_ms"]["p99"], ".3f"),
    "Mpixel/s": lambda entry: _number(entry["throughput_mpix_s"], ".1f"),
    "in ms": lambda entry: _number(entry["transfer_in_ms"], ".3f"),
    "out ms": lambda entry: _number(entry["transfer_out_ms"], ".3f"),
    "of the peak": lambda entry: _number(entry["share_of_peak"], ".1%"),
    "J": lambda entry: _number(entry["energy_j"], ".4f"),
    "GPU MiB": lambda entry: _number(entry["peak_device_bytes"], ".0f", 2**-20),
}


def bench_table(results: Path) -> tuple[Table, ...]:
    """The latencies of a results.json of hinas-bench; nothing where there is none."""
    try:
        entries = json.loads(results.read_text(encoding="utf-8"))["entries"]
    except FileNotFoundError:
        return ()
    rows = [
        tuple("" if (text := told(entry)) is None else str(text) for told in _BENCH_COLUMNS.values())
        for entry in entries
        if entry["latency_ms"] is not None and entry["origin"] != "published"
    ]
    return (Table(tuple(_BENCH_COLUMNS), tuple(rows)),)


def training_table(history: Path) -> tuple[Table, ...]:
    """The speed of a training between the first and the last line of its history.csv, and what it reached."""
    try:
        with history.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError:
        return ()
    if len(rows) < 2:
        return ()
    # Up to the first line kernels are compiled and chosen.
    first, last = rows[0], rows[-1]
    iterations = int(last["iteration"]) - int(first["iteration"])
    seconds = float(last["seconds"]) - float(first["seconds"])
    speed = f"{iterations / seconds:.1f}" if seconds > 0 else ""
    columns = ("what", "iterations", "it/s", "PSNR dB")
    return (Table(columns, (("training", last["iteration"], speed, last["psnr_db"]),)),)


def paste_table(states: Iterable[tuple[str, str, float, Sequence[Table]]]) -> str:
    """(step, what became of it, its seconds, its tables) -> one table in Markdown.

    A row's figures are written as `name value`, so that steps that measure different things share the columns.
    """
    lines = ["| step | what | figures |", "|---|---|---|"]
    for step, became, seconds, tables in states:
        lines.append(f"| **{step}** | {became} | {seconds:.0f} s |")
        for table in tables:
            lines += [_row(step, table.columns, row) for row in table.rows]
    return "\n".join(lines) + "\n"


def _row(step: str, columns: tuple[str, ...], row: tuple[str, ...]) -> str:
    cells = list(zip(columns, row, strict=True))
    # What a row is about comes first in every table, and is no number.
    count = next((index for index, (_, cell) in enumerate(cells) if index and _is_number(cell)), len(cells))
    what = ", ".join(cell for _, cell in cells[:count] if cell)
    figures = ", ".join(f"{name} {cell}" for name, cell in cells[count:] if cell)
    return f"| {step} | {what} | {figures} |"


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%").replace(",", ""))
    except ValueError:
        return False
    return True


def _number(value: Any, form: str, factor: float = 1.0) -> str | None:
    return None if value is None else format(value * factor, form)
