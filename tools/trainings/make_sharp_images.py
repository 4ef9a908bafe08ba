"""Sharp training images, which photographs have too few of: drawings with text, and the photographs scaled down.

Run: python tools/trainings/make_sharp_images.py PHOTOGRAPHS --out FOLDER [--drawings 300] [--seed 0]

A network trained on photographs alone is behind on pictures of text, stripes and hard edges: photographs as they come
are softer than a pixel. PHOTOGRAPHS is a folder; each of its images is scaled to a half, and images of at least 900
pixels to a third besides. A drawing has 256x256 pixels: texts, lines, shapes, dots and stripes on a flat ground or on
a photograph, drawn larger and scaled down, so that its edges are as sharp as pixels can be. The drawings of
`hinas.search.noise` are others: screenshots, with level edges and large flat areas, from which there is little to learn
about denoising.
"""

import argparse
import string
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE_PX = 256
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Oblique", "STIXGeneral", "cmr10")
SUFFIXES = (".jpg", ".jpeg", ".png")
SMALLEST_PX = 128

Colour = tuple[int, int, int]


def main() -> None:
    """Write the images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--drawings", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if not given.photographs.is_dir():
        parser.error(f"{given.photographs}: no such folder")
    files = sorted(file for file in given.photographs.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        parser.error(f"{given.photographs}: no JPEG or PNG files")
    given.out.mkdir(parents=True, exist_ok=True)
    num_scaled = sum(scaled_down(file, given.out) for file in files)
    for number in range(given.drawings):
        generator = np.random.default_rng([given.seed, number])
        drawing(generator, files).save(given.out / f"drawing_{number:04d}.png")
    print(f"{given.out}: {num_scaled} photographs scaled down, {given.drawings} drawings")


def scaled_down(file: Path, folder: Path) -> int:
    """Write a photograph's smaller copies; how many there are."""
    with Image.open(file) as opened:
        photograph = opened.convert("RGB")
    divisors = [2, 3] if max(photograph.size) >= 900 else [2]
    divisors = [divisor for divisor in divisors if min(photograph.size) // divisor >= SMALLEST_PX]
    for divisor in divisors:
        size = (photograph.width // divisor, photograph.height // divisor)
        photograph.resize(size, Image.Resampling.BICUBIC).save(folder / f"{file.stem}_{divisor}.png")
    return len(divisors)


def drawing(generator: np.random.Generator, photographs: list[Path]) -> Image.Image:
    """A picture of 2 to 14 things, each a text, a line, a shape, dots or stripes."""
    factor = int(generator.choice([1, 2, 3, 4], p=[0.1, 0.3, 0.3, 0.3]))
    side = SIDE_PX * factor
    canvas = ground(generator, photographs, side)
    kinds: tuple[Callable[[np.random.Generator, Image.Image, int], None], ...]
    kinds = (draw_text, draw_lines, draw_shape, draw_stripes, draw_dots)
    for kind in generator.choice(len(kinds), generator.integers(2, 15), p=[0.35, 0.2, 0.2, 0.15, 0.1]):
        kinds[kind](generator, canvas, factor)
    filters = [Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]
    return canvas.resize((SIDE_PX, SIDE_PX), filters[generator.integers(len(filters))])


def ground(generator: np.random.Generator, photographs: list[Path], side: int) -> Image.Image:
    """A flat ground, a gradient, or a photograph."""
    kind = generator.choice(["flat", "gradient", "photograph"], p=[0.5, 0.2, 0.3])
    if kind == "photograph":
        with Image.open(photographs[generator.integers(len(photographs))]) as opened:
            return opened.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    first = Image.new("RGB", (side, side), colour(generator))
    if kind == "flat":
        return first
    second = Image.new("RGB", (side, side), colour(generator))
    ramp = Image.linear_gradient("L").resize((side, side)).rotate(90 * int(generator.integers(4)))
    return Image.composite(first, second, ramp)


def colour(generator: np.random.Generator) -> Colour:
    """Any colour, a grey, or black or white, alike often."""
    kind = generator.integers(3)
    if kind == 0:
        red, green, blue = generator.integers(0, 256, 3)
    elif kind == 1:
        red = green = blue = generator.integers(0, 256)
    else:
        red = green = blue = generator.choice([0, 255])
    return int(red), int(green), int(blue)


def place(generator: np.random.Generator, canvas: Image.Image) -> tuple[int, int]:
    """A point of the picture, or a little outside of it."""
    x, y = generator.integers(-canvas.width // 8, canvas.width, 2)
    return int(x), int(y)


def draw_text(generator: np.random.Generator, canvas: Image.Image, factor: int) -> None:
    """One to eight lines of letters and digits, 7 to 48 pixels high, turned in a quarter of the cases."""
    size_px = int(np.exp(generator.uniform(np.log(7), np.log(48))))
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{generator.choice(FONTS)}.ttf"
    font = ImageFont.truetype(str(file), size_px * factor)
    letters = np.array(list(string.ascii_letters + string.digits + " " * 12 + ".,:-"))
    lines = ["".join(generator.choice(letters, 40)) for _ in range(generator.integers(1, 9))]
    mask = Image.new("L", canvas.size, 0)
    ImageDraw.Draw(mask).multiline_text(place(generator, canvas), "\n".join(lines), fill=255, font=font)
    if generator.random() < 0.25:
        mask = mask.rotate(float(generator.uniform(-90, 90)), Image.Resampling.BICUBIC)
    canvas.paste(colour(generator), mask=mask)


def draw_lines(generator: np.random.Generator, canvas: Image.Image, factor: int) -> None:
    """One to six straight lines of one colour, 1 to 8 pixels wide."""
    draw, fill = ImageDraw.Draw(canvas), colour(generator)
    for _ in range(generator.integers(1, 7)):
        ends = [place(generator, canvas), place(generator, canvas)]
        draw.line(ends, fill=fill, width=factor * int(generator.integers(1, 9)))


def draw_shape(generator: np.random.Generator, canvas: Image.Image, factor: int) -> None:
    """An ellipse, a triangle or a quadrangle, filled or an outline of 1 to 5 pixels."""
    draw = ImageDraw.Draw(canvas)
    fill: Colour | None = colour(generator)
    outline, width = None, 1
    if generator.random() >= 0.6:
        fill, outline, width = None, fill, int(generator.integers(1, 6))
    if generator.random() < 0.5:
        (x1, y1), (x2, y2) = place(generator, canvas), place(generator, canvas)
        box = [min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)]
        draw.ellipse(box, fill=fill, outline=outline, width=width * factor)
    else:
        corners = [place(generator, canvas) for _ in range(generator.integers(3, 5))]
        draw.polygon(corners, fill=fill, outline=outline, width=width * factor)


def draw_stripes(generator: np.random.Generator, canvas: Image.Image, factor: int) -> None:
    """Stripes of a period of 2.5 to 20 pixels in an ellipse, hard or as a sine, of one direction or of two."""
    period_px = factor * np.exp(generator.uniform(np.log(2.5), np.log(20)))
    rows, columns = np.mgrid[: canvas.height, : canvas.width]
    angle = generator.uniform(0, np.pi)
    waves = [np.sin(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / period_px)]
    if generator.random() < 0.3:
        waves.append(np.sin(2 * np.pi * (rows * np.cos(angle) - columns * np.sin(angle)) / period_px))
    wave = np.prod(waves, axis=0)
    share = (wave > generator.uniform(-0.5, 0.5)) if generator.random() < 0.5 else (wave + 1) / 2
    paste_within_ellipse(generator, canvas, share)


def draw_dots(generator: np.random.Generator, canvas: Image.Image, factor: int) -> None:
    """Round dots of a lattice of 4 to 24 pixels in an ellipse."""
    period_px = factor * generator.uniform(4, 24)
    rows, columns = np.mgrid[: canvas.height, : canvas.width]
    angle = generator.uniform(0, np.pi / 2)
    across = (columns * np.cos(angle) + rows * np.sin(angle)) / period_px
    down = (rows * np.cos(angle) - columns * np.sin(angle)) / period_px
    distance = np.hypot(across - np.rint(across), down - np.rint(down))
    paste_within_ellipse(generator, canvas, distance < generator.uniform(0.15, 0.45))


def paste_within_ellipse(generator: np.random.Generator, canvas: Image.Image, share: np.ndarray) -> None:
    """Paste one colour where `share`, of the canvas's shape in 0..1, says so, within a random ellipse."""
    inside = Image.new("L", canvas.size, 0)
    (x1, y1), (x2, y2) = place(generator, canvas), place(generator, canvas)
    ImageDraw.Draw(inside).ellipse([min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)], fill=255)
    mask = np.asarray(inside) * share
    canvas.paste(colour(generator), mask=Image.fromarray(mask.astype(np.uint8)))


if __name__ == "__main__":
    main()
