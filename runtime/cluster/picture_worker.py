"""What one worker does: it opens the models once, and takes names of pictures from folder to folder.

Reading, computing and writing overlap as in a folder run on one machine, and by the same stages.
"""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import UserError
from ..denoise_request import Request
from ..files.picture_stages import Denoised, Job, Loaded, PictureStages
from ..files.pipeline import BusyClock, Limits, Stages, overlapped
from ..files.reporting import Reporter, values_of
from ..files.sequences.denoise_sequences import Sequences, is_sequence
from ..files.sequences.film_stages import WrittenFilm
from ..files.sequences.sequence_reporting import values_of_film, values_of_series
from ..files.sequences.series_stages import WrittenSeries
from ..memory.memory_budget import working_bytes
from ..memory.process_memory import available_bytes
from .folders import Folder
from .row import Row, written_row

_MOST_AT_ONCE = 8
"""Pictures that are read at once, and written."""
_PICTURES_SHARE = 4
"""One part in this many of the memory is for pictures under way, the rest for the network."""
_USABLE = 0.8
"""Share of the free memory that the workers of a machine take together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerTask:
    """What every worker of a run is told."""

    request: Request
    """Its source and target are not used."""
    source: Folder
    target: Folder
    num_cores: int
    """Processor cores that are this worker's own."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A picture that this machine can read, or why it cannot."""

    name: str
    job: Job
    failure: Exception | None


@dataclass(frozen=True, slots=True)
class _Ready:
    fetched: _Fetched
    picture: Loaded | None
    """None: a film, an animation or pages, which are read as they are denoised."""


@dataclass(frozen=True, slots=True)
class _Done:
    fetched: _Fetched
    result: Denoised | WrittenFilm | WrittenSeries
    compute_seconds: float


class _LastSequence(Reporter):
    """Keeps what is reported of a film or a series instead of printing it."""

    def __init__(self) -> None:
        super().__init__(quiet=True, json=False)
        self.result: WrittenFilm | WrittenSeries | None = None

    def film(self, written: WrittenFilm) -> None:
        self.result = written

    def series(self, written: WrittenSeries) -> None:
        self.result = written


class PictureWorker:
    """Denoises pictures by their names. One for each device; not for several threads."""

    def __init__(self, task: WorkerTask) -> None:
        self._task = task
        # What exists and stays was sorted out before; a second try of a worker that died writes again.
        request = replace(task.request, overwrite=True, skip_existing=False, memory_bytes=_memory_for(task))
        self._reserved = max(0, working_bytes(request.memory_bytes, output_bytes=0)) // _PICTURES_SHARE
        self._pictures = PictureStages(request, reserved_bytes=self._reserved)
        self._clock = BusyClock()
        self._last = _LastSequence()
        self._sequences = Sequences(request, self._last, self._clock)
        self._name = f"{platform.node()}:{os.getpid()}"

    def rows(self, names: Sequence[str]) -> Iterator[Row]:
        """Denoise the pictures `names`, below the source, and say how each ended, in their order."""
        num_at_once = min(_MOST_AT_ONCE, max(1, self._task.num_cores))
        stages = Stages(load=self._load, work=self._denoise, store=self._store, cost=self._held_bytes)
        limits = Limits(num_loading=max(1, num_at_once // 2), num_storing=num_at_once, capacity=self._reserved)
        with (
            tempfile.TemporaryDirectory(prefix="hinas-") as scratch,
            ThreadPoolExecutor(num_at_once, "fetch") as pool,
        ):
            fetching: list[Future[_Fetched]] = [
                pool.submit(self._fetch, name, Path(scratch, str(number))) for number, name in enumerate(names)
            ]
            fetched = (future.result() for future in fetching)
            # A picture that shows a defect of ours must not end a run of millions; its row says so.
            with closing(overlapped(fetched, stages, limits, failures=Exception)) as outcomes:
                for outcome in outcomes:
                    yield outcome.stored or self._failed(outcome.job, outcome.failure)
                    for file in (outcome.job.job.source, outcome.job.job.target):
                        if file.is_relative_to(scratch):
                            shutil.rmtree(file.parent, ignore_errors=True)

    def _fetch(self, name: str, scratch: Path) -> _Fetched:
        task = self._task
        job = Job(task.source.local_file(name, scratch / "in"), task.target.local_file(name, scratch / "out"))
        try:
            task.source.fetch(name, job.source)
            task.target.prepare(name, job.target)
        except Exception as error:
            return _Fetched(name, job, error)
        return _Fetched(name, job, None)

    def _held_bytes(self, fetched: _Fetched) -> int:
        return 0 if fetched.failure else self._pictures.held_bytes(fetched.job)

    def _load(self, fetched: _Fetched) -> _Ready:
        if fetched.failure is not None:
            raise fetched.failure
        if is_sequence(fetched.job):
            return _Ready(fetched, None)
        return _Ready(fetched, self._pictures.load(fetched.job))

    def _denoise(self, ready: _Ready) -> _Done:
        if ready.picture is not None:
            denoised = self._pictures.denoise(ready.picture, None)
            return _Done(ready.fetched, denoised, denoised.seconds)
        before = self._clock.busy_seconds
        self._sequences.denoise(ready.fetched.job)
        assert self._last.result is not None
        return _Done(ready.fetched, self._last.result, self._clock.busy_seconds - before)

    def _store(self, done: _Done) -> Row:
        name, job = done.fetched.name, done.fetched.job
        match done.result:
            case Denoised():
                values = values_of(self._pictures.write(done.result))
            case WrittenFilm():
                values = values_of_film(done.result)
            case WrittenSeries():
                values = values_of_series(done.result)
        self._task.target.keep(name, job.target)
        values["notes"] = [self._renamed(note, done.fetched) for note in values["notes"]]
        return written_row(*self._names(name), values, compute_seconds=done.compute_seconds, worker=self._name)

    def _failed(self, fetched: _Fetched, failure: Exception | None) -> Row:
        text = str(failure) if isinstance(failure, UserError) else f"a defect of hinas: {failure!r}"
        source, target = self._names(fetched.name)
        return Row(input=source, output=target, status="failed", error=self._renamed(text, fetched), worker=self._name)

    def _names(self, name: str) -> tuple[str, str]:
        return f"{self._task.source.text}/{name}", f"{self._task.target.text}/{name}"

    def _renamed(self, text: str, fetched: _Fetched) -> str:
        """Copies on this machine go by the names of what they are copies of."""
        source, target = self._names(fetched.name)
        return text.replace(str(fetched.job.source), source).replace(str(fetched.job.target), target)


def _memory_for(task: WorkerTask) -> int | None:
    """The bound for one worker: what was asked for, or its part of what is free on its machine."""
    free = available_bytes()
    if task.request.memory_bytes is not None or free is None:
        return task.request.memory_bytes
    return int(_USABLE * free * min(1.0, task.num_cores / (os.cpu_count() or 1)))
