"""The folder of a search or a training: made where it is missing, and never begun twice."""

from pathlib import Path
from typing import Literal

from ...errors import UserError
from ..learning.distributed import Ranks


def prepared_run_folder(
    out: Path, kind: Literal["search", "training"], *, resume: bool, ranks: Ranks, state: str = "checkpoint.pt"
) -> Path:
    """Make the folder and return the path of its state; UserError where a run is there that is not gone on with.

    Returns when all processes have looked: the first one may write at once, and a later one must not find that.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot make this folder ({error.strerror})") from error
    checkpoint = out / state
    if checkpoint.exists() and not resume:
        raise UserError(f"{checkpoint}: a {kind} is already there; go on with --resume or choose another --out")
    ranks.agreed(None)
    return checkpoint
