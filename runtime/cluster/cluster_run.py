"""A folder to a folder on many machines: what is to do, how each picture ended, the table, the end."""

import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ...errors import UserError
from ..denoise_request import Request
from ..files.output_folders import tidy
from ..files.reporting import Reporter
from ..model.automatic_model import AUTOMATIC
from ..model.bundled_models import bundled_names, model_file
from .folders import Folder, LocalFolder
from .picture_worker import WorkerTask
from .ray_workers import Cluster, check_address, connected
from .results_table import Table, TablePlace, table_place, written_table
from .row import Row
from .stored_folder import folder_at
from .work_list import WorkList, listed_work

_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterRequest:
    """What is asked of a run on many machines."""

    source: str
    """A folder: a path that all machines have, or an address such as s3://bucket/folder."""
    target: str
    """As `source`."""
    address: str
    """Of the Ray cluster; auto: one that runs here, else one of this machine alone."""
    table: str | None
    """Where the table of results goes, .csv or .parquet; None: beside the pictures, named by the time."""
    request: Request
    """All else."""


class _Tally:
    """What became of the pictures so far."""

    def __init__(self, table: Table, reporter: Reporter) -> None:
        self._table = table
        self._reporter = reporter
        self.num_written = 0
        self.num_skipped = 0
        self.failed: list[str] = []
        self.compute_seconds = 0.0

    def add(self, row: Row) -> None:
        """Write the row down and tell of it."""
        self._table.add(row)
        self._reporter.row(asdict(row))
        self.compute_seconds += row.compute_seconds or 0.0
        match row.status:
            case "written":
                self.num_written += 1
            case "skipped":
                self.num_skipped += 1
            case "failed":
                self.failed.append(row.input)


def denoise_on_cluster(asked: ClusterRequest, reporter: Reporter) -> None:
    """Do what `asked` says. Raises UserError: at once for a mistake, at the end for pictures that failed."""
    request = _checked(asked.request)
    source, target = _shared_folder(asked.source), _shared_folder(asked.target)
    place = _beside(target) if asked.table is None else table_place(asked.table)
    check_address(asked.address)
    work = listed_work(source, target, request)
    for note in work.notes:
        reporter.note(note)
    with connected(asked.address, reporter.note) as cluster:
        _run(cluster, work, WorkerTask(request=request, source=source, target=target, num_cores=1), place, reporter)


def _run(cluster: Cluster, work: WorkList, task: WorkerTask, place: TablePlace, reporter: Reporter) -> None:
    workers = cluster.workers_for(task.request)
    reporter.note(f"{workers.text}; {len(work.to_do)} pictures to do")
    start = time.perf_counter()
    with written_table(place) as table, reporter.pictures(len(work.to_do)) as progress:
        tally = _Tally(table, reporter)
        for row in work.ended:
            tally.add(row)
        for row in cluster.rows(work.to_do, replace(task, num_cores=workers.num_cores), workers):
            tally.add(row)
            progress.advance()
    busy = tally.compute_seconds / (workers.num * (time.perf_counter() - start))
    if isinstance(task.target, LocalFolder):
        tidy({(task.target.path / name).parent for name in work.to_do}, reporter)
    num_failed = len(tally.failed)
    values = {
        "written": tally.num_written,
        "skipped": tally.num_skipped,
        "failed": num_failed,
        "workers": workers.num,
        "compute_seconds": round(tally.compute_seconds, 3),
        "busy_share": round(busy, 4),
        "table": place.text,
    }
    text = f"{tally.num_written} written, {tally.num_skipped} skipped, {num_failed} failed"
    reporter.conclusion(f"{text}; workers computing {100 * busy:.0f} % of the time; results: {place.text}", values)
    if tally.failed:
        more = f"\n  and {num_failed - _MOST_NAMED} more" if num_failed > _MOST_NAMED else ""
        names = "\n".join(f"  {name}" for name in tally.failed[:_MOST_NAMED])
        raise UserError(f"{num_failed} of {work.num_pictures} pictures failed, the others are written:\n{names}{more}")


def _shared_folder(text: str) -> Folder:
    if text.startswith("memory://"):
        raise UserError(f"{text}: lies in the memory of one process, but workers are others; use a folder or a store")
    return folder_at(text)


def _checked(request: Request) -> Request:
    """Options that make sense together, with names that other machines understand. Raises UserError."""
    if request.preview is not None:
        raise UserError(f"--preview {request.preview}: not together with --ray; leave one of them out")
    if request.overwrite and request.skip_existing:
        raise UserError("--overwrite replaces files that exist and --skip-existing leaves them: give one of them")
    if request.model in (*AUTOMATIC, *bundled_names()):
        return request
    return replace(request, model=str(Path(model_file(request.model)).absolute()))


def _beside(target: Folder) -> TablePlace:
    return TablePlace(target, f"hinas-results-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.csv")
