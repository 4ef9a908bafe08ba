"""PNG: 8 and 16 bits, grey and RGB, with and without alpha; chunks that stay true are copied.

Pixels are filtered row by row, then deflated. libpng tries every filter on every byte and takes three seconds for 24
megapixels in colour; two filters and libdeflate take a quarter of that, for files of the same size.
"""

import io
import math
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....errors import UserError
from ...colour_codes import codes_from
from ...exif.size_tags import block_of_size
from ...known_formats import PNG_DPI
from ...picture import Image, Metadata, Picture, with_alpha, without_alpha
from ...pillow_files import check_size, notes_on_rest, opened
from .png_chunks import chunks_in, note_on_damage, packed_pixels
from .png_scanlines import SIGNATURE, Chunk, PngHeader, decoded_pixels, png_bytes

_BAND_ROWS = 64
_TRIED_BYTES = 1024
"""Of a row, evenly spread: what a filter is chosen by."""
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_LEVEL = 4
_MOST_CHUNK_BYTES = 2**30
"""PNG allows twice this."""


def pixel_chunks(channels: Image) -> list[tuple[bytes, bytes]]:
    """The chunks IHDR, IDAT and IEND of `channels`: (H, W) or (H, W, 1 to 4), uint8 or uint16."""
    import imagecodecs

    height, width = channels.shape[:2]
    num_channels = channels.size // (height * width)
    header = ihdr_of(width, height, num_channels, channels.dtype)
    packed = bytes(imagecodecs.deflate_encode(filtered(channels).tobytes(), level=_LEVEL))
    parts = [packed[start : start + _MOST_CHUNK_BYTES] for start in range(0, len(packed), _MOST_CHUNK_BYTES)]
    return [(b"IHDR", header), *((b"IDAT", part) for part in parts), (b"IEND", b"")]


def ihdr_of(width: int, height: int, num_channels: int, dtype: np.dtype[Any]) -> bytes:
    """The payload of the chunk IHDR."""
    return struct.pack(">IIBBBBB", width, height, 8 * dtype.itemsize, _COLOUR_TYPES[num_channels], 0, 0, 0)


