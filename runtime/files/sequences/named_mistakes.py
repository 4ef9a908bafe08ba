"""Mistakes inside a film, an animation or a file of pages get the name of the file."""

from collections.abc import Iterator
from contextlib import contextmanager

from ....errors import UserError
from ..picture_stages import Job


@contextmanager
def named_mistakes(job: Job) -> Iterator[None]:
    """Name the source in a UserError that does not begin with the target; too little memory is one, too."""
    try:
        yield
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(str(job.target)) else f"{job.source}: {text}") from error
    except MemoryError as error:
        raise UserError(f"{job.source}: not enough memory for it; close other programs") from error
