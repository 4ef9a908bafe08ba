"""Animations from files and back, with Pillow: it puts frames together as GIF, PNG and WebP each say."""

import io
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import UserError
from ..damage import damage_is_the_users
from ..formats.gif_files import MAY_LACK_FRAMES, has_end_mark
from ..formats.png.png_chunks import chunks_in
from ..formats.png.png_files import chunks_from, metadata_of, stays_true
from ..formats.png.png_scanlines import SIGNATURE, Chunk, png_bytes
from ..known_formats import CAPACITIES, Capacity
from ..lost_metadata import lost_metadata, notes_on_gamma
from ..picture import Image, Metadata
from ..pillow_files import opened_series
from .animation import Animation, AnimationFrame
from .series_formats import SeriesFormat

_MOST_PIXELS = 2**28
"""Of all frames together: they are held at once."""
_PILLOWS_NAMES: dict[SeriesFormat, str] = {"GIF": "GIF", "PNG": "PNG", "WebP": "WEBP"}
_LONGEST: dict[SeriesFormat, int] = {"GIF": 65535, "WebP": 16383}
"""Pixels a side."""
_CAPACITIES: dict[SeriesFormat, Capacity] = {
    "GIF": Capacity(depths=(8,), metadata=frozenset()),
    "WebP": CAPACITIES["WebP"],
}
"""Of formats that do not take back a PNG's side chunks."""
_PROFILES_COLOURS = slice(16, 20)
"""Where a colour profile says whether it is of grey, RGB or others."""
_TO_BACKGROUND, _KEPT = 2, 1
"""GIF's words for what becomes of a frame when its time is over."""


def read_animation(path: Path, format: SeriesFormat) -> Animation:
    """The animation in `path`. Raises UserError where it is damaged, too large, or of more than 8 bits."""
    data = path.read_bytes()
    with damage_is_the_users():
        if format == "PNG" and data[24] == 16:
            raise UserError("an animated PNG of 16 bits per channel; convert it to 8 bits first")
        image = opened_series(data, _PILLOWS_NAMES[format])
        num_frames = getattr(image, "n_frames", 1)
        if num_frames * image.width * image.height > _MOST_PIXELS:
            raise _too_large(f"{num_frames} frames of {image.width}x{image.height} pixels")
        frames = _frames(image, num_frames)
        info: Any = image.info
        animation = Animation(
            frames=frames,
            num_plays=_num_plays(info.get("loop"), format),
            has_cover=bool(info.get("default_image", False)),
            is_lossless=format != "WebP" or b"VP8 " not in data,
            metadata=Metadata(icc=info.get("icc_profile"), exif=_exif(info), xmp=_bytes(info.get("xmp"))),
            comment=info.get("comment", b"") if format == "GIF" else b"",
            has_end=format != "GIF" or has_end_mark(data),
        )
        if format == "PNG":
            chunks = chunks_in(io.BytesIO(data)).chunks
            metadata, damaged = metadata_of(chunks)
            kept = tuple(chunk for chunk in chunks if stays_true(chunk[0]) and chunk not in damaged)
            animation = replace(animation, metadata=metadata, chunks=kept)
    return animation


def check_animation(animation: Animation, format: SeriesFormat) -> None:
    """Raise UserError where `format` cannot hold such frames: to be called before the work of denoising."""
    longest = _LONGEST.get(format)
    if longest is not None and max(animation.frames[0].pixels.shape[:2]) > longest:
        raise UserError(f"its frames are {animation.size_text} and {format} holds at most {longest} pixels a side")
    if format == "GIF" and any(_is_partly_transparent(frame) for frame in _written(animation, format)):
        raise UserError("the animation is partly transparent and GIF holds no such pixels; write .webp or .png")


def left_out_of_animation(animation: Animation, format: SeriesFormat) -> tuple[str, ...]:
    """What an animation in `format` does not hold, as sentences for a person."""
    notes = [] if animation.has_end else [MAY_LACK_FRAMES]
    if format == "GIF":
        notes.append("a GIF has 256 colours a frame, which brings noise back; .webp and .png hold all")
    elif animation.comment:
        notes.append(f"the GIF's comment was left out, which {format} does not hold")
    if format != "PNG":
        if lost := lost_metadata(animation.metadata, _CAPACITIES[format]):
            notes.append(f"{format} cannot hold all that the animation has; left out: {', '.join(lost)}")
        notes += notes_on_gamma(animation.metadata, format)
    if animation.has_cover and format != "PNG":
        notes.append("the picture for programs that know no animations was left out")
    return tuple(notes)


