"""Published figures as text and as JSON."""

from collections.abc import Iterable
from itertools import groupby

from pydantic import TypeAdapter

from ..results.tables import text_table
from .rows import PublishedRow

_HEADING = ("method", "data set", "degradation", "parameters M", "time s", "device", "PSNR dB", "SSIM", "protocol")


def published_table(rows: Iterable[PublishedRow]) -> str:
    """A table for each table of the papers, numbers with the printed digits, notes below."""
    return "\n\n".join(_one_table(source, list(group)) for source, group in groupby(rows, lambda row: row.source))


def published_json(rows: Iterable[PublishedRow]) -> str:
    """The rows as a JSON array of objects."""
    return TypeAdapter(tuple[PublishedRow, ...]).dump_json(tuple(rows), indent=1).decode() + "\n"


def _one_table(source: str, rows: list[PublishedRow]) -> str:
    numbers = {note: f"[{index}]" for index, note in enumerate(dict.fromkeys(row.note for row in rows if row.note), 1)}
    table = text_table((*_HEADING, "note"), [(*_cells(row), numbers.get(row.note or "", "")) for row in rows])
    tasks = ", ".join(dict.fromkeys(row.task for row in rows))
    return "\n".join([f"{source}: {tasks}", table, *(f"  {number} {note}" for note, number in numbers.items())])


def _cells(row: PublishedRow) -> tuple[str, ...]:
    values = (row.parameters_m, row.time_s, row.device, row.psnr_db, row.ssim, row.protocol)
    return (row.method, row.dataset, row.degradation, *("-" if value is None else str(value) for value in values))
