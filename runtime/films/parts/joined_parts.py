"""Join all parts with what is copied from the source to one film."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..film_source import FilmSource
from ..film_target import FilmTarget
from .part_file import Part
from .stored_packet import StoredPacket


def write_joined(parts: Sequence[Part], source: FilmSource, target: FilmTarget) -> None:
    """Write the pictures of `parts` and the other streams of `source` in the order of their times of decoding."""
    film = source.film
    pictures = joined_packets(parts, film.frame_duration)
    picture = next(pictures, None)
    for packet in source.other_packets():
        while picture is not None and packet.dts is not None:
            if picture.decoding_time * film.time_base > packet.dts * packet.time_base:
                break
            target.write(picture.to_av(film.time_base))
            picture = next(pictures, None)
        target.copy(packet)
    while picture is not None:
        target.write(picture.to_av(film.time_base))
        picture = next(pictures, None)


def joined_packets(parts: Sequence[Part], frame_duration: int) -> Iterator[StoredPacket]:
    """The packets of `parts` in the order of decoding, with times of decoding that rise over all of them.

    Each encoder lets decoding begin before its first picture is shown, by as many frames as it reorders, so the times
    of two parts overlap where frames are shown for different times. They are given anew as encoders give them: a
    packet is decoded when the picture is shown that comes so many frames before it. `frame_duration`: the usual one,
    in the time base, at least 1; for the pictures before the first one.
    """
    times = [part.times() for part in parts]
    shown = sorted(time for of_part in times for time, _ in of_part)
    delay = max((_delay_of(of_part) for of_part in times), default=0)
    number = 0
    for part in parts:
        for packet in part.packets():
            early = delay - number
            decoding_time = shown[number - delay] if early <= 0 else shown[0] - early * frame_duration
            yield replace(packet, decoding_time=decoding_time)
            number += 1


def _delay_of(times: list[tuple[int, int]]) -> int:
    """Frames that an encoder reorders: packets that are decoded before the first picture is shown."""
    first = min(time for time, _ in times)
    return sum(decoding_time < first for _, decoding_time in times)
