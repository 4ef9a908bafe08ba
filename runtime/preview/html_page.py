"""A whole HTML page as one file that needs nothing else, neither files nor network.

The page's own content security policy lets only this page's script and style run, and shows no pictures but those
inside it. Texts from outside (names of files, of models) are the caller's to escape in `body`.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from ...atomic_files import written_whole

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
"""
_END = """<script>{script}</script>
</body>
</html>
"""


def html_page(*, title: str, body: Iterable[str], style: str = "", script: str = "") -> Iterator[str]:
    """The page in parts, for with its pictures it is large; those of `body` are asked for one by one.

    `title` is plain text, `body` HTML; `style` and `script` come after those of all pages.
    """
    style = f"{_text('page.css')}{_text('slider.css')}{style}"
    script = f"{_text('page.js')}{script}"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    yield _HEAD.format(policy=policy, title=escape(title), style=style)
    for part in body:
        yield f"{part}\n"
    yield _END.format(script=script)


def write_page(page: Iterable[str], path: Path) -> None:
    """Write it, whole or not at all. Raises UserError where it cannot be written."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        for part in page:
            # A file's name may hold bytes that are no text.
            file.write(part.encode("utf-8", "replace"))


def _text(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names an inline text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
