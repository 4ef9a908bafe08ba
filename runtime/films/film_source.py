"""Read a film in the order of its file: every frame decoded, everything else as it is compressed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .film import Film, Frame, Parcel
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

    @property
    def others(self) -> list[Any]:
        """PyAV's streams beside the pictures."""
        return [stream for stream in self.container.streams if stream.index != self.pictures.index]

    def parcels(self) -> Iterator[Parcel]:
        """The whole film; times rise from frame to frame."""
        waiting: list[Any] = []
        last: int | None = None
        usual = max(1, round(1 / (self.film.rate * self.film.time_base)))
        for part in self._parts():
            if isinstance(part, av_library().Packet):
                waiting.append(part)
                continue
            time = part.pts if part.pts is not None else part.dts
            if time is None:
                time = 0 if last is None else last + usual
            # Encoders refuse times that do not rise.
            last = time = time if last is None else max(time, last + 1)
            planes = planes_of(part, self.film.layout)
            yield Parcel(frame=Frame(planes=planes, time=time, duration=part.duration or 0), packets=tuple(waiting))
            waiting.clear()
        yield Parcel(frame=None, packets=tuple(waiting))

    def _parts(self) -> Iterator[Any]:
        """PyAV's frames of the pictures, and packets of the other streams."""
        av = av_library()
        self.pictures.thread_type = "AUTO"
        packets = self.container.demux()
        while True:
            try:
                packet = next(packets, None)
                if packet is not None and packet.pts is not None:
                    self.end = max(self.end, float(packet.pts * packet.time_base))
                if packet is not None and packet.stream_index != self.pictures.index:
                    if packet.dts is not None or packet.size:
                        yield packet
                    continue
                frames = self.pictures.decode(packet)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.num_damaged += 1
                continue
            for frame in frames:
                self.num_damaged += bool(frame.is_corrupt)
                yield frame
            if packet is None:
                return


@contextmanager
def opened_film(film: Film) -> Iterator[FilmSource]:
    """A surveyed film, to be read from its beginning."""
    with opened_container(film.path) as container:
        yield FilmSource(container, film)