def filtered(channels: Image) -> NDArray[np.uint8]:
    """(H, 1 + bytes of a row): the number of each row's filter, then its bytes filtered."""
    height, width = channels.shape[:2]
    big_endian = np.ascontiguousarray(channels, dtype=channels.dtype.newbyteorder(">"))
    rows: NDArray[np.uint8] = big_endian.reshape(height, -1).view(np.uint8)
    pixel_bytes = rows.shape[1] // width
    result = np.empty((height, 1 + rows.shape[1]), np.uint8)

    def fill(top: int) -> None:
        band = rows[top : top + _BAND_ROWS]
        above = np.concatenate([rows[top - 1 : top] if top else np.zeros_like(rows[:1]), band[:-1]])
        left = np.zeros_like(band)
        left[:, pixel_bytes:] = band[:, :-pixel_bytes]
        # In the order of their numbers in PNG, section 9.2: None, Sub, Up.
        choices = np.stack([band, band - left, band - above])
        tried = choices[:, :, :: -(-rows.shape[1] // _TRIED_BYTES)].view(np.int8)
        kinds = np.abs(tried.astype(np.int16)).sum(axis=2).argmin(axis=0)
        result[top : top + _BAND_ROWS, 0] = kinds
        result[top : top + _BAND_ROWS, 1:] = choices[kinds, np.arange(len(band))]

    # NumPy lets other threads run meanwhile.
    with ThreadPoolExecutor() as threads:
        for _ in threads.map(fill, range(0, height, _BAND_ROWS)):
            pass
    return result


_COLOUR_NAMES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Not "safe to copy" by their name, but not about the values of pixels either.
_COPIED = {b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tIME", b"pCAL"}
_SAY_MORE = {b"cICP", b"iCCP", b"sRGB"}
"""Where one of them stands, programs pass over gAMA: PNG, section 4.3."""
_WHOLE_GAMMA, _SRGB_GAMMA, _SAME_GAMMA = 100_000, 0.45455, 0.05
"""libpng too takes gammas as equal that differ by 5 %."""
_EXIF_PREFIX = b"Exif\0\0"
"""PNG has none, but some programs write it."""
KEY_NOTE = "the transparent colour became an alpha channel"
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_MOST_PROFILE_BYTES = 2**25


def picture_from_png(data: bytes) -> Picture:
    """The picture in the bytes of a PNG file."""
    file = io.BytesIO(data)
    scanned = chunks_in(file)
    chunks, packed = scanned.chunks, packed_pixels(file, scanned.packed)
    header = header_of_png(chunks)
    depth, colour = header.depth, header.colour
    transparency = next((payload for name, payload in chunks if name == b"tRNS"), None)
    metadata, damaged = metadata_of(chunks)
    notes = [*scanned.notes, *notes_on_rest(data[scanned.end :], SIGNATURE)]
    if damaged:
        notes.append(note_on_damage(sorted({name.decode() for name, _ in damaged})))
    if colour == 3 or depth < 8:
        mode = "L" if colour == 0 else "RGB" if transparency is None else "RGBA"
        channels = np.asarray(opened(_pixel_file(chunks, b"".join(packed)), "PNG").convert(mode))
        notes.append(f"{depth}-bit {_COLOUR_NAMES[colour]} became 8-bit {mode}, since denoising makes new colours")
    else:
        channels = decoded_pixels(header, packed)
        for _ in packed:  # whatever else is there is checked as well
            pass
    pixels, alpha = without_alpha(channels)
    if colour in (0, 2) and transparency is not None:
        alpha = alpha_of_key(pixels, transparency, depth)
        notes.append(KEY_NOTE)
    return Picture(
        pixels=pixels,
        alpha=alpha,
        format="PNG",
        metadata=metadata,
        native=tuple(chunk for chunk in chunks if stays_true(chunk[0]) and chunk not in damaged),
        notes=tuple(notes),
    )


def header_of_png(chunks: Sequence[Chunk]) -> PngHeader:
    """The header of a file's chunks, in order. Raises UserError for pictures that hinas does not take."""
    if chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise UserError("damaged PNG: it does not begin with the chunk IHDR")
    width, height, depth, colour, compression, filters, interlacing = struct.unpack(">IIBBBBB", chunks[0][1])
    check_size(width, height)
    # The decoder would only print a warning of its own.
    if depth not in _DEPTHS.get(colour, ()) or (compression, filters) != (0, 0) or interlacing > 1:
        raise UserError("damaged PNG: no such kind of pixels")
    if colour == 3 and not any(name == b"PLTE" for name, _ in chunks):
        raise UserError("damaged PNG: its palette (the chunk PLTE) is missing")
    if any(name == b"acTL" for name, _ in chunks):
        raise UserError("an animated PNG read as a single picture; split it first")
    if depth == 1 and colour == 0:
        raise UserError("a black-and-white PNG (1 bit); there is no noise to take away; convert it to grey first")
    return PngHeader(width=width, height=height, depth=depth, colour=colour, is_interlaced=interlacing == 1)


def chunks_of_size(chunks: tuple[Chunk, ...], width: int, height: int) -> tuple[Chunk, ...]:
    """Copied chunks for a picture of another number of pixels."""
    return tuple(
        (name, block_of_size(payload.removeprefix(_EXIF_PREFIX), width, height) if name == b"eXIf" else payload)
        for name, payload in chunks
    )


def png_from_picture(picture: Picture) -> bytes:
    """The bytes of a PNG file."""
    encoded = pixel_chunks(with_alpha(picture))
    carried = list(picture.native) if picture.format == "PNG" else chunks_from(picture.metadata)
    return png_bytes([encoded[0], *carried, *encoded[1:]])


def _pixel_file(chunks: Sequence[Chunk], packed: bytes) -> bytes:
    """The pixels alone, so that no decoder acts on gamma, profiles or texts."""
    wanted = {b"IHDR", b"PLTE"} | ({b"tRNS"} if chunks[0][1][9] == 3 else set())
    return png_bytes([*(chunk for chunk in chunks if chunk[0] in wanted), (b"IDAT", packed), (b"IEND", b"")])


def stays_true(name: bytes) -> bool:
    """Ancillary chunks are copied where PNG calls them safe to copy (fourth letter small), or where we know them."""
    is_ancillary = bool(name[0] & 0x20)
    is_safe = bool(name[3] & 0x20) and name != b"sPLT"
    return is_ancillary and (is_safe or name in _COPIED)


def alpha_of_key(pixels: Image, transparency: bytes, depth: int) -> Image:
    """Opacity from the one colour that tRNS declares transparent."""
    key = np.frombuffer(transparency, ">u2") & (2**depth - 1)
    if depth < 8:
        key = key * (255 // (2**depth - 1))
    is_key = pixels == key.astype(pixels.dtype)
    if is_key.ndim == 3:
        is_key = is_key.all(axis=2)
    return np.where(is_key, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)


def metadata_of(chunks: Sequence[Chunk]) -> tuple[Metadata, set[Chunk]]:
    """The portable metadata, and the chunks whose content is damaged."""
    metadata = Metadata()
    damaged: set[Chunk] = set()
    for name, payload in chunks:
        try:
            metadata = replace(metadata, **_fields_of(name, payload))
        except (zlib.error, LookupError):
            damaged.add((name, payload))
    if metadata.icc is not None:
        metadata = replace(metadata, codes=None)
    if any(chunk[0] in _SAY_MORE and chunk not in damaged for chunk in chunks):
        metadata = replace(metadata, gamma=None)
    return metadata, damaged


def _fields_of(name: bytes, payload: bytes) -> dict[str, Any]:
    """What a chunk says, as fields of `Metadata`."""
    if name == b"eXIf":
        return {"exif": payload.removeprefix(_EXIF_PREFIX)}
    if name == b"iCCP":
        # name, 0, compression method 0, deflated profile
        packed = payload.split(b"\0", 1)[1][1:]
        return {"icc": zlib.decompressobj().decompress(packed, _MOST_PROFILE_BYTES)}
    if name == b"iTXt" and payload.startswith(_XMP_KEYWORD + b"\0"):
        is_packed, rest = payload[len(_XMP_KEYWORD) + 1], payload[len(_XMP_KEYWORD) + 3 :]
        text = rest.split(b"\0", 2)[2]
        return {"xmp": zlib.decompressobj().decompress(text, _MOST_PROFILE_BYTES) if is_packed else text}
    if name == b"cICP":
        return {"codes": codes_from(payload[0], payload[1])}
    if name == b"gAMA" and len(payload) == 4:
        gamma = int.from_bytes(payload) / _WHOLE_GAMMA
        return {"gamma": None if gamma == 0 or math.isclose(gamma, _SRGB_GAMMA, rel_tol=_SAME_GAMMA) else gamma}
    if name == b"pHYs" and len(payload) == 9 and payload[8] == 1:
        horizontal, vertical = struct.unpack(">II", payload[:8])
        return {"dpi": (horizontal * PNG_DPI.step, vertical * PNG_DPI.step)}
    return {}


def chunks_from(metadata: Metadata) -> list[Chunk]:
    """Side chunks of metadata that come from another format."""
    chunks: list[Chunk] = []
    if metadata.icc is not None:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.codes is not None:
        # Of RGB, all levels in use.
        chunks.append((b"cICP", bytes([metadata.codes.primaries, metadata.codes.transfer, 0, 1])))
    if (per_metre := PNG_DPI.of(metadata.dpi)) is not None:
        chunks.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if metadata.exif is not None:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        chunks.append((b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    return chunks
