"""Write a film: its pictures as they were compressed anew, everything else copied as it is compressed."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import UserError
from .encoders import QUICKTIME, ChosenEncoder, set_up
from .film import Film
from .film_source import FilmSource
from .library import av_library, codec_errors

_OF_THE_CONTAINER = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})
"""Metadata that the new file says for itself."""
_OF_THE_COMPRESSION = frozenset({"encoder", "bps", "duration", "number_of_frames", "number_of_bytes"})
_STATISTICS = "_statistics"
_OF_QUICKTIME = frozenset({"handler_name", "vendor_id"})
_OWN_KEYS = ("com.apple.", "com.android.")
"""Metadata of phones, which MP4 and MOV hold in a way of their own."""


class FilmTarget:
    """A film being written."""

    def __init__(self, container: Any, source: FilmSource, encoder: ChosenEncoder) -> None:
        self._container = container
        self._film: Film = source.film
        self._encoder = encoder
        self.notes: list[str] = []
        """What could not be copied, for a person."""
        self._streams = {}
        # In the order of the source, so that players choose the same ones.
        for stream in source.container.streams:
            if stream.index == source.pictures.index:
                self._pictures = self._pictures_like(stream)
            else:
                self._add_copy(stream, source)
        self._add_metadata(source.container)
        with codec_errors("writing"):
            container.start_encoding()

    def copy(self, packet: Any) -> None:
        """Write a part of another stream, bit for bit."""
        stream = self._streams.get(packet.stream_index)
        if stream is None:
            return
        packet.stream = stream
        with codec_errors("writing"):
            self._container.mux_one(packet)

    def write(self, packet: Any) -> None:
        """Write PyAV's packet of the pictures; times of decoding rise from one to the next."""
        packet.stream = self._pictures
        with codec_errors("writing"):
            self._container.mux_one(packet)

    def _pictures_like(self, source: Any) -> Any:
        film, encoder = self._film, self._encoder
        stream = self._container.add_stream(encoder.library, rate=film.rate)
        # It is given no frames: the container learns of it what stands before the first packet.
        set_up(stream.codec_context, encoder, film, self._container.format.name)
        stream.time_base = film.time_base
        if film.display_matrix is not None:
            stream.set_display_matrix(film.display_matrix)
        stream.disposition = int(source.disposition)
        stream.metadata.update(_kept(source.metadata, self._of_a_stream(_OF_THE_COMPRESSION)))
        return stream

    def _of_a_stream(self, left_out: frozenset[str]) -> frozenset[str]:
        """Metadata of streams that do not go along."""
        return left_out if self._container.format.name in QUICKTIME else left_out | _OF_QUICKTIME

    def _add_copy(self, stream: Any, source: FilmSource) -> None:
        container = self._container.format.name
        if _is_list_of_chapters(stream, source.container):
            return
        if not _holds(container, stream):
            # A stream that FFmpeg cannot decode has no name.
            name = f"{stream.type} ({getattr(stream, 'name', None) or 'unknown'})"
            if stream.type in ("data", "unknown"):
                self.notes.append(f"a stream of {name} does not fit into the container {container} and was left out")
                return
            raise UserError(
                f"its {name} does not fit into the container {container}; write .mkv, which holds nearly all"
            )
        copy = self._container.add_stream_from_template(stream, opaque=True)
        copy.time_base = stream.time_base
        copy.disposition = int(stream.disposition)
        copy.metadata.update(_kept(stream.metadata, self._of_a_stream(frozenset())))
        if stream.type != "attachment":
            self._streams[stream.index] = copy

    def _add_metadata(self, source: Any) -> None:
        self._container.metadata.update(_kept(source.metadata, _OF_THE_CONTAINER))
        self._container.set_chapters(source.chapters())


@contextmanager
def written_film(
    place: Path | BinaryIO, source: FilmSource, encoder: ChosenEncoder, container: str
) -> Iterator[FilmTarget]:
    """A film to write to `place` in a `container` (FFmpeg's name); complete when the block ends without an error.

    Raises UserError where the container cannot hold what the source has.
    """
    av = av_library()
    has_own_keys = any(key.startswith(_OWN_KEYS) for key in source.container.metadata)
    options = {"movflags": "use_metadata_tags"} if has_own_keys and container in QUICKTIME else {}
    # Absolute: FFmpeg takes what stands before a colon in the first part of a path for a protocol.
    file = str(place.absolute()) if isinstance(place, Path) else place
    opened = av.open(file, "w", format=container, container_options=options)
    try:
        yield FilmTarget(opened, source, encoder)
        with codec_errors("writing"):
            opened.close()
    finally:
        # After an error the file goes away; PyAV writes its end all the same.
        with suppress(av.error.FFmpegError, ValueError):
            opened.close()


def _kept(metadata: dict[str, str], left_out: frozenset[str]) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in left_out and not key.lower().startswith(_STATISTICS)
    }


def _is_list_of_chapters(stream: Any, container: Any) -> bool:
    """Whether a stream of MP4 or MOV only names the chapters, which are written anew."""
    chapters = container.chapters()
    return stream.type == "data" and bool(chapters) and stream.name == "bin_data" and stream.frames == len(chapters)


def _holds(container: str, stream: Any) -> bool:
    """Whether a container takes a stream as it is: tried with a file in the memory."""
    av = av_library()
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError, TypeError):
        return False
    return True
