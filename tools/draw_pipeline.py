"""Draw docs/pipeline.svg: the five commands, the files between them, and the room each command lives in.

Run: python tools/draw_pipeline.py
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

TARGET = Path(__file__).parent.parent / "docs" / "pipeline.svg"
WIDTH, HEIGHT = 1000, 368
"""Of the picture, in its own units; all places below are in them."""
ROOM_COLOURS = {"search": "#dbe9f6", "export": "#fde7cf", "runtime": "#dcf0dc", "bench": "#eadff2"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """A box with the command's name and what it does."""

    name: str
    does: tuple[str, ...]
    room: str
    left: int
    top: int
    width: int = 150
    height: int = 86


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A line with an arrow head through its points, and the file that goes along it."""

    points: tuple[tuple[int, int], ...]
    file: str
    file_at: tuple[int, int]
    """The middle of the file's name."""


COMMANDS = (
    Command(
        name="hinas-search", does=("finds an architecture", "by gradient descent"), room="search", left=30, top=120
    ),
    Command(name="hinas-train", does=("trains its weights", "from scratch"), room="search", left=290, top=120),
    Command(
        name="hinas-export", does=("freezes both, rewrites", "the graph, checks it"), room="export", left=550, top=120
    ),
    Command(name="hinas-denoise", does=("runs it on pictures", "in exact tiles"), room="runtime", left=810, top=120),
    Command(
        name="hinas-bench",
        does=("measures latency and quality, draws the trade-off,", "estimates the latency on other GPUs"),
        room="bench",
        left=290,
        top=270,
        width=410,
        height=80,
    ),
)
ARROWS = (
    Arrow(points=((105, 60), (105, 114)), file="clean images", file_at=(105, 48)),
    Arrow(points=((365, 60), (365, 114)), file="clean images", file_at=(365, 48)),
    Arrow(points=((885, 60), (885, 114)), file="noisy picture", file_at=(885, 48)),
    Arrow(points=((180, 163), (284, 163)), file="genotype.json", file_at=(232, 152)),
    Arrow(points=((440, 163), (544, 163)), file="weights", file_at=(492, 152)),
    Arrow(points=((700, 163), (804, 163)), file="model.onnx", file_at=(752, 152)),
    Arrow(points=((885, 206), (885, 286)), file="denoised picture", file_at=(885, 306)),
    Arrow(points=((625, 206), (625, 264)), file="model.onnx", file_at=(672, 240)),
    Arrow(points=((290, 303), (105, 303), (105, 212)), file="prices of operations", file_at=(192, 322)),
)


def drawn_command(command: Command) -> list[str]:
    """The SVG elements of a box and its words."""
    middle = command.left + command.width // 2
    shape = f'x="{command.left}" y="{command.top}" width="{command.width}" height="{command.height}" rx="8"'
    first = command.top + 28
    lines = [
        f'<rect {shape} fill="{ROOM_COLOURS[command.room]}" stroke="#555"/>',
        f'<text x="{middle}" y="{first}" class="name">{escape(command.name)}</text>',
    ]
    for index, words in enumerate(command.does, start=1):
        lines.append(f'<text x="{middle}" y="{first + 4 + 17 * index}">{escape(words)}</text>')
    return lines


def drawn_arrow(arrow: Arrow) -> list[str]:
    """The SVG elements of a line and its file's name."""
    points = " ".join(f"{x},{y}" for x, y in arrow.points)
    x, y = arrow.file_at
    return [
        f'<polyline points="{points}" fill="none" stroke="#333" stroke-width="1.5" marker-end="url(#head)"/>',
        f'<text x="{x}" y="{y}" class="file">{escape(arrow.file)}</text>',
    ]


def drawn_legend() -> list[str]:
    """A patch of colour and a word for each room, from left to right at the top."""
    lines = []
    for index, (room, colour) in enumerate(ROOM_COLOURS.items()):
        left = 30 + 110 * index
        lines.append(f'<rect x="{left}" y="8" width="14" height="14" fill="{colour}" stroke="#555"/>')
        lines.append(f'<text x="{left + 22}" y="20" class="room">{room}/</text>')
    return lines


def picture() -> str:
    """The whole SVG file."""
    elements = [line for command in COMMANDS for line in drawn_command(command)]
    elements += [line for arrow in ARROWS for line in drawn_arrow(arrow)]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            "<title>From clean images to a denoised picture: the five commands and their files</title>",
            "<style>text { font: 13px sans-serif; text-anchor: middle; fill: #222 } .name { font-weight: bold;"
            " font-size: 15px } .file { font-style: italic } .room { text-anchor: start }</style>",
            '<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7"'
            ' orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="#333"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            *drawn_legend(),
            *elements,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    TARGET.write_text(picture(), encoding="utf-8")
