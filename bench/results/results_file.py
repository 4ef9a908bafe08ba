"""The folder that results are written to, and results.json and results.csv in it."""

import csv
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...atomic_files import written_whole
from ...errors import UserError
from .entries import FORMAT, VERSION, Entry, Results


def make_folder(folder: Path) -> None:
    """Make the folder for the results; UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"--out {folder}: a file of that name is in the way; give a folder") from error
    except OSError as error:
        raise UserError(f"--out {folder}: cannot make this folder ({error.strerror})") from error


def results_from_json(text: str, name: str) -> Results:
    """Validate the text of a results file; UserError names the file, the JSON path and what stood there."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UserError(f"{name}: not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UserError(f'{name}: not a results file of hinas-bench (it lacks "format": "{FORMAT}")')
    if isinstance(document.get("version"), int) and document["version"] > VERSION:
        raise UserError(
            f"{name}: results of version {document['version']}; this hinas reads up to {VERSION}, update it"
        )
    try:
        # From the text: JSON's arrays are the tuples of a strict schema.
        return Results.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        raise UserError(f"{name}: ${place} is {str(first['input'])[:60]!r}: {first['msg']}") from error


def read_results(path: Path) -> Results:
    """Read and validate a results file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    return results_from_json(text, str(path))


def write_results(results: Results, path: Path) -> None:
    """Write results.json, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(results.to_json(), encoding="utf-8")


def write_results_csv(results: Results, path: Path) -> None:
    """The entries as a table: `latency_ms` becomes `latency_ms_p50` and so on; the raw samples stay in the JSON."""
    columns = [column for name in Entry.model_fields for column in _columns_of(name)]
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(_row(entry) for entry in results.entries)


_LATENCY_COLUMNS = ("min", "p50", "p90", "p99", "runs")


def _columns_of(name: str) -> list[str]:
    return [f"latency_ms_{part}" for part in _LATENCY_COLUMNS] if name == "latency_ms" else [name]


def _row(entry: Entry) -> dict[str, Any]:
    row = entry.model_dump(exclude={"latency_ms"})
    if entry.latency_ms is not None:
        row |= {f"latency_ms_{part}": getattr(entry.latency_ms, part) for part in _LATENCY_COLUMNS}
    return row
