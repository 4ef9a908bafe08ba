"""How a film's pictures are compressed: the kinds there are, and which one a film gets."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import UserError
from .film import Film
from .frame_planes import formats_that_hold
from .library import av_library


@dataclass(frozen=True, kw_only=True, slots=True)
class Compression:
    """A kind of compression."""

    libraries: tuple[str, ...]
    """FFmpeg's encoders, the preferred one first."""
    crf: int | None = None
    """The usual constant rate factor, at which hardly any loss is seen; None: the kind has none."""
    most_crf: int = 51
    options: tuple[tuple[str, str], ...] = ()
    """For the encoders."""


FRAMES_BETWEEN_KEYS = 240
"""About as many as encoders leave between key frames of their own accord, and those that leave fewer are told."""
_KEYS = ("g", str(FRAMES_BETWEEN_KEYS))
COMPRESSIONS: dict[str, Compression] = {
    "h264": Compression(libraries=("libx264", "libx264rgb"), crf=18),
    "hevc": Compression(libraries=("libx265",), crf=20, options=(("x265-params", "log-level=error"),)),
    "vp9": Compression(
        libraries=("libvpx-vp9",),
        crf=20,
        most_crf=63,
        # A sensible speed: the default takes far longer than denoising.
        options=(("deadline", "good"), ("cpu-used", "4"), ("row-mt", "1"), _KEYS),
    ),
    "av1": Compression(libraries=("libsvtav1",), crf=20, most_crf=63, options=(("preset", "8"), _KEYS)),
    "prores": Compression(libraries=("prores_ks",)),
    "ffv1": Compression(libraries=("ffv1",)),
}
"""By the names that --codec takes."""
_ELSE = ("h264", "vp9", "av1", "hevc", "ffv1")
"""What films of other kinds become: the first that holds their pixels and fits into the container."""
_SAY_PIXEL_SHAPE = ("h264", "hevc")
"""Kinds that themselves say the shape of pixels that are not square."""
QUICKTIME = ("mp4", "mov")
"""Containers of one family. They say that shape for all kinds; PyAV does not let others."""
_PROGRESSIVE = 1
"""FFmpeg's number of the order of lines that are all of one moment."""
_TALKATIVE = "libsvtav1"
_WITHOUT_TIMES = "avi"
"""It counts frames and knows no times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenEncoder:
    """What compresses a film's pictures."""

    kind: str
    """One of `COMPRESSIONS`."""
    library: str
    """FFmpeg's encoder."""
    format: str
    """FFmpeg's pixel format that it is given."""
    crf: int | None
    """None: the kind has none."""
    options: tuple[tuple[str, str], ...]
    note: str | None
    """What a person should know of the choice."""

    @property
    def text(self) -> str:
        """In a few words."""
        return self.kind if self.crf is None else f"{self.kind} crf {self.crf}"


def codec_of(text: str) -> str | None:
    """The kind that --codec asks for; None: that of the film."""
    if text == "auto":
        return None
    if text not in COMPRESSIONS:
        raise UserError(f"--codec {text}: allowed: auto, {', '.join(COMPRESSIONS)}")
    return text


def crf_of(value: int | None) -> int | None:
    """The constant rate factor that --crf asks for."""
    most = max(compression.most_crf for compression in COMPRESSIONS.values())
    if value is not None and not 0 <= value <= most:
        raise UserError(f"--crf {value}: allowed: a whole number from 0 to {most}, 51 for h264 and hevc")
    return value


def chosen_encoder(film: Film, container: str, *, codec: str | None, crf: int | None) -> ChosenEncoder:
    """The encoder for `film` in a `container` (FFmpeg's name). `codec`, `crf`: as a person asks, None: the usual.

    Raises UserError where the kind asked for cannot hold the film or does not fit into the container.
    """
    if container == _WITHOUT_TIMES and film.time_base * film.rate != 1:
        raise UserError("AVI cannot hold the times of its frames; write .mp4, .mov or .mkv")
    if codec is not None:
        found = _encoder(codec, film, container, crf)
        if isinstance(found, str):
            raise UserError(f"--codec {codec}: {found}")
        return found
    own = film.codec if film.codec in COMPRESSIONS else None
    reasons: list[str] = []
    for kind in dict.fromkeys((own, *_ELSE) if own else _ELSE):
        why = f"hinas does not write {film.codec}" if own is None else next(iter(reasons), None)
        found = _encoder(kind, film, container, crf, why=why)
        if not isinstance(found, str):
            return found
        reasons.append(found)
    raise UserError(f"{reasons[0]}; write .mkv, or --codec ffv1 to .mkv, which keeps every pixel")


