"""Read a film in the order of its file: every frame decoded, everything else as it is compressed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .deinterlacing import deinterlaced
from .film import Film, Frame
from .film_survey import opened_container, pictures_of
from .frame_planes import planes_of
from .library import av_library


class FilmSource:
    """A film opened to be read once."""

    def __init__(self, container: Any, film: Film) -> None:
        self.container = container
        self.film = film
        self.pictures = pictures_of(container)
        """PyAV's stream."""
        self.num_damaged = 0
        """Damaged places met so far: left out, or patched up by the decoder."""
        self.end = 0.0
        """Seconds: when the last of the parts met so far begins."""

    def frames(self, first: int) -> Iterator[Frame]:
        """The pictures from frame number `first` on; times rise from frame to frame.

        Those before it are decoded, so that numbers, times and damaged places are those of a whole reading.
        """
        last: int | None = None
        usual = self.film.frame_duration
        parts = deinterlaced(self._decoded()) if self.film.is_interlaced else self._decoded()
        for number, part in enumerate(parts):
            time = part.pts if part.pts is not None else part.dts
            if time is None:
                time = 0 if last is None else last + usual
            # Encoders refuse times that do not rise.
            last = time = time if last is None else max(time, last + 1)
            if number >= first:
                planes = planes_of(part, self.film.layout)
                yield Frame(number=number, planes=planes, time=time, duration=part.duration or 0)

    def other_packets(self) -> Iterator[Any]:
        """PyAV's packets of all streams but the pictures, as they are compressed."""
        for packet in self._packets():
            if packet.stream_index != self.pictures.index and (packet.dts is not None or packet.size):
                yield packet

    def _decoded(self) -> Iterator[Any]:
        """PyAV's frames."""
        self.pictures.thread_type = "AUTO"
        for packet in self._packets():
            if packet.pts is not None:
                self.end = max(self.end, float(packet.pts * packet.time_base))
            if packet.stream_index == self.pictures.index:
                yield from self._decoded_of(packet)
        yield from self._decoded_of(None)

    def _decoded_of(self, packet: Any | None) -> Iterator[Any]:
        """PyAV's frames that a packet completes; None: those that the decoder still holds."""
        av = av_library()
        try:
            frames = self.pictures.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            self.num_damaged += 1
            return
        for frame in frames:
            self.num_damaged += bool(frame.is_corrupt)
            yield frame

    def _packets(self) -> Iterator[Any]:
        """PyAV's packets of all streams; damaged places are left out."""
        av = av_library()
        packets = self.container.demux()
        while True:
            try:
                packet = next(packets, None)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.num_damaged += 1
                continue
            if packet is None:
                return
            yield packet


@contextmanager
def opened_film(film: Film) -> Iterator[FilmSource]:
    """A surveyed film, to be read from its beginning."""
    with opened_container(film.path) as container:
        yield FilmSource(container, film)
