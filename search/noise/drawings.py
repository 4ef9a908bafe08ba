"""Drawings without noise: shapes, lines, gradients, patterns and text, as screenshots and diagrams have them."""

import string
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .patterns import drawn_pattern

_MOST_ELEMENTS = 13
_OVERHANG = 20
"""Pixels by which an element may reach over the border."""
_TEXT_SIZES = (9, 11, 12, 14, 18, 26, 40)
"""Pixels."""
_LETTERS = np.array(list(string.ascii_letters + string.digits + ".,:()" + 12 * " "))
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_Colour = tuple[int, int, int]


def drawn_drawing(size: int, generator: np.random.Generator) -> np.ndarray:
    """(size, size, 3) uint8: random elements on white or coloured paper; sometimes scaled, so that edges are soft."""
    paper = Image.new("RGB", (size, size), _colour_or(_WHITE, generator))
    for _ in range(int(generator.integers(_MOST_ELEMENTS + 1))):
        _ELEMENTS[generator.integers(len(_ELEMENTS))](paper, generator)
    return np.asarray(_scaled(paper, generator))


def _scaled(paper: Image.Image, generator: np.random.Generator) -> Image.Image:
    how = generator.random()
    if how < 0.7:
        return paper
    smaller = int(paper.width * generator.uniform(0.4, 1))
    if how < 0.8:
        small = paper.resize((smaller, smaller), Image.Resampling.LANCZOS)
        return small.resize(paper.size, Image.Resampling.LANCZOS)
    return paper.resize(paper.size, Image.Resampling.BICUBIC, box=(0, 0, smaller, smaller))


def _draw_rectangle(paper: Image.Image, generator: np.random.Generator) -> None:
    ImageDraw.Draw(paper).rectangle(_box(paper, generator), fill=_colour(generator))


def _draw_ellipse(paper: Image.Image, generator: np.random.Generator) -> None:
    colour = _colour(generator)
    fill = colour if generator.random() < 0.5 else None
    ImageDraw.Draw(paper).ellipse(_box(paper, generator), fill=fill, outline=colour)


def _draw_line(paper: Image.Image, generator: np.random.Generator) -> None:
    ends = generator.integers(-_OVERHANG, paper.width + _OVERHANG, 4).tolist()
    ImageDraw.Draw(paper).line(ends, fill=_colour(generator), width=int(generator.integers(1, 5)))


def _draw_text(paper: Image.Image, generator: np.random.Generator) -> None:
    """Lines of random letters, from the top or from somewhere down to the bottom."""
    size = int(generator.choice(_TEXT_SIZES))
    font = ImageFont.load_default(size)
    colour = _colour_or(_BLACK, generator)
    first = int(generator.integers(-10, paper.height)) if generator.random() < 0.5 else 0
    for top in range(first, paper.height, int(size * generator.uniform(1.05, 1.8))):
        left = int(generator.integers(-30, paper.width // 2))
        ImageDraw.Draw(paper).text((left, top), "".join(generator.choice(_LETTERS, 40)), fill=colour, font=font)


def _draw_gradient(paper: Image.Image, generator: np.random.Generator) -> None:
    """A band from black to a colour, along it or across it."""
    left, top, right, bottom = _box(paper, generator)
    height, width = bottom - top + 1, right - left + 1
    shape = (height, 1, 1) if generator.random() < 0.5 else (1, width, 1)
    ramp = np.linspace(0, 1, max(shape)).reshape(shape) * np.array(_colour(generator))
    paper.paste(Image.fromarray(np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8)), (left, top))


def _draw_pattern(paper: Image.Image, generator: np.random.Generator) -> None:
    left, top, right, bottom = _box(paper, generator)
    paper.paste(Image.fromarray(drawn_pattern(bottom - top + 1, right - left + 1, generator)), (left, top))


_ELEMENTS: tuple[Callable[[Image.Image, np.random.Generator], None], ...] = (
    _draw_rectangle,
    _draw_ellipse,
    _draw_line,
    _draw_text,
    _draw_gradient,
    _draw_pattern,
)


def _box(paper: Image.Image, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, right and bottom pixel, somewhere on the paper and over its borders."""
    left, right = sorted(generator.integers(-_OVERHANG, paper.width + _OVERHANG, 2).tolist())
    top, bottom = sorted(generator.integers(-_OVERHANG, paper.height + _OVERHANG, 2).tolist())
    return left, top, right, bottom


def _colour_or(usual: _Colour, generator: np.random.Generator) -> _Colour:
    return _colour(generator) if generator.random() < 0.5 else usual


def _colour(generator: np.random.Generator) -> _Colour:
    red, green, blue = generator.integers(0, 256, 3).tolist()
    return red, green, blue
