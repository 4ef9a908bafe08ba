"""What the command prints: progress and notes to stderr, results to stdout."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .stitching import Progress


class Reporter:
    """Prints for a person, or one JSON object per picture for a machine; with `quiet` errors only (and JSON)."""

    def __init__(self, *, quiet: bool, json: bool) -> None:
        self._quiet = quiet
        self._json = json

    def note(self, text: str) -> None:
        """Something a person should know that is no failure."""
        if not self._quiet:
            print(f"note: {text}", file=sys.stderr)

    def failure(self, source: Path, text: str) -> None:
        """A picture that was not denoised; the others go on."""
        print(f"error: {text}", file=sys.stderr)
        if self._json:
            print(json.dumps({"input": str(source), "error": text}), flush=True)

    def result(self, text: str, values: dict[str, Any]) -> None:
        """A picture that was written: `text` for a person, `values` for a machine."""
        if self._json:
            print(json.dumps(values), flush=True)
        elif not self._quiet:
            print(text, flush=True)

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
