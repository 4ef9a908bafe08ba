"""What a run measures on its way, for a viewer of its curves; history.csv holds the same for everything else."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..learning.choices import LogFormat

Log = Callable[[int, Mapping[str, float | None]], None]
"""(step, values by name): note them; None is a value that was not measured at this step."""

_SECONDS_UNTIL_WRITTEN = 20


@contextmanager
def run_log(kind: LogFormat | None, folder: Path, *, done: int) -> Iterator[Log]:
    """A log in `folder`, made if missing; without a `kind` nothing is written.

    `done`: steps of the run that is gone on with. What an earlier process logged beyond them, before it was killed,
    is not shown.
    """
    if kind is None:
        yield lambda step, values: None
        return
    from torch.utils.tensorboard.writer import SummaryWriter

    purged = done + 1 if done else None
    with SummaryWriter(str(folder), purge_step=purged, flush_secs=_SECONDS_UNTIL_WRITTEN) as writer:

        def note(step: int, values: Mapping[str, float | None]) -> None:
            for name, value in values.items():
                if value is not None:
                    writer.add_scalar(name.replace(" ", "_"), value, step)

        yield note
