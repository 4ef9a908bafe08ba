"""The papers' tables, figure by figure, as they are printed: as rows, as texts and as entries of the results."""

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, model_validator

from ...errors import UserError
from ..results.entries import Entry, Protocol
from ..results.result_texts import text_table

Printed = Annotated[Decimal, PlainSerializer(float, when_used="json")]
"""A number with the digits it is printed with: 28.50 is not 28.5."""

ARXIV = {"HiNAS v1": "1909.08228", "HiNAS v2": "2012.13212"}
"""The papers' numbers there; Superkernel NAS stands in the proceedings of a CVPR 2020 workshop."""


class PublishedRow(BaseModel):
    """One method on one data set at one degradation, from one table. None: not printed there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paper: Literal["HiNAS v1", "HiNAS v2", "Superkernel NAS"]
    table: Annotated[int, Field(ge=1)]
    task: str
    """denoise (with a sigma), denoise camera noise, derain, super-resolution x2 and so on."""
    channels: Annotated[Literal[1, 3], BeforeValidator(int)]
    """1: grey images or a raw mosaic; 3: colour."""
    dataset: str
    degradation: str
    """sigma=30 and so on for Gaussian noise in grey levels, or words."""
    method: str
    parameters_m: Annotated[str, Field(pattern=r"^\d+(\.\d+)?(-\d+\.\d+)?$")] | None
    """Millions as printed; a range where the paper gives one. HiNAS v1's "M" fits 2^20, HiNAS v2's 10^6."""
    time_s: Annotated[Printed, Field(gt=0)] | None
    """Seconds of inference for all images of the data set; what a search cost stands in `note`."""
    device: str | None
    """Of the time."""
    images: Annotated[int, Field(ge=1)] | None
    """In the data set, where the paper says so."""
    psnr_db: Printed | None
    ssim: Annotated[Printed, Field(ge=-1, le=1)] | None
    protocol: Protocol
    """As found by measuring again (docs/protocols.md); unknown where nobody did."""
    note: str | None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.psnr_db is None and self.ssim is None:
            raise ValueError("a row has a psnr_db or an ssim")
        if (self.time_s is None) != (self.device is None):
            raise ValueError("a time_s and its device stand together")
        if (self.task == "denoise") != (self.sigma is not None):
            raise ValueError("the task denoise, and no other, has sigma=NUMBER as its degradation")
        return self

    @property
    def sigma(self) -> float | None:
        """Grey levels 0..255; None where the degradation is not Gaussian noise."""
        name, _, level = self.degradation.partition("=")
        return float(level) if name == "sigma" else None

    @property
    def source(self) -> str:
        """Paper and table."""
        number = ARXIV.get(self.paper)
        return f"{self.paper}{f' (arXiv {number})' if number else ''}, Table {self.table}"


def read_published() -> tuple[PublishedRow, ...]:
    """Every row of the package's published_results.csv, by paper and table, in the tables' order."""
    text = Path(__file__).with_name("published_results.csv").read_text(encoding="utf-8")
    return tuple(
        PublishedRow.model_validate({name: value or None for name, value in row.items()})
        for row in csv.DictReader(text.splitlines())
    )


def rows_matching(rows: Sequence[PublishedRow], text: str) -> tuple[PublishedRow, ...]:
    """The rows that have every part of `text` (separated by commas) as one of their fields, in any case of letters.

    The fields: paper, table, task, dataset, degradation, method, protocol; `all` alone gives all rows.
    Raises UserError where no row is left.
    """
    parts = {part.strip().casefold() for part in text.split(",")} - {"all"}
    found = tuple(row for row in rows if parts <= _searched_fields(row))
    if not found:
        papers = ", ".join(dict.fromkeys(row.paper for row in rows))
        drawn = "; pictures are drawn with --figure 14a or 14b" if "figure" in text.casefold() else ""
        raise UserError(
            f"--published {text}: no published figure has all of these; "
            f"give all, or some of paper ({papers}), table, data set, sigma=30, method, such as 'HiNAS v2, 10'{drawn}"
        )
    return found


def _searched_fields(row: PublishedRow) -> set[str]:
    fields = (row.paper, str(row.table), row.task, row.dataset, row.degradation, row.method, row.protocol)
    return {field.casefold() for field in fields}


def published_entries(rows: Iterable[PublishedRow]) -> list[Entry]:
    """One entry for each row, of origin `published`.

    The papers give seconds for a whole data set and no image size, so there is a `dataset_time_s` (with its device and
    number of images) and never a `latency_ms`. A range of parameters stands in the note.
    """
    return [_published_entry(row) for row in rows]


def _published_entry(row: PublishedRow) -> Entry:
    is_range = row.parameters_m is not None and "-" in row.parameters_m
    notes = [row.note, f"{row.parameters_m} M parameters" if is_range else None]
    return Entry(
        model=row.method,
        task=row.task,
        channels=row.channels,
        parameters=None if row.parameters_m is None or is_range else round(float(row.parameters_m) * 1e6),
        device=row.device,
        origin="published",
        dataset_time_s=None if row.time_s is None else float(row.time_s),
        psnr_db=None if row.psnr_db is None else float(row.psnr_db),
        ssim=None if row.ssim is None else float(row.ssim),
        dataset=row.dataset,
        num_images=row.images,
        sigma=row.sigma,
        protocol=row.protocol,
        source=row.source,
        note="; ".join(note for note in notes if note) or None,
    )


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
