"""The containers of films: how to know them by their names."""

from pathlib import Path

from ...errors import UserError

FILM_SUFFIXES: dict[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
"""FFmpeg's name of the container that is written, by the suffix."""


def is_film(path: Path) -> bool:
    """Whether a name is that of a film."""
    return path.suffix.lower() in FILM_SUFFIXES


def container_for(path: Path) -> str:
    """FFmpeg's name of the container that a file name asks for. Raises UserError for a suffix that is not a film's."""
    try:
        return FILM_SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise UserError(
            f"{path}: a film is written to {', '.join(FILM_SUFFIXES)}; give the output one of these suffixes"
        ) from None
