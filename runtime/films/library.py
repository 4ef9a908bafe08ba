"""PyAV, the optional package that reads and writes films, and its errors as mistakes that a person can mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import UserError
from ...installation import install_advice


def av_library() -> Any:
    """The package `av`. Raises UserError, saying what to install, where it is missing."""
    try:
        import av
    except ImportError as error:
        raise UserError(f"films need the package av (PyAV); install: {install_advice('cpu,films')}") from error
    return av


def versions() -> tuple[object, ...]:
    """Of PyAV and of FFmpeg's libraries."""
    av = av_library()
    return av.__version__, av.ffmpeg_version_info, sorted(av.library_versions.items())


@contextmanager
def codec_errors(doing: str) -> Iterator[None]:
    """What FFmpeg says while it is `doing` something becomes one UserError; the disk's own errors stay."""
    av = av_library()
    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        if isinstance(error, OSError) and error.errno is not None and error.errno > 0 and _is_the_disks(error):
            raise
        reason = (str(getattr(error, "strerror", None) or error).strip().splitlines() or [""])[0][:160]
        raise UserError(f"{doing} failed ({reason})") from error


def _is_the_disks(error: OSError) -> bool:
    """Whether the operating system refused a file; FFmpeg uses the same class for what is wrong inside one."""
    import errno

    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO)
