"""A part of a film's compressed pictures as a file: a run of frames that begins with a key frame.

Magic, packets, the number of frames, then the SHA-256 of all before it. The name says which frame is the first.
"""

import hashlib
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from ....atomic_files import written_whole
from ....errors import UserError
from .stored_packet import StoredPacket, read_packet, read_times

_MAGIC = b"hinas part of a film 1\n"
_NAME = re.compile(r"(\d{8,})\.part")
_COUNT = struct.Struct("<Q")
_DIGEST_BYTES = hashlib.sha256().digest_size
_BLOCK_BYTES = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part that was written whole."""

    file: Path
    first: int
    """Number of its first frame, from 0."""
    end: int
    """Number of the frame behind its last one."""

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The part in a file; None where it is not what was written. Raises OSError where it cannot be read."""
        name = _NAME.fullmatch(file.name)
        left = file.stat().st_size - _DIGEST_BYTES
        if name is None or left < len(_MAGIC) + _COUNT.size:
            return None
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while left > 0 and (block := stream.read(min(left, _BLOCK_BYTES))):
                digest.update(block)
                left -= len(block)
            if stream.read() != digest.digest():
                return None
            stream.seek(-_DIGEST_BYTES - _COUNT.size, 2)
            (num_frames,) = _COUNT.unpack(stream.read(_COUNT.size))
        if num_frames == 0:
            return None
        return cls(file=file, first=int(name[1]), end=int(name[1]) + num_frames)

    def packets(self) -> Iterator[StoredPacket]:
        """In the order of decoding."""
        with self._opened() as (stream, end):
            while stream.tell() < end:
                yield read_packet(stream)

    def times(self) -> list[tuple[int, int]]:
        """Of all packets: when the picture is shown, and when it is decoded."""
        found: list[tuple[int, int]] = []
        with self._opened() as (stream, end):
            while stream.tell() < end:
                found.append(read_times(stream))
        return found

    @contextmanager
    def _opened(self) -> Iterator[tuple[BinaryIO, int]]:
        """The file at its first packet, and where the last one ends."""
        with self.file.open("rb") as stream:
            stream.seek(len(_MAGIC))
            yield stream, self.file.stat().st_size - _DIGEST_BYTES - _COUNT.size


def file_name(first: int) -> str:
    """Of the part whose first frame has the number `first`."""
    return f"{first:08}.part"


class PartWriter:
    """A part being written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._write(_MAGIC)
        self.num_packets = 0

    def add(self, packet: StoredPacket) -> None:
        """The next packet: one a frame. Raises UserError where the disk is full."""
        try:
            self._write(packet.to_bytes())
        except OSError as error:
            raise UserError(f"the compressed frames could not be kept beside the output ({error.strerror})") from error
        self.num_packets += 1

    def finish(self) -> None:
        """Nothing follows."""
        self._write(_COUNT.pack(self.num_packets))
        self._stream.write(self._digest.digest())

    def _write(self, content: bytes) -> None:
        self._digest.update(content)
        self._stream.write(content)


@contextmanager
def written_part(folder: Path, first: int) -> Iterator[PartWriter]:
    """A part whose first frame has the number `first`; it gets its name when the block ends without an error.

    Raises UserError where the folder cannot be written, or the disk is full.
    """
    with written_whole(folder / file_name(first)) as temporary, temporary.open("wb") as stream:
        writer = PartWriter(stream)
        yield writer
        writer.finish()
