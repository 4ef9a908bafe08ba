"""The slider between two pictures of the same size, as HTML; without scripts they stand side by side."""

from dataclasses import dataclass
from html import escape

from .encoded_image import EncodedImage


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two pictures."""

    image: EncodedImage
    label: str
    """Stands on the picture; plain text, as below."""
    alt: str
    """What it shows, for those who do not see it."""


def slider_figure(before: Side, after: Side, *, caption: str) -> str:
    """A figure with a slider. The texts are plain; they are escaped here."""
    return (
        f'<figure class="compare">\n{pair(before, after)}\n'
        '<label class="slider"><span class="quiet">Share of the picture before (drag, or arrow keys)</span>'
        '<input type="range" min="0" max="100" value="50" autocomplete="off"></label>\n'
        f"<figcaption>{escape(caption)}</figcaption>\n</figure>"
    )


def pair(before: Side, after: Side) -> str:
    """The two pictures side by side."""
    return f'<div class="pair">\n{_side("before", before)}\n{_side("after", after)}\n</div>'


def _side(name: str, side: Side) -> str:
    image = side.image
    return (
        f'<div class="{name}"><img src="{image.data_uri}" width="{image.width}" height="{image.height}" '
        f'alt="{escape(side.alt)}"><span>{escape(side.label)}</span></div>'
    )
