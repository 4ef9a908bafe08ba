"""Look at a film before the work: what it is, and a few frames from all over it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from .deinterlacing import deinterlaced
from .film import ColourTags, Film
from .frame_layout import layout_of
from .frame_pixels import Plane, is_without_colour
from .frame_planes import planes_of
from .library import av_library, codec_errors

_MOST_DECODED = 60
"""Frames from a key frame on to the one that is wanted: more would take longer than they tell."""
_NOT_SAID = (0, 2)
_USUAL_RATE = Fraction(25)
_FULL_BY_DEFAULT = ("mjpeg", "png")
"""Kinds of compression whose grey has all levels where nothing is said."""
_HDR = {16: "PQ", 18: "HLG"}
_COVER = 1 << 10
"""FFmpeg's flag of a stream that is one picture, such as an album's cover."""
_LOST = {
    "MASTERING_DISPLAY_METADATA": "HDR10's data on the display",
    "CONTENT_LIGHT_LEVEL": "HDR10's data on the display",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
    "A53_CC": "closed captions",
}
"""What compressed pictures may carry and new compression does not take."""


def surveyed(path: Path, num_samples: int) -> tuple[Film, list[tuple[Plane, ...]]]:
    """The film `path`, and the planes of frames from all over it; of the first ones where its length is not known.

    Raises UserError where it is damaged, holds no pictures, or is of a kind that is not taken.
    """
    if not path.is_file():
        raise UserError("is no file on a disk; a film is read twice, so save it first")
    with opened_container(path) as container:
        stream = pictures_of(container)
        with codec_errors("decoding"):
            frames = list(_spread_frames(container, stream, num_samples, _as_they_are))
            if not frames:
                raise UserError("damaged or truncated: not one picture could be decoded")
            film = _film(path, container, stream, frames)
            if film.is_interlaced:
                frames = list(_spread_frames(container, stream, num_samples, deinterlaced))
        samples = [planes_of(frame, film.layout) for frame in frames]
    if all(is_without_colour(planes, film.layout) for planes in samples):
        film = replace(film, layout=replace(film.layout, has_colour=False))
    return film, samples


@contextmanager
def opened_container(path: Path) -> Iterator[Any]:
    """PyAV's container of a film. Raises UserError where it cannot be read."""
    av = av_library()
    try:
        # Absolute: FFmpeg takes what stands before a colon in the first part of a path for a protocol.
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except av.error.FFmpegError as error:
        if isinstance(error, av.error.PermissionError):
            raise UserError("cannot read (Permission denied)") from error
        raise UserError("damaged, or no film that FFmpeg can read") from error
    try:
        yield container
    finally:
        container.close()


def pictures_of(container: Any) -> Any:
    """The first stream of moving pictures. Raises UserError where there is none that can be decoded."""
    for stream in container.streams.video:
        if not int(stream.disposition) & _COVER:
            if stream.codec_context is None:
                raise UserError("its pictures are compressed in a way that this build of FFmpeg cannot decode")
            return stream
    raise UserError("holds no moving pictures, so there is nothing to denoise")


Way = Callable[[Iterator[Any]], Iterator[Any]]
"""What is made of frames that follow each other."""


def _as_they_are(frames: Iterator[Any]) -> Iterator[Any]:
    return frames


def _spread_frames(container: Any, stream: Any, num_frames: int, way: Way) -> Iterator[Any]:
    av = av_library()
    length = _length(container, stream)
    if length is None:
        yield from way(_frames_onwards(container, stream, num_frames))
        return
    found_one = False
    for index in range(num_frames):
        wanted = (stream.start_time or 0) + round((index + 0.5) * length / num_frames)
        try:
            container.seek(wanted, stream=stream)
        except av.error.FFmpegError:
            break
        found = None
        for found in way(_frames_onwards(container, stream, _MOST_DECODED)):
            if found.pts is None or found.pts >= wanted:
                break
        if found is not None:
            found_one = True
            yield found
    if not found_one:
        # Damaged at the places looked at, or without an index.
        with opened_container(Path(container.name)) as again:
            yield from way(_frames_onwards(again, pictures_of(again), num_frames))


def _frames_onwards(container: Any, stream: Any, most: int) -> Iterator[Any]:
    """Up to `most` frames from where the container stands; what cannot be decoded is left out."""
    av = av_library()
    packets = container.demux(stream)
    while most > 0:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except av.error.FFmpegError:
            continue
        if packet is None:
            return
        for frame in frames[:most]:
            most -= 1
            yield frame


def _length(container: Any, stream: Any) -> int | None:
    """In the stream's time base."""
    if stream.duration:
        return int(stream.duration)
    return int(Fraction(container.duration, 10**6) / stream.time_base) if container.duration else None


def _end(container: Any) -> float | None:
    return (container.duration + (container.start_time or 0)) / 10**6 if container.duration else None


def _film(path: Path, container: Any, stream: Any, frames: list[Any]) -> Film:
    first, codec = frames[0], stream.codec_context
    tags = ColourTags(
        primaries=_said(codec.color_primaries, first.color_primaries),
        transfer=_said(codec.color_trc, first.color_trc),
        matrix=_said(codec.colorspace, first.colorspace),
        range=codec.color_range or first.color_range,
    )
    layout = layout_of(
        first.format.name,
        first.width,
        first.height,
        range_code=tags.range,
        matrix_code=tags.matrix,
        is_full_by_default=codec.name in _FULL_BY_DEFAULT,
    )
    rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
    length = _length(container, stream)
    by_length = None if length is None else round(length * stream.time_base * rate)
    aspect = stream.sample_aspect_ratio
    return Film(
        path=path,
        layout=layout,
        codec=codec.codec.canonical_name,
        tags=replace(tags, range=2) if layout.is_full_range and tags.range == 0 and layout.kind == "yuv" else tags,
        time_base=stream.time_base,
        rate=rate,
        num_frames=stream.frames or by_length or None,
        end=_end(container),
        pixel_aspect=aspect if aspect and aspect != 1 else None,
        display_matrix=_display_matrix(first),
        is_interlaced=any(frame.interlaced_frame for frame in frames),
        notes=tuple(_notes(container, stream, frames, tags)),
    )


def _said(by_container: int, by_frame: int) -> int:
    return by_frame if by_container in _NOT_SAID else by_container


def _display_matrix(frame: Any) -> tuple[int, ...] | None:
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return tuple(int(value) for value in np.frombuffer(bytes(data), np.int32)[:9])
    return None


def _notes(container: Any, stream: Any, frames: list[Any], tags: ColourTags) -> Iterator[str]:
    others = [video for video in container.streams.video if video.index != stream.index]
    if any(not int(video.disposition) & _COVER for video in others):
        yield "holds several streams of pictures; the first is denoised, the others are copied"
    if any(frame.interlaced_frame for frame in frames):
        yield "is interlaced: one whole picture is made of the two half pictures of each frame"
    if tags.transfer in _HDR:
        yield f"is HDR ({_HDR[tags.transfer]}): denoised on its code values; its colour tags stay"
    found = {data.type.name for frame in frames for data in frame.side_data}
    if lost := sorted({_LOST[name] for name in found & set(_LOST)}):
        yield f"what its compressed pictures carry was left out: {', '.join(lost)}"
