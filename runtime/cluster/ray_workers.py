"""Workers on a Ray cluster: one for each device, fed by Ray Data, which starts those that die again.

Nothing but this module knows Ray.
"""

import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

from ... import __version__
from ...command_line import require_libraries
from ...errors import UserError
from ..denoise_request import Request
from .picture_worker import PictureWorker, WorkerTask
from .row import Row

_NUM_RETRIES = 2
"""How often names are given out again whose worker died."""
_NAMES_A_WORKER = 16
_MOST_NAMES = 64
"""Given out at once: few, that all workers end together; in a long list more, that giving out costs little."""
_GPU_BACKENDS = ("tensorrt", "cuda")
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Workers:
    """How many there are, and what each takes of the cluster."""

    num: int
    num_cores: int
    num_gpus: int
    """0 or 1."""

    @property
    def text(self) -> str:
        """For a person."""
        one = "a GPU" if self.num_gpus else "one core" if self.num_cores == 1 else f"{self.num_cores} cores"
        return f"{self.num} worker{'s' if self.num > 1 else ''} with {one} each"


class Cluster:
    """A Ray cluster that this process is connected to."""

    def __init__(self, ray: Any) -> None:
        """`ray`: the package."""
        self._ray = ray

    def workers_for(self, request: Request) -> Workers:
        """One for each GPU where the backend may use it, else for each core (or for `request.threads`).

        Raises UserError where the cluster has no room for one.
        """
        there = self._ray.cluster_resources()
        num_cores, num_gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0))
        if request.backend in _GPU_BACKENDS and num_gpus == 0:
            raise UserError(f"--backend {request.backend}: the Ray cluster has no GPU")
        if num_gpus > 0 and request.backend in (*_GPU_BACKENDS, "auto"):
            return Workers(num=num_gpus, num_cores=max(1, num_cores // num_gpus), num_gpus=1)
        threads = request.threads or 1
        if num_cores < threads:
            raise UserError(f"the Ray cluster has {num_cores} cores, but a worker needs {threads}; change --threads")
        return Workers(num=num_cores // threads, num_cores=threads, num_gpus=0)

    def rows(self, names: Sequence[str], task: WorkerTask, workers: Workers) -> Iterator[Row]:
        """How each picture ended, in any order and as it ends; each once.

        Pictures whose worker died go to another one, in the end alone, so that one that kills its worker (too little
        memory, say) fails alone. Raises UserError where the cluster is lost.
        """
        num_at_once = max(1, min(_MOST_NAMES, len(names) // (_NAMES_A_WORKER * workers.num)))
        # Names end with their rows, so what is left over is what no worker lived to tell of.
        left = {f"{task.source.text}/{name}": name for name in names}
        for size in dict.fromkeys((num_at_once, 1)):
            if left:
                for row in self._told(list(left.values()), size, task, workers):
                    if left.pop(row.input, None) is not None:
                        yield row
        for name in left.values():
            yield Row(
                input=f"{task.source.text}/{name}",
                output=f"{task.target.text}/{name}",
                status="failed",
                error=f"{task.source.text}/{name}: its worker died {_NUM_RETRIES + 1} times; "
                "too little memory? try it on one machine",
            )

    def _told(self, names: list[str], size: int, task: WorkerTask, workers: Workers) -> Iterator[Row]:
        import pyarrow as arrow  # pyright: ignore[reportMissingImports]

        data = self._ray.data
        table = arrow.table({"name": names})
        blocks = [table.slice(start, size) for start in range(0, len(names), size)]
        with warnings.catch_warnings():
            # Without a bound on retries a picture that kills its worker would be tried for ever.
            warnings.filterwarnings("ignore", message=".*ray_remote_args.*")
            ended = data.from_arrow(blocks).map_batches(
                _Actor,
                fn_constructor_args=(task, __version__),
                batch_format="numpy",
                # At the end idle workers go, so that one whose machine was lost finds room.
                compute=data.ActorPoolStrategy(min_size=1, max_size=workers.num, initial_size=workers.num),
                num_cpus=workers.num_cores,
                num_gpus=workers.num_gpus or None,
                max_restarts=-1,
                max_task_retries=_NUM_RETRIES,
            )
        try:
            for values in ended.iter_rows():
                yield Row.from_json(values["row"])
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1][:300]
            raise UserError(f"the Ray cluster failed ({reason}); go on with --skip-existing") from error


class _Actor:
    """What Ray Data keeps on every device."""

    def __init__(self, task: WorkerTask, version: str) -> None:
        if version != __version__:
            raise UserError(f"a worker has hinas {__version__}, this machine {version}; install the same on all")
        self._worker = PictureWorker(task)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"row": [row.to_json() for row in self._worker.rows([str(name) for name in batch["name"]])]}


def check_address(address: str) -> None:
    """Raise UserError where nobody answers at host:port: Ray itself would go on asking for minutes."""
    if address in ("auto", "local") or "://" in address:
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"--ray {address}: no Ray cluster answers ({error}); give host:port, auto or local") from error


@contextmanager
def connected(address: str, note: Callable[[str], None]) -> Iterator[Cluster]:
    """A cluster at an address; auto: one that runs here, else one of this machine alone that ends with the block.

    `note` is told which. Raises UserError where Ray is missing or there is no cluster at the address.
    """
    require_libraries("--ray", "ray", "pyarrow", "fsspec", extras="cpu,ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # It calls errors what Ray Data does itself with every actor.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray  # pyright: ignore[reportMissingImports]
    import ray.data  # pyright: ignore[reportMissingImports]

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # Names whose workers died again and again are missing among the rows, and are given out alone.
    context.max_errored_blocks = -1
    # Ray prints what its machines say to standard output, which is for results.
    with redirect_stdout(sys.stderr):
        was_connected = ray.is_initialized()
        with _own_stop_signal():
            if not was_connected:
                _connect(ray, address, note)
        try:
            yield Cluster(ray)
        finally:
            if not was_connected:
                ray.shutdown()


def _connect(ray: Any, address: str, note: Callable[[str], None]) -> None:
    options = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init(address=address, **options)
    except Exception as error:
        if address != "auto" or not isinstance(error, ConnectionError):
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"--ray {address}: no Ray cluster there ({reason}); give host:port, auto or local"
            ) from error
    else:
        return
    note("no Ray cluster runs here; one of this machine alone is started for this run")
    ray.init(address="local", include_dashboard=False, **options)


@contextmanager
def _own_stop_signal() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it starts; afterwards it does again what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
