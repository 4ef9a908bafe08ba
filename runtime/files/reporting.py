"""What the command prints: progress and notes to stderr, results to stdout."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ..pictures.picture import KINDS
from ..tiling.stitching import Progress
from .picture_stages import Written
from .sequences.film_stages import FrameProgress, WrittenFilm
from .sequences.sequence_reporting import line_of_film, line_of_series, values_of_film, values_of_series
from .sequences.series_stages import WrittenSeries


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderSummary:
    """How a folder run went."""

    num_written: int
    num_skipped: int
    num_failed: int
    busy_seconds: float
    """That the model computed."""
    span_seconds: float
    """From the beginning of its first picture to the end of its last."""

    @property
    def busy_share(self) -> float:
        """0..1; 1 where nothing was computed."""
        return self.busy_seconds / self.span_seconds if self.span_seconds else 1.0


class FolderProgress:
    """The progress bar of a folder run, or nothing where stderr is no terminal."""

    def __init__(self, bar: Any | None) -> None:
        self._bar = bar

    def tiles_of(self, name: str) -> Progress | None:
        """To be called after each tile of the picture `name`."""
        bar = self._bar
        return None if bar is None else lambda done, total: bar.set_postfix_str(f"{name}, tile {done} of {total}")

    def advance(self) -> None:
        """One picture has ended."""
        if self._bar is not None:
            self._bar.update()


class Reporter:
    """Prints for a person, or one JSON object per picture for a machine; with `quiet` errors only (and JSON)."""

    def __init__(self, *, quiet: bool, json: bool) -> None:
        self._quiet = quiet
        self._json = json
        # A library that prints to standard output in between is sent elsewhere.
        self._results = sys.stdout
        self._bar: Any | None = None

    def note(self, text: str) -> None:
        """Something a person should know that is no failure."""
        if not self._quiet:
            self._print(f"note: {text}", sys.stderr)

    def notes(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.note(text)

    def failure(self, source: Path, text: str) -> None:
        """A picture that was not denoised; the others go on."""
        self._print(f"error: {text}", sys.stderr)
        self.refused(source, text)

    def refused(self, source: Path, text: str) -> None:
        """The only file of a run, which fails with it: a person is told by the error that ends the command."""
        if self._json:
            self._print(json.dumps({"input": str(source), "error": text}), self._results)

    def skipped(self, source: Path, target: Path) -> None:
        """A picture whose output exists."""
        if self._json:
            self._print(json.dumps({"input": str(source), "output": str(target), "skipped": True}), self._results)
        elif not self._quiet:
            self._print(f"{source} -> {target}  skipped, exists already", self._results)

    def written(self, written: Written) -> None:
        """A picture that was written."""
        self.notes(written.denoised.notes)
        if self._json:
            self._print(json.dumps(values_of(written)), self._results)
        elif not self._quiet:
            self._print(line_of(written), self._results)

    def film(self, written: WrittenFilm) -> None:
        """A film that was written."""
        self.notes(written.notes)
        if self._json:
            self._print(json.dumps(values_of_film(written)), self._results)
        elif not self._quiet:
            self._print(line_of_film(written), self._results)

    def series(self, written: WrittenSeries) -> None:
        """An animation, or a TIFF of several pages, that was written."""
        self.notes(written.notes)
        if self._json:
            self._print(json.dumps(values_of_series(written)), self._results)
        elif not self._quiet:
            self._print(line_of_series(written), self._results)

    def row(self, values: Mapping[str, Any]) -> None:
        """A picture of a run on many machines: a person is told of failures alone, for there are too many."""
        if values["error"] is not None:
            self._print(f"error: {values['error']}", sys.stderr)
        if self._json:
            self._print(json.dumps(values), self._results)

    def conclusion(self, text: str, values: Mapping[str, Any]) -> None:
        """The end of a run on many machines."""
        if self._json:
            self._print(json.dumps({"summary": values}), self._results)
        elif not self._quiet:
            self._print(text, sys.stderr)

    def preview(self, page: Path, num_pictures: int) -> None:
        """The page that shows the pictures before and after; not written where there are none."""
        if num_pictures == 0:
            self.note(f"{page}: not written, for no picture was denoised")
        elif self._json:
            self._print(json.dumps({"preview": {"output": str(page), "pictures": num_pictures}}), self._results)
        elif not self._quiet:
            self._print(f"before and after: {page}", self._results)

    def summary(self, summary: FolderSummary) -> None:
        """The end of a folder run."""
        if self._json:
            values = {
                "written": summary.num_written,
                "skipped": summary.num_skipped,
                "failed": summary.num_failed,
                "busy_seconds": round(summary.busy_seconds, 3),
                "span_seconds": round(summary.span_seconds, 3),
                "busy_share": round(summary.busy_share, 4),
            }
            self._print(json.dumps({"summary": values}), self._results)
        elif not self._quiet:
            skipped = f", {summary.num_skipped} skipped (exist already)" if summary.num_skipped else ""
            failed = f", {summary.num_failed} failed" if summary.num_failed else ""
            busy = f"computing {100 * summary.busy_share:.0f} % of {summary.span_seconds:.1f} s"
            self._print(f"{summary.num_written} written{skipped}{failed}; {busy}", sys.stderr)

    @contextmanager
    def tiles(self, name: str) -> Iterator[Progress | None]:
        """A progress bar over the tiles of one picture, where stderr is a terminal."""
        if self._quiet or not sys.stderr.isatty():
            yield None
            return
        from tqdm import tqdm

        with tqdm(desc=name, unit="tile", leave=False, file=sys.stderr) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.n = done
                bar.refresh()

            yield show

    @contextmanager
    def frames(self, name: str) -> Iterator[FrameProgress | None]:
        """A progress bar over the frames of a film or the pages of a file, with rate and time left, on a terminal."""
        if self._quiet or not sys.stderr.isatty():
            yield None
            return
        from tqdm import tqdm

        with tqdm(desc=name, unit="frame", leave=False, file=sys.stderr) as bar:
            self._bar = bar

            def show(done: int, total: int | None) -> None:
                bar.total = total if total is None or total >= done else None
                if bar.n == 0:
                    # What an earlier run has done says nothing of the rate.
                    bar.initial = bar.n = bar.last_print_n = done - 1
                bar.update(done - bar.n)

            try:
                yield show
            finally:
                self._bar = None

    @contextmanager
    def pictures(self, total: int) -> Iterator[FolderProgress]:
        """A progress bar over `total` pictures of a folder, where stderr is a terminal."""
        if self._quiet or not sys.stderr.isatty():
            yield FolderProgress(None)
            return
        from tqdm import tqdm

        with tqdm(total=total, unit="picture", leave=False, mininterval=0, miniters=1, file=sys.stderr) as bar:
            self._bar = bar
            try:
                yield FolderProgress(bar)
            finally:
                self._bar = None

    def _print(self, text: str, file: TextIO) -> None:
        if self._bar is None:
            print(text, file=file, flush=True)
        else:  # above the bar
            self._bar.write(text, file=file)
            file.flush()


def line_of(written: Written) -> str:
    """What a person is told of a picture that was written."""
    loaded = written.denoised.loaded
    content, level, scale = loaded.content, loaded.level, loaded.denoiser.manifest.scale
    size = (
        content.size_text if scale == 1 else f"{content.size_text} to {content.width * scale}x{content.height * scale}"
    )
    kind = KINDS[content.num_channels]
    source = "estimated" if level.is_estimated else "given"
    times = "" if level.factor == 1 else f", times {level.factor:g}"
    known = "" if level.sigma is None else f", sigma {level.sigma:.1f} ({source}{times})"
    what = f"{size} {kind} {content.bits}-bit"
    model = f"model {loaded.model_text}"
    return f"{loaded.job.source} -> {loaded.job.target}  {what}{known}, {model}, {written.seconds:.2f} s"


def values_of(written: Written) -> dict[str, Any]:
    """What a machine is told of a picture that was written. Width and height are the input's."""
    denoised, loaded = written.denoised, written.denoised.loaded
    content, level = loaded.content, loaded.level
    return {
        "input": str(loaded.job.source),
        "output": str(loaded.job.target),
        "width": content.width,
        "height": content.height,
        "scale": loaded.denoiser.manifest.scale,
        "channels": content.num_channels,
        "bits": content.bits,
        "sigma": level.sigma,
        "sigma_estimate": level.estimate,
        "model": loaded.model,
        "model_reason": loaded.model_reason,
        "backend": denoised.backend,
        "seconds": round(written.seconds, 3),
        "notes": [*loaded.notes, *denoised.notes],
    }
