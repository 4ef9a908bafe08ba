"""The folder of a search or a training: made where it is missing, never begun twice, and one run's at a time."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal

from ...atomic_files import locked_file
from ...errors import UserError
from ..learning.distributed import Ranks

_LOCK = ".lock"


def prepared_run_folder(
    out: Path,
    kind: Literal["search", "training"],
    *,
    resume: bool,
    ranks: Ranks,
    until_end: ExitStack,
    state: str = "checkpoint.pt",
) -> Path:
    """Make the folder, hold it until `until_end` closes, and return the path of its state.

    Returns when all processes have looked: the first one may write at once, and a later one must not find that. Raises
    UserError where a run is there that is not gone on with, where none is there to go on with, and where another one
    is at work in the folder.
    """
    checkpoint = out / state
    is_there = checkpoint.exists()
    if is_there and not resume:
        raise UserError(f"{checkpoint}: a {kind} is already there; go on with --resume or choose another --out")
    if resume and not is_there:
        raise UserError(f"{checkpoint}: no {kind} to resume from; start without --resume")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot make this folder ({error.strerror})") from error
    is_ours = until_end.enter_context(locked_file(out / _LOCK)) if ranks.is_first else True
    if not ranks.agreed(is_ours):
        raise UserError(f"--out {out}: another run is writing to this folder; stop it, or choose another --out")
    if ranks.is_first:
        # Before the lock ends, or it could be the next run's file.
        until_end.callback(_remove, out / _LOCK)
    return checkpoint


def _remove(file: Path) -> None:
    # Some systems do not remove a file that is open. It then stays, and is in nobody's way.
    with suppress(OSError):
        file.unlink()
