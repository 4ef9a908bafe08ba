"""What --preview shows of a run: collected while pictures are written, and one page at the end."""

import os
import struct
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ... import __version__
from ...errors import UserError
from ..amount import Amount
from ..denoise_request import Request
from ..noise.level import NoiseLevel
from ..pictures.exif.exif_block import directory_from
from ..pictures.packed_bayer import as_seen
from ..pictures.picture import KINDS, Picture
from ..preview.html_page import write_page
from ..preview.picture_pair import PicturePair, held_pair
from ..preview.preview_page import FailedPicture, PreviewedPicture, preview_page
from ..preview.shown_picture import Appearance, ShownPicture, sampled_picture, shown_picture
from .huge_pictures import opened_huge
from .picture_stages import Job, Loaded, Written
from .reporting import Reporter

MOST_SHOWN = 50
"""Pictures of a page: 1 to 3 MB each."""
_SUFFIXES = (".html", ".htm")
_ORIENTATION = 274


def check_preview(request: Request, jobs: Sequence[Job]) -> None:
    """Raise UserError where the page of `request` could not be written: to be called before any work."""
    page = request.preview
    if page is None:
        return
    if page.suffix.lower() not in _SUFFIXES:
        raise UserError(f"--preview {page}: is a page; give a name that ends in {' or '.join(_SUFFIXES)}")
    if page.is_dir():
        raise UserError(f"--preview {page}: is a folder; give the name of a page to write")
    is_made = request.source.is_dir() and page.parent.resolve() == request.target.resolve()
    if not page.parent.is_dir() and not is_made:
        raise UserError(f"--preview {page}: no such folder {page.parent}; create it first or choose another path")
    if page.parent.is_dir() and not os.access(page.parent, os.W_OK):
        raise UserError(f"--preview {page}: the folder {page.parent} cannot be written to; choose another path")
    pictures = (file for job in jobs for file in (job.source, job.target))
    if page.resolve() in (file.resolve() for file in pictures):
        raise UserError(f"--preview {page}: is one of the pictures; choose another name for the page")
    if page.exists() and not request.overwrite:
        # --overwrite and --skip-existing exclude each other.
        remedy = "delete it" if request.skip_existing else "add --overwrite to replace it"
        raise UserError(f"--preview {page}: exists already; {remedy}, or choose another name")


class RunPreview:
    """Safe to use from several threads. Where the request asks for no page, nothing is collected."""

    def __init__(self, request: Request, jobs: Sequence[Job]) -> None:
        """`jobs`: what is to be denoised, in the page's order."""
        self._request = request
        self._places = {job.target: place for place, job in enumerate(jobs)}
        self._pictures: dict[int, PreviewedPicture] = {}
        self._failed: list[FailedPicture] = []
        self._lock = threading.Lock()

    def add(self, written: Written) -> None:
        """A picture that was written. What goes wrong here is said on the page, for the picture itself is done."""
        if self._request.preview is None:
            return
        place = self._places[written.denoised.loaded.job.target]
        too_many = f"not shown: a page shows {MOST_SHOWN} pictures at most"
        picture = self._previewed(written, _shown(written) if place < MOST_SHOWN else too_many)
        with self._lock:
            self._pictures[place] = picture

    def add_failure(self, source: Path, reason: str) -> None:
        """A picture that failed."""
        self._failed.append(FailedPicture(name=self._name(source), reason=reason))

    def finish(self, reporter: Reporter, *, num_skipped: int) -> None:
        """Write the page of all that was added; without any picture nothing is written, and a note says so."""
        page = self._request.preview
        if page is None:
            return
        pictures = [picture for _, picture in sorted(self._pictures.items(), key=lambda item: item[0])]
        if pictures:
            about = f"hinas-denoise {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
            write_page(preview_page(pictures, failed=self._failed, num_skipped=num_skipped, about=about), page)
        reporter.preview(page, len(pictures))

    def _name(self, source: Path) -> str:
        is_folder = source != self._request.source
        return str(source.relative_to(self._request.source) if is_folder else source.name)

    def _previewed(self, written: Written, shown: ShownPicture | str) -> PreviewedPicture:
        denoised, loaded = written.denoised, written.denoised.loaded
        content, scale = loaded.content, loaded.denoiser.manifest.scale
        enlarged = "" if scale == 1 else f" to {content.width * scale}x{content.height * scale}"
        notes = [note.removeprefix(f"{loaded.job.source}: ") for note in (*loaded.notes, *denoised.notes)]
        return PreviewedPicture(
            name=self._name(loaded.job.source),
            size=f"{content.size_text}{enlarged} {KINDS[content.num_channels]} {content.bits}-bit",
            noise=_noise_text(loaded.level),
            model=_model_text(loaded, self._request.amount),
            target=str(loaded.job.target),
            notes=tuple(notes),
            shown=shown,
        )


def _model_text(loaded: Loaded, amount: Amount) -> str:
    strength = "" if amount.strength == 1 else f", strength {amount.strength:g}"
    chroma = "" if amount.chroma == 1 else f", chroma {amount.chroma:g}"
    return f"{loaded.model_text}{strength}{chroma}"


def _noise_text(level: NoiseLevel) -> str:
    if level.sigma is None:
        return "the model needs none"
    times = "" if level.factor == 1 else f", times {level.factor:g}"
    return f"sigma {level.sigma:.1f}, {'measured on the picture' if level.is_estimated else 'given'}{times}"


def _shown(written: Written) -> ShownPicture | str:
    denoised = written.denoised
    content = denoised.loaded.content
    try:
        if isinstance(content, Picture):
            assert denoised.clean is not None
            return shown_picture(
                held_pair(as_seen(content.pixels), as_seen(denoised.clean.pixels)), _appearance(content)
            )
        if content.path.resolve() == denoised.loaded.job.target.resolve():
            return "not shown: the result replaced the picture, which was too large to be held"
        target = denoised.loaded.job.target
        with opened_huge(content, content.path) as before, opened_huge(content, target) as after:
            pair = PicturePair(
                height=content.height,
                width=content.width,
                scale=denoised.loaded.denoiser.manifest.scale,
                read_before=lambda region: before.read(region)[0],
                read_after=lambda region: after.read(region)[0],
            )
            return sampled_picture(pair, Appearance())
    except MemoryError:
        return "not shown: the memory did not suffice"
    except (UserError, OSError) as error:
        return f"not shown: {error}"


def _appearance(picture: Picture) -> Appearance:
    metadata = picture.metadata
    orientation = 1
    if metadata.exif is not None:
        try:
            value = directory_from(metadata.exif).get(_ORIENTATION)
        except (UserError, struct.error):
            value = None  # damaged: the picture is shown as it is stored
        if value is not None and len(value.data) == 2:
            (orientation,) = struct.unpack("<H", value.data)
    return Appearance(orientation=orientation, icc=metadata.icc)
