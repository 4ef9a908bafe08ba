"""TIFFs of several pages: each page as a picture of its own, and pages written one after the other.

All pixels come first and the directories behind them, as ImageJ expects it of stacks that are not compressed.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ....errors import UserError
from ..damage import damage_is_the_users
from ..exif.exif_block import BIG, CLASSIC, Directory, Value, directory_bytes, directory_from
from ..formats.tiff_files import MOST_CLASSIC_BYTES, picture_of_page, tiff_from_picture
from ..formats.tiff_pages import check_kind, listed_pages
from ..picture import Picture
from ..pillow_files import check_size

_KIND, _PAGE_NUMBER = 254, 297
"""Tags that belong to a page among others."""
_PLACES = {273: 279, 324: 325}
"""Tags of where strips or tiles lie, and of how many bytes each has."""
_LONG, _LONG8 = 4, 16


class TiffPages:
    """An open TIFF of several pages."""

    def __init__(self, pages: list[Any], data: mmap.mmap, notes: tuple[str, ...]) -> None:
        """`pages`: tifffile's."""
        self._pages = pages
        self._data = data
        self.notes = notes
        """What is left out, for a person."""

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def decoded_bytes(self) -> int:
        """Of all pages."""
        with damage_is_the_users():
            return sum(page.nbytes for page in self._pages)

    def __iter__(self) -> Iterator[Picture]:
        """The pages in their order, one held at a time. Raises UserError that names a damaged page."""
        for number, page in enumerate(self._pages, start=1):
            with _page_named(number), damage_is_the_users():
                picture = picture_of_page(page, self._data)
                own = directory_from(self._data, page.offset)
            kept = {tag: own[tag] for tag in (_KIND, _PAGE_NUMBER) if tag in own}
            yield replace(picture, native=replace(picture.native, tags={**picture.native.tags, **kept}))


@contextmanager
def opened_pages(path: Path) -> Iterator[TiffPages]:
    """The TIFF `path`. Raises UserError, before any work, for pages that hinas does not take."""
    import tifffile

    with path.open("rb") as file:
        with damage_is_the_users():
            listed = listed_pages(tifffile.TiffFile(file))
            pages = [page for page in listed if not page.is_reduced] or listed[:1]
            for number, page in enumerate(pages, start=1):
                with _page_named(number):
                    check_size(page.imagewidth, page.imagelength)
                    check_kind(page, num_listed=len(listed))
        left_out = len(listed) - len(pages)
        notes = (f"{left_out} smaller copies of pictures were left out",) if left_out else ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield TiffPages(pages, data, notes)


class PagesWriter:
    """Writes a TIFF page by page; complete after `finish`."""

    def __init__(self, file: BinaryIO, *, num_bytes: int) -> None:
        """`num_bytes`: of all pages decoded, which says how wide offsets must be."""
        self._file = file
        self._layout = BIG if num_bytes > MOST_CLASSIC_BYTES else CLASSIC
        self._directories: list[Directory] = []
        offset_bytes = struct.calcsize("<" + self._layout.offset)
        head = b"II" + struct.pack("<H", self._layout.magic)
        file.write((head + (struct.pack("<HH", offset_bytes, 0) if self._layout is BIG else b"")).ljust(16, b"\0"))

    def add(self, picture: Picture) -> None:
        """Write a page's pixels and keep its tags."""
        data = tiff_from_picture(picture)
        directory = directory_from(data)
        for places, sizes in _PLACES.items():
            if places in directory:
                starts = [
                    self._copied(data[start : start + size])
                    for start, size in zip(_numbers(directory[places]), _numbers(directory[sizes]), strict=True)
                ]
                kind, code = (_LONG8, "Q") if self._layout is BIG else (_LONG, "I")
                directory[places] = Value(kind, struct.pack(f"<{len(starts)}{code}", *starts))
        self._directories.append(directory)

    def finish(self) -> None:
        """Write the directories, each with a link to the next."""
        file, layout = self._file, self._layout
        link = layout.pointer_at
        for directory in self._directories:
            start = file.seek(0, 2)
            start += -start % 8
            file.seek(start)
            file.write(directory_bytes(directory, start, layout))
            file.seek(link)
            file.write(struct.pack("<" + layout.offset, start))
            entry_bytes = struct.calcsize("<" + layout.entry) + struct.calcsize("<" + layout.offset)
            link = start + struct.calcsize("<" + layout.count) + len(directory) * entry_bytes

    def _copied(self, part: bytes) -> int:
        start = self._file.tell()
        self._file.write(part)
        return start


def _numbers(value: Value) -> tuple[int, ...]:
    code = {3: "H", _LONG: "I", _LONG8: "Q"}[value.type]
    return struct.unpack(f"<{value.count}{code}", value.data)


@contextmanager
def _page_named(number: int) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"page {number}: {error}") from error
