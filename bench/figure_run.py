"""hinas-bench --figure: measure what a paper's picture shows, and draw that one panel with our models in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from PIL import Image

from ..errors import UserError
from ..figures import write_both
from ..runtime.model.bundled_models import bundled_names, model_file
from .bench_settings import BenchSettings
from .latency.progress import Listener
from .latency.timed_method import Size
from .methods.lower_precision import manifest_of
from .published.paper_figures import PaperFigure
from .published.published_figures import published_entries, read_published
from .quality.clean_images import find_images
from .quality.measure_quality import NOISY_INPUT
from .report.figure_plot import FigureTexts, TimeAlone, draw_tradeoff
from .report.tradeoff import PAPERS_SIZE, Panel, Quality, tradeoff_panels, without_slower_times
from .results.entries import Entry, Results
from .session import BenchOutcome, run_bench

_TASK_TEXTS: Mapping[str, str] = {"denoise": "denoising"}


@dataclass(frozen=True, kw_only=True)
class FigureRequest:
    """What is to be drawn."""

    figure: PaperFigure
    sigma: float | None
    """Grey levels; None: the task has none."""
    quality: Quality


def run_figure(settings: BenchSettings, request: FigureRequest, listener: Listener) -> BenchOutcome:
    """Measure as `run_bench` does and add `figure-14a.png` and `.svg`, and the paper's figures to the results.

    Without models in `settings`, the bundled ones of the figure's kind. Sizes are those of the paper's images: a model
    that enlarges gets the picture they are made of. Raises UserError where there is no model, and where nothing is left
    to draw.
    """
    figure = request.figure
    assert settings.quality is not None
    if settings.rounds is None:
        raise UserError(f"--figure {figure.name}: shows times, and --rounds 0 measures none; give 1 or more")
    models = settings.models or _models_for(figure)
    warning = _images_warning(figure, settings.quality.data, settings.quality.limit)
    if warning is not None:
        listener.warn(warning)
    sizes = tuple(_before_enlarging(size, figure.scale) for size in settings.sizes)
    outcome = run_bench(replace(settings, models=models, sizes=sizes), listener)
    rows = figure.rows(read_published(), request.sigma)
    if not rows:
        listener.warn(f"{figure.paper} publishes no time and quality{_level(request)}; the figure has our points alone")
    size = str(sizes[0])
    published = published_entries(rows)
    if str(settings.sizes[0]) == PAPERS_SIZE:
        published = [entry.model_copy(update={"size": size}) for entry in published]
    entries = (*_drawn(outcome.results.entries, request), *published)
    panel = _panel(entries, size, request)
    named = frozenset(Path(model).name.removesuffix(".onnx") for model in models) | frozenset(models)
    drawn = draw_tradeoff(
        panel,
        _texts(request, outcome.results, size, warning),
        ours=named,
        times_alone=_times_alone(entries, panel, size),
    )
    stem = settings.out / f"figure-{figure.name}{'' if request.quality == 'psnr_db' else '-ssim'}"
    return replace(outcome, files=(*outcome.files, *write_both(drawn, stem)))


def _before_enlarging(size: Size, scale: int) -> Size:
    return Size(width=max(1, size.width // scale), height=max(1, size.height // scale))


def _models_for(figure: PaperFigure) -> tuple[str, ...]:
    """The bundled models of the figure's kind. UserError where there is none."""
    found: list[str] = []
    for name in bundled_names():
        manifest = manifest_of(onnx.load(model_file(name)))
        kind = (manifest.task, manifest.channels, manifest.scale)
        if kind == (figure.task.partition(" ")[0], figure.channels, figure.scale):
            found.append(name)
    if not found:
        raise UserError(
            f"--figure {figure.name}: shows {figure.task}, and no bundled model does that; give one with --model FILE"
        )
    return tuple(found)


def _images_warning(figure: PaperFigure, data: str, limit: int | None) -> str | None:
    """A sentence where the images cannot be those that the paper measured on."""
    images = find_images(data, limit=limit)
    published = f"{figure.dataset}, the {figure.num_images} images of the paper"
    if len(images.files) != figure.num_images:
        return f"Measured on {images.name}, not on {published}: heights do not compare with the published ones."
    for file in images.files:
        with Image.open(file) as opened:
            if set(opened.size) != figure.sides:
                odd = f"Measured on {images.name}, whose {file.name} is none of {published}"
                return f"{odd}: heights do not compare with the published ones."
    return None


def _drawn(entries: Sequence[Entry], request: FigureRequest) -> list[Entry]:
    """What belongs into the panel: of the task, the kind of images and, where it has a quality, of the level."""
    figure = request.figure
    return [
        entry
        for entry in entries
        if entry.origin != "published"
        and (entry.task, entry.channels) == (figure.task, figure.channels)
        and (entry.sigma is None or entry.sigma == request.sigma)
    ]


def _panel(entries: Sequence[Entry], size: str, request: FigureRequest) -> Panel:
    panels = tradeoff_panels(entries, size, noisy_input=NOISY_INPUT, quality=request.quality)
    measured = [panel for panel in panels if any(point.group.origin != "published" for point in panel.points)]
    if not measured:
        raise UserError(
            f"--figure {request.figure.name}: nothing measured has both a time and a quality for "
            f"{request.figure.task}; results.json holds what was measured"
        )
    # Published figures of one task may differ in the kind of images; our own says which is meant.
    return without_slower_times(measured[0])


def _times_alone(entries: Sequence[Entry], panel: Panel, size: str) -> list[TimeAlone]:
    drawn = {point.model for point in panel.points}
    return [
        TimeAlone(name=entry.model, time_ms=entry.latency_ms.p50)
        for entry in entries
        if entry.origin == "measured" and entry.latency_ms and entry.size == size and entry.model not in drawn
    ]


def _texts(request: FigureRequest, results: Results, size: str, warning: str | None) -> FigureTexts:
    figure, machine = request.figure, results.machine
    task = _TASK_TEXTS.get(figure.task, figure.task)
    return FigureTexts(
        title=f"{figure.paper}, Figure {figure.name}, with our models: {task}{_level(request)}, "
        f"{'grey' if figure.channels == 1 else 'colour'} images",
        conditions=f"{size} pixels{_enlarged(figure.scale)}, batch 1; "
        f"hinas {machine.hinas}, {machine.date_utc:%Y-%m-%d}",
        warning=warning,
    )


def _enlarged(scale: int) -> str:
    return "" if scale == 1 else f", {scale} times as wide and high afterwards"


def _level(request: FigureRequest) -> str:
    return "" if request.sigma is None else f" at sigma {request.sigma:g}"
