"""Make docs/before-after.png: the noisy example, what hinas-denoise makes of it, and the clean one, side by side.

Run: hinas-denoise examples/noisy.png denoised.png && python tools/pictures/make_before_after.py denoised.png
"""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent.parent
# Ear, eye and whiskers: fur texture, fine lines and smooth background in one window (left, top, right, bottom).
WINDOW = (90, 20, 350, 240)


def main() -> None:
    """Write docs/before-after.png."""
    paths = (ROOT / "examples" / "noisy.png", Path(sys.argv[1]), ROOT / "examples" / "clean.png")
    windows = [Image.open(path).convert("RGB").crop(WINDOW) for path in paths]
    width, height = windows[0].size
    gap = 4
    strip = Image.new("RGB", (3 * width + 2 * gap, height), "white")
    for index, window in enumerate(windows):
        strip.paste(window, (index * (width + gap), 0))
    strip.save(ROOT / "docs" / "before-after.png", optimize=True)


if __name__ == "__main__":
    main()
