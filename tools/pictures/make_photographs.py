"""Make the pictures of docs/photographs.md: photographs before and after hinas-denoise, with a part at full size.

The photographs come with scikit-image and Matplotlib, all CC0 or in the public domain (their documentation names the
photographers). Two more are simulated shots of such a photograph at a high ISO, whose clean side is known.
Run with scikit-image installed: python tools/pictures/make_photographs.py docs/photographs
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from hinas.command_line import run_command
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.picture_stages import Job, PictureStages
from hinas.runtime.pictures.picture import Picture
from hinas.search.camera.random_shots import shot_at_gain
from matplotlib import cbook
from PIL import Image
from skimage import data

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_CROP = 160
_ENLARGED = 2
_SHOWN_CHANGE = 4
"""How many times the change is enlarged around middle grey."""
_BORDER = 6
_ISO_3200, _ISO_12800 = 13.0, 52.0
"""K of the Canon EOS 70D, if the lowest of its calibration, 0.407, is ISO 100."""


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """A photograph and the part of it that is shown."""

    name: str
    pixels: Callable[[], np.ndarray]
    left: int
    top: int


def _hopper() -> np.ndarray:
    with Image.open(Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))) as picture:
        return np.asarray(picture.convert("RGB"))


def _shot(clean: np.ndarray, gain: float) -> np.ndarray:
    degraded, _ = shot_at_gain(gain, seed=1).pair(clean)
    return degraded


PHOTOGRAPHS = (
    Photograph(name="hopper", pixels=_hopper, left=150, top=60),
    Photograph(name="hubble", pixels=data.hubble_deep_field, left=380, top=300),
    Photograph(name="camera", pixels=data.camera, left=170, top=60),
    Photograph(name="coffee", pixels=data.coffee, left=200, top=60),
    Photograph(name="astronaut", pixels=data.astronaut, left=150, top=60),
    Photograph(name="chelsea", pixels=data.chelsea, left=150, top=60),
    Photograph(name="rocket", pixels=data.rocket, left=240, top=60),
    Photograph(name="retina", pixels=data.retina, left=600, top=600),
    Photograph(name="coffee-iso-3200", pixels=lambda: _shot(data.coffee(), _ISO_3200), left=200, top=60),
    Photograph(name="chelsea-iso-12800", pixels=lambda: _shot(data.chelsea(), _ISO_12800), left=150, top=60),
)


@app.command()
def make_photographs(out: Annotated[Path, typer.Argument(help="The folder to write; it is made.")]) -> None:
    """Write NAME.jpg for every photograph, and print what was found in each as rows of a table."""
    out.mkdir(parents=True, exist_ok=True)
    stages = PictureStages(Request(source=out, target=out, overwrite=True))
    for photograph in PHOTOGRAPHS:
        pixels = photograph.pixels()
        source, target = out / f".{photograph.name}.png", out / f"{photograph.name}.jpg"
        Image.fromarray(pixels).save(source)
        try:
            loaded = stages.load(Job(source=source, target=out / f".{photograph.name}-after.png"))
            clean = stages.denoise(loaded, None).clean
        finally:
            source.unlink()
        assert isinstance(clean, Picture)
        change = clean.pixels.astype(float) - pixels
        rms = float(np.sqrt(np.mean(change**2)))
        print(f"| {photograph.name} | {loaded.level.sigma:.1f} | {loaded.model_text} | {rms:.1f} |")
        parts = [_part(photograph, image) for image in (pixels, clean.pixels, _visible(change))]
        _beside(parts).save(target, quality=88, subsampling="4:4:4", optimize=True)


def _visible(change: np.ndarray) -> np.ndarray:
    return np.clip(128 + _SHOWN_CHANGE * change, 0, 255).astype(np.uint8)


def _part(photograph: Photograph, image: np.ndarray) -> Image.Image:
    box = (photograph.left, photograph.top, photograph.left + _CROP, photograph.top + _CROP)
    side = _ENLARGED * _CROP
    return Image.fromarray(image).convert("RGB").crop(box).resize((side, side), Image.Resampling.NEAREST)


def _beside(parts: list[Image.Image]) -> Image.Image:
    width = sum(part.width for part in parts) + _BORDER * (len(parts) - 1)
    sheet = Image.new("RGB", (width, parts[0].height), "white")
    for part, left in _places(parts):
        sheet.paste(part, (left, 0))
    return sheet


def _places(parts: list[Image.Image]) -> Iterator[tuple[Image.Image, int]]:
    left = 0
    for part in parts:
        yield part, left
        left += part.width + _BORDER


if __name__ == "__main__":
    run_command(app)