def _encoder(kind: str, film: Film, container: str, crf: int | None, why: str | None = None) -> ChosenEncoder | str:
    """The encoder of a kind, or why it cannot be had. Raises UserError for a `crf` that it does not take."""
    av = av_library()
    compression = COMPRESSIONS[kind]
    libraries = [name for name in compression.libraries if name in av.codecs_available]
    if not libraries:
        return f"this build of FFmpeg has no encoder for {kind}"
    if not _fits(libraries[0], container):
        return f"{kind} does not fit into the container {container}"
    if film.pixel_aspect is not None and container not in QUICKTIME and kind not in _SAY_PIXEL_SHAPE:
        return f"its pixels are not square, which {kind} in the container {container} cannot say"
    if crf is not None and compression.crf is None:
        raise UserError(f"--crf {crf}: {kind} has no constant rate factor; leave --crf out")
    if crf is not None and crf > compression.most_crf:
        raise UserError(f"--crf {crf}: is too much for {kind}; allowed: 0 to {compression.most_crf}")
    for library, format in _pairs(libraries, film):
        options = (*compression.options, *_profile(library, format))
        chosen = ChosenEncoder(
            kind=kind,
            library=library,
            format=format,
            crf=compression.crf if crf is None else crf,
            options=options,
            note=None if why is None else f"{why}; its pictures are compressed as {kind}",
        )
        if _opens(chosen, film, container):
            return chosen
    return f"no encoder for {kind} takes {film.size_text} pixels of the kind {film.layout.format}"


def _pairs(libraries: list[str], film: Film) -> Iterator[tuple[str, str]]:
    """Encoders and pixel formats that hold the film's values unchanged."""
    av = av_library()
    for library in libraries:
        taken = {format.name for format in av.codec.Codec(library, "w").video_formats or ()}
        for format in formats_that_hold(film.layout):
            if format in taken:
                yield library, format


def _profile(library: str, format: str) -> tuple[tuple[str, str], ...]:
    if library != "prores_ks":
        return ()
    return (("profile", "4444" if "444" in format else "hq"), ("vendor", "apl0"))


def _fits(library: str, container: str) -> bool:
    av = av_library()
    with av.open(io.BytesIO(), "w", format=container) as trial:
        try:
            trial.add_stream(library)
        except ValueError:
            return False
    return True


def _opens(chosen: ChosenEncoder, film: Film, container: str) -> bool:
    """Whether the encoder takes such pictures: some refuse odd widths or heights."""
    av = av_library()
    context = av.codec.CodecContext.create(chosen.library, "w")
    set_up(context, chosen, film, container)
    try:
        context.open()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def set_up(context: Any, chosen: ChosenEncoder, film: Film, container: str) -> None:
    """Tell PyAV's encoder, a context, all about the pictures and the `container` (FFmpeg's name) they are for."""
    layout, tags = film.layout, film.tags
    if chosen.library == _TALKATIVE:
        # It prints a page about itself, which FFmpeg cannot keep back.
        os.environ.setdefault("SVT_LOG", "1")
    context.width, context.height, context.pix_fmt = layout.width, layout.height, chosen.format
    context.time_base, context.framerate = film.time_base, film.rate
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    context.colorspace, context.color_range = tags.matrix, tags.range
    if film.is_interlaced:
        # What is compressed no longer is.
        context.field_order = _PROGRESSIVE
    if film.pixel_aspect is not None:
        context.sample_aspect_ratio = film.pixel_aspect
    if container == _WITHOUT_TIMES:
        # Nor can it say in which order they are shown.
        context.max_b_frames = 0
    else:
        context.flags |= int(av_library().codec.context.Flags.global_header)
    if chosen.kind == "hevc" and container in QUICKTIME:
        # What Apple's players take.
        context.codec_tag = "hvc1"
    context.options = {
        **context.options,
        **dict(chosen.options),
        **({} if chosen.crf is None else {"crf": str(chosen.crf)}),
    }
