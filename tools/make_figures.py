"""Make the pictures of README and docs from the example pictures and the bundled models' own records.

Run: hinas-denoise examples/noisy.png denoised.png && python tools/make_figures.py denoised.png
"""

import json
import sys
from pathlib import Path
from typing import Any

import onnx
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

ROOT = Path(__file__).parent.parent
# Ear, eye and whiskers: fur texture, fine lines and smooth background in one window (left, top, right, bottom).
WINDOW = (90, 20, 350, 240)


def before_after(denoised: Path) -> None:
    """docs/before-after.png: noisy, denoised and clean side by side."""
    paths = (ROOT / "examples" / "noisy.png", denoised, ROOT / "examples" / "clean.png")
    windows = [Image.open(path).convert("RGB").crop(WINDOW) for path in paths]
    width, height = windows[0].size
    gap = 4
    strip = Image.new("RGB", (3 * width + 2 * gap, height), "white")
    for index, window in enumerate(windows):
        strip.paste(window, (index * (width + gap), 0))
    strip.save(ROOT / "docs" / "before-after.png", optimize=True)


def learning_curves() -> None:
    """docs/learning-curve.png: validation PSNR and learning rate over the iterations, as the models record them."""
    figure = Figure(figsize=(7, 3.6), layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name, marker in (("color", "o"), ("gray", "s")):
        model = onnx.load(ROOT / "runtime" / "models" / f"{name}.onnx")
        metadata = {item.key: item.value for item in model.metadata_props}
        training = _on_the_first_images(json.loads(metadata["hinas.training"]))
        iterations, rates, psnr_db = zip(*_whole_curve(training), strict=True)
        left.plot(iterations, psnr_db, marker=marker, markersize=3, label=name)
        right.plot(iterations, rates, marker=marker, markersize=3, label=name)
    left.set_ylabel("PSNR (dB), 6 held-out images, mean of sigma 15, 30, 50")
    left.yaxis.label.set_size(8)
    right.set_ylabel("learning rate (Muon)")
    right.set_yscale("log")
    right.set_ylim(1e-6, 1e-2)
    for axes in (left, right):
        axes.set_xlabel("iterations")
        axes.grid(color="0.9")
        axes.legend(frameon=False)
    figure.savefig(ROOT / "docs" / "learning-curve.png", metadata={"Software": None})


def _on_the_first_images(training: dict[str, Any]) -> dict[str, Any]:
    """The last training on the images of the first: other images mean other held-out ones, and other scores."""
    chain = [training]
    while earlier := chain[-1].get("started_from"):
        chain.append(earlier)
    return next(one for one in chain if one["images"] == chain[-1]["images"])


def _iterations_of(training: dict[str, Any]) -> int:
    """Of a training and of those it started from."""
    earlier = training.get("started_from")
    return training["iterations_done"] + (_iterations_of(earlier) if earlier else 0)


def _whole_curve(training: dict[str, Any]) -> list[tuple[int, float, float]]:
    """(iteration, learning rate, PSNR in dB) of a training, behind those of the training it started from."""
    earlier = training.get("started_from")
    before = _whole_curve(earlier) if earlier else []
    first = _iterations_of(earlier) if earlier else 0
    return before + [(first + iteration, rate, psnr_db) for iteration, rate, psnr_db in training["learning_curve"]]


if __name__ == "__main__":
    before_after(Path(sys.argv[1]))
    learning_curves()
