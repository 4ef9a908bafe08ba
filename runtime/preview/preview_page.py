"""The page of hinas-denoise --preview: every picture before and after, how it was denoised, and where it changed.

All texts are plain, and escaped here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from .html_page import html_page
from .shown_picture import Crop, ShownPicture
from .slider import Side, pair, slider_figure


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewedPicture:
    """One picture that was denoised."""

    name: str
    size: str
    """Pixels, kind and depth, in words."""
    noise: str
    """The level, and how it was found."""
    model: str
    target: str
    """The file that was written."""
    notes: tuple[str, ...]
    """What a person should know of the result, as sentences."""
    shown: ShownPicture | str
    """Or why it is not shown, as a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedPicture:
    """One that was not denoised."""

    name: str
    reason: str


def preview_page(
    pictures: Sequence[PreviewedPicture], *, failed: Sequence[FailedPicture], num_skipped: int, about: str
) -> Iterator[str]:
    """The page in parts, picture by picture. `about`: which program made it, and when."""
    title = pictures[0].name if len(pictures) == 1 else f"{len(pictures)} pictures"
    style = (Path(__file__).parent / "preview.css").read_text(encoding="utf-8")
    return html_page(title=f"{title}, before and after", body=_body(pictures, failed, num_skipped, about), style=style)


def _body(
    pictures: Sequence[PreviewedPicture], failed: Sequence[FailedPicture], num_skipped: int, about: str
) -> Iterator[str]:
    yield f'<header>\n<h1>Before and after</h1>\n<p class="quiet">{escape(about)}</p>\n</header>\n<main>'
    if num_skipped:
        yield f"<p>{_counted(num_skipped)} skipped, for the results existed already.</p>"
    is_listed = len(pictures) > 1
    if is_listed:
        yield _overview(pictures)
    if failed:
        yield _failures(failed)
    for index, picture in enumerate(pictures):
        # Of a picture that is not shown, the list says why; without a list its section does.
        if not is_listed or isinstance(picture.shown, ShownPicture):
            yield _section(index, picture)
    yield "</main>"


def _counted(number: int) -> str:
    return "1 picture was" if number == 1 else f"{number} pictures were"


def _overview(pictures: Sequence[PreviewedPicture]) -> str:
    rows: list[str] = []
    for index, picture in enumerate(pictures):
        name = f'<a href="#{_anchor(index)}">{escape(picture.name)}</a>'
        if not isinstance(picture.shown, ShownPicture):
            name = f'{escape(picture.name)}<br><span class="quiet">{escape(picture.shown)}</span>'
        texts = (picture.size, picture.noise, picture.model, str(len(picture.notes) or ""))
        rows.append("".join(f"<td>{cell}</td>" for cell in (name, *map(escape, texts))))
    return _table("All pictures", ("picture", "size", "noise level", "model", "notes"), rows)


def _failures(failed: Sequence[FailedPicture]) -> str:
    rows = [f'<td>{escape(item.name)}</td><td class="long">{escape(item.reason)}</td>' for item in failed]
    return _table("Not denoised", ("picture", "why"), rows)


def _table(title: str, headings: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<section>\n<h2>{title}</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</section>"
    )


def _section(index: int, picture: PreviewedPicture) -> str:
    facts = {
        "Noise level": picture.noise,
        "Model": picture.model,
        "Picture": picture.size,
        "Written to": picture.target,
    }
    shown = picture.shown
    pictures = [f"<p>{escape(shown)}</p>"] if isinstance(shown, str) else _pictures(picture.name, shown)
    listed = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    notes = "".join(f"<li>{escape(note)}</li>" for note in picture.notes)
    parts = [
        f'<section id="{_anchor(index)}">',
        f"<h2>{escape(picture.name)}</h2>",
        f"<dl>{listed}</dl>",
        *([f'<ul class="notes">{notes}</ul>'] if notes else []),
        *pictures,
        "</section>",
    ]
    return "\n".join(parts)


def _pictures(name: str, shown: ShownPicture) -> list[str]:
    before = "before" if shown.scale == 1 else "before, enlarged bicubically"
    parts: list[str] = []
    if shown.view is None:
        parts.append(
            "<p>The picture is too large to be shown whole. The parts below are those with the most and the least "
            "change among a sample from all over it.</p>"
        )
    else:
        sides = [
            Side(image=image, label=label, alt=f"{name} {label}")
            for image, label in ((shown.view.before, before), (shown.view.after, "after"))
        ]
        size = "At full size" if shown.view.percent == 100 else f"Reduced to {shown.view.percent:.0f} %"
        caption = f"{size} and compressed, which hides some noise. The parts below hold the pixels as they are."
        parts.append(slider_figure(sides[0], sides[1], caption=caption))
    parts.append("<h3>Most and least change, at full size</h3>")
    parts.append(f'<div class="crops">\n{"".join(_crop(name, crop, before) for crop in shown.crops)}</div>')
    return parts


def _crop(name: str, crop: Crop, before: str) -> str:
    extreme = crop.extreme
    left, top = extreme.region.columns.start, extreme.region.rows.start
    caption = (
        f"{extreme.kind.capitalize()} change: {extreme.change:.2f} grey levels on average (at pixel {left}, {top})"
    )
    sides = [
        Side(image=image, label=label, alt=f"part of {name} with the {extreme.kind} change, {label}")
        for image, label in ((crop.before, before), (crop.after, "after"))
    ]
    return f'<figure class="crop">\n{pair(*sides)}\n<figcaption>{escape(caption)}</figcaption>\n</figure>\n'


def _anchor(index: int) -> str:
    return f"picture-{index + 1}"
