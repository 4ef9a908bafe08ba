"""The table of a run, CSV or parquet by its name: one row for each picture, written as the rows come."""

import csv
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ...atomic_files import written_whole
from ...errors import UserError
from ...installation import install_advice
from .folders import Folder
from .row import COLUMNS, Row
from .stored_folder import folder_at

_ROWS_AT_ONCE = 10_000
_WHOLE_NUMBERS = ("width", "height", "pictures")
_NUMBERS = ("sigma", "seconds", "compute_seconds")


class Table(Protocol):
    """A table that is being written."""

    def add(self, row: Row) -> None: ...

    def close(self) -> None:
        """Write what is still held."""
        ...


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Where a table goes."""

    folder: Folder
    name: str

    @property
    def text(self) -> str:
        """For a person."""
        return f"{self.folder.text}/{self.name}"


def table_place(text: str) -> TablePlace:
    """The file that a person names. Raises UserError for other endings than .csv and .parquet."""
    folder, slash, name = text.rpartition("/")
    if Path(name).suffix.lower() not in (".csv", ".parquet"):
        raise UserError(f"--table {text}: allowed: a name that ends in .csv or .parquet")
    return TablePlace(folder_at((folder or "/") if slash else "."), name)


@contextmanager
def written_table(place: TablePlace) -> Iterator[Table]:
    """A table to add rows to. What was added is kept whatever ends the block: a run that was stopped has its table."""
    with tempfile.TemporaryDirectory(prefix="hinas-") as scratch:
        file = Path(scratch, place.name)
        table = _ParquetTable(file) if file.suffix.lower() == ".parquet" else _CsvTable(file)
        try:
            yield table
        finally:
            table.close()
            copy = place.folder.local_file(place.name, Path(scratch, "copy"))
            place.folder.prepare(place.name, copy)
            with written_whole(copy) as temporary:
                shutil.copyfile(file, temporary)
            place.folder.keep(place.name, copy)


class _CsvTable:
    def __init__(self, file: Path) -> None:
        self._file = file.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()

    def add(self, row: Row) -> None:
        self._writer.writerow(asdict(row))

    def close(self) -> None:
        self._file.close()


class _ParquetTable:
    def __init__(self, file: Path) -> None:
        try:
            import pyarrow as arrow  # pyright: ignore[reportMissingImports]
            from pyarrow.parquet import ParquetWriter  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UserError(
                f"--table {file.name}: parquet needs the package pyarrow; install: {install_advice('cpu,ray')}"
            ) from error
        self._arrow: Any = arrow
        self._schema: Any = arrow.schema([(name, self._type_of(name)) for name in COLUMNS])
        self._writer: Any = ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, row: Row) -> None:
        self._rows.append(asdict(row))
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()

    def _type_of(self, column: str) -> Any:
        if column in _WHOLE_NUMBERS:
            return self._arrow.int64()
        return self._arrow.float64() if column in _NUMBERS else self._arrow.string()