def write_animation(animation: Animation, path: Path, format: SeriesFormat) -> None:
    """Write whole frames: none depends on the one before it."""
    frames = _written(animation, format)
    metadata = animation.metadata
    if metadata.icc is not None and metadata.icc[_PROFILES_COLOURS] == b"RGB ":
        # A profile of colours is without meaning in a PNG of grey.
        frames = tuple(frame.with_pixels(_in_colour(frame.pixels)) for frame in frames)
    images = [_image(frame) for frame in frames]
    played = frames[1:] if animation.has_cover and format == "PNG" else frames
    times = [frame.milliseconds for frame in played]
    options: dict[str, Any] = {"save_all": True, "append_images": images[1:]}
    has_alpha = frames[0].alpha is not None
    match format:
        case "GIF":
            options |= {"duration": [10 * round(time / 10) for time in times], "optimize": False}
            options |= {"disposal": _TO_BACKGROUND if has_alpha else _KEPT, "comment": animation.comment}
            if animation.num_plays != 1:
                options["loop"] = max(0, animation.num_plays - 1)
        case "PNG":
            options |= {"duration": times, "loop": animation.num_plays, "default_image": animation.has_cover}
        case "WebP":
            options |= {"duration": [round(time) for time in times], "loop": animation.num_plays, "exact": True}
            options |= {"lossless": animation.is_lossless, "quality": 75 if animation.is_lossless else 95}
            options |= {"exif": metadata.exif or b"", "icc_profile": metadata.icc or b"", "xmp": metadata.xmp or b""}
        case "TIFF":
            raise AssertionError("pages are no animation")
    buffer = io.BytesIO()
    images[0].save(buffer, _PILLOWS_NAMES[format], **options)
    data = buffer.getvalue()
    path.write_bytes(_with_chunks(data, animation) if format == "PNG" else data)


def _frames(image: Any, num_frames: int) -> tuple[AnimationFrame, ...]:
    """Whole frames, opacity and colours alone where some frame has them."""
    from PIL import Image as Pillow

    shown: list[tuple[Image, float]] = []
    num_pixels = 0
    for index in range(num_frames):
        try:
            # A frame of a GIF may reach beyond the picture, which then grows.
            image.seek(index)
        except Pillow.DecompressionBombError as error:
            raise UserError(f"frame {index + 1} claims more pixels than any picture has; damaged") from error
        num_pixels += image.width * image.height
        if num_pixels > _MOST_PIXELS:
            raise _too_large(f"{index + 1} frames that grow to {image.width}x{image.height} pixels")
        channels = np.asarray(image.convert("RGBA"))
        shown.append((channels, float(image.info.get("duration") or 0)))
    has_alpha = any((channels[:, :, 3] < 255).any() for channels, _ in shown)
    is_grey = all((channels[:, :, :1] == channels[:, :, 1:3]).all() for channels, _ in shown)
    return tuple(
        AnimationFrame(
            pixels=channels[:, :, 0].copy() if is_grey else channels[:, :, :3].copy(),
            alpha=channels[:, :, 3].copy() if has_alpha else None,
            milliseconds=milliseconds,
        )
        for channels, milliseconds in shown
    )


def _written(animation: Animation, format: SeriesFormat) -> tuple[AnimationFrame, ...]:
    """The frames that a file of `format` gets: PNG alone holds a cover."""
    return animation.frames[1:] if animation.has_cover and format != "PNG" else animation.frames


def _is_partly_transparent(frame: AnimationFrame) -> bool:
    """Whether a pixel is neither opaque nor clear."""
    return frame.alpha is not None and bool(((frame.alpha > 0) & (frame.alpha < 255)).any())


def _too_large(what: str) -> UserError:
    return UserError(f"{what} are more than hinas holds at once; make a film of it, such as .mp4 or .mkv")


def _image(frame: AnimationFrame) -> Any:
    from PIL import Image as Pillow

    if frame.alpha is None:
        return Pillow.fromarray(frame.pixels)
    return Pillow.fromarray(np.dstack([_in_colour(frame.pixels), frame.alpha]))


def _in_colour(pixels: Image) -> Image:
    return pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)


def _num_plays(loop: int | None, format: SeriesFormat) -> int:
    """GIF counts how often an animation is played again, and says nothing where it is played once."""
    if format != "GIF":
        return loop or 0
    return 1 if loop is None else 0 if loop == 0 else loop + 1


def _exif(info: dict[str, Any]) -> bytes | None:
    exif = info.get("exif")
    return None if exif is None else exif.removeprefix(b"Exif\0\0")


def _bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _with_chunks(data: bytes, animation: Animation) -> bytes:
    """A PNG as Pillow wrote it, with side chunks behind its header: the source's, or those of other metadata."""
    header, *others = _chunks(data)
    carried: Sequence[Chunk] = animation.chunks or chunks_from(animation.metadata)
    return png_bytes([header, *carried, *(chunk for chunk in others if not stays_true(chunk[0]))])


def _chunks(data: bytes) -> list[Chunk]:
    found: list[Chunk] = []
    position = len(SIGNATURE)
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        found.append((name, data[position + 8 : position + 8 + length]))
        position += 12 + length
    return found
