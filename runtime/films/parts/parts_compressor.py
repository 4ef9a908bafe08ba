"""Compress frames into parts of one length, each with an encoder of its own, so that none depends on another.

Where parts begin depends on nothing but the numbers of the frames: a film that was killed and went on is the same file
as one that was not.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from ....errors import UserError
from ..encoders import FRAMES_BETWEEN_KEYS, ChosenEncoder, set_up
from ..film import Film, Frame
from ..frame_planes import frame_from
from ..library import av_library, codec_errors
from .part_file import Part, written_part
from .parts_folder import PartsFolder
from .stored_packet import StoredPacket

FRAMES_OF_A_PART = FRAMES_BETWEEN_KEYS
"""So that a part holds one key frame, its first, where no scene ends in it."""


class PartsCompressor:
    """Compresses the frames behind those that a folder holds already."""

    def __init__(self, folder: PartsFolder, film: Film, encoder: ChosenEncoder, container: str) -> None:
        """`container`: FFmpeg's name of the one that the packets are for."""
        self._folder = folder
        self._film = film
        self._encoder = encoder
        self._container = container
        self._open: _OpenPart | None = None
        self._num_frames = folder.num_frames
        self.first = folder.num_frames
        """The number of the first frame that it is to be given."""

    def write(self, frame: Frame) -> None:
        """Compress the next frame. Raises UserError where the encoder fails or the disk is full."""
        if self._open is None:
            context = _opened_encoder(self._encoder, self._film, self._container)
            self._open = _OpenPart(self._folder, self._num_frames, context)
        made = frame_from(frame, self._film.layout, self._film.tags, self._encoder.format)
        made.time_base = self._film.time_base
        self._open.write(made, frame.duration)
        self._num_frames += 1
        if self._num_frames % FRAMES_OF_A_PART == 0:
            self.finish()

    def finish(self) -> None:
        """End the part that is open, if one is."""
        part, self._open = self._open, None
        if part is not None:
            self._folder.parts.append(part.finish())


@contextmanager
def compressed_parts(
    folder: PartsFolder, film: Film, encoder: ChosenEncoder, container: str
) -> Iterator[PartsCompressor]:
    """What compresses a film into `folder`. After an error, or Ctrl-C, the last frames are kept as a shorter part."""
    compressor = PartsCompressor(folder, film, encoder, container)
    try:
        yield compressor
    except BaseException:
        # Where the encoder failed or the disk is full, the first error says so.
        with suppress(UserError):
            compressor.finish()
        raise
    compressor.finish()


class _OpenPart:
    """A part being compressed."""

    def __init__(self, folder: PartsFolder, first: int, context: Any) -> None:
        """`context`: PyAV's, an encoder that was given nothing yet."""
        self._folder = folder
        self._first = first
        self._context = context
        self._durations: dict[int, int] = {}
        self._num_frames = 0
        self._file = ExitStack()
        self._writer = self._file.enter_context(written_part(folder.path, first))

    def write(self, frame: Any, duration: int) -> None:
        """Compress PyAV's frame, which is shown for `duration`; 0: not known."""
        self._durations[frame.pts] = duration
        self._encode(frame)
        self._num_frames += 1

    def finish(self) -> Part:
        """Compress what the encoder still holds, and give the file its name."""
        with self._file:
            self._encode(None)
            if self._writer.num_packets != self._num_frames:
                raise UserError(
                    f"compressing failed (the encoder gave {self._writer.num_packets} pictures of {self._num_frames})"
                )
        return Part(
            file=self._folder.file_of(self._first),
            first=self._first,
            end=self._first + self._num_frames,
        )

    def _encode(self, frame: Any | None) -> None:
        with codec_errors("compressing"):
            packets = self._context.encode(frame)
        for packet in packets:
            # Encoders do not carry it; the last frame would end at once.
            packet.duration = self._durations.pop(packet.pts, 0) or packet.duration
            self._writer.add(StoredPacket.from_av(packet))


def _opened_encoder(encoder: ChosenEncoder, film: Film, container: str) -> Any:
    context = av_library().codec.CodecContext.create(encoder.library, "w")
    set_up(context, encoder, film, container)
    return context
