"""Packets of an encoder as bytes, and as PyAV's again: nothing that a container is told of them is lost.

One begins with a head of fixed size, which says how much follows, so that times are found without reading pictures.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Self, get_args

from ..library import av_library

_HEAD = struct.Struct("<qqqBBQ")
_SIDE = struct.Struct("<HQ")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredPacket:
    """A compressed picture. Times are in the film's time base."""

    time: int
    """When the picture is shown."""
    decoding_time: int
    """When it is decoded: rises from packet to packet, and never comes after `time`."""
    duration: int
    """0: not known."""
    is_key: bool
    content: bytes
    side: tuple[tuple[int, bytes], ...]
    """What the encoder says beside it, such as opacity, by FFmpeg's numbers of its kinds."""

    @classmethod
    def from_av(cls, packet: Any) -> Self:
        """Of a packet that has times, as encoders give."""
        kinds = _kinds_of_side_data()
        return cls(
            time=packet.pts,
            decoding_time=packet.dts,
            duration=packet.duration or 0,
            is_key=packet.is_keyframe,
            content=bytes(packet),
            side=tuple((kinds.index(side.data_type), bytes(side)) for side in packet.iter_sidedata()),
        )

    def to_av(self, time_base: Fraction) -> Any:
        """PyAV's packet, for a container."""
        from av.packet import Packet, PacketSideData

        packet = Packet(self.content)
        packet.time_base = time_base
        packet.pts, packet.dts, packet.duration = self.time, self.decoding_time, self.duration
        packet.is_keyframe = self.is_key
        for kind, content in self.side:
            side = PacketSideData(kind, len(content))  # pyright: ignore[reportCallIssue]
            side.update(content)
            packet.set_sidedata(side, move=True)
        return packet

    def to_bytes(self) -> bytes:
        """As `read_packet` takes it."""
        side = b"".join(_SIDE.pack(kind, len(content)) + content for kind, content in self.side)
        flags = (self.is_key, len(self.side))
        head = _HEAD.pack(self.time, self.decoding_time, self.duration, *flags, len(side) + len(self.content))
        return head + side + self.content


def read_packet(file: BinaryIO) -> StoredPacket:
    """The next packet of a file, of which one follows."""
    time, decoding_time, duration, is_key, num_side, size = _HEAD.unpack(file.read(_HEAD.size))
    rest = file.read(size)
    side: list[tuple[int, bytes]] = []
    for _ in range(num_side):
        kind, length = _SIDE.unpack_from(rest)
        side.append((kind, rest[_SIDE.size : _SIDE.size + length]))
        rest = rest[_SIDE.size + length :]
    return StoredPacket(
        time=time,
        decoding_time=decoding_time,
        duration=duration,
        is_key=bool(is_key),
        content=rest,
        side=tuple(side),
    )


def read_times(file: BinaryIO) -> tuple[int, int]:
    """(`time`, `decoding_time`) of the next packet of a file; the rest of it is passed over."""
    time, decoding_time, _, _, _, size = _HEAD.unpack(file.read(_HEAD.size))
    file.seek(size, 1)
    return time, decoding_time


def _kinds_of_side_data() -> tuple[str, ...]:
    """Names, each at the place that FFmpeg's number of it says."""
    return get_args(av_library().packet.PktSideDataT)
