"""report.html: a session's results as one page that needs nothing else, neither files nor network.

Names of models and files are untrusted: the template escapes whatever it is given.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...runtime.preview.encoded_image import MediaType, as_png, data_uri
from ...runtime.preview.html_page import html_page, write_page
from ...runtime.preview.slider import Side, slider_figure
from ..pairs.pair_pictures import PairPicture
from ..quality.measure_quality import NOISY_INPUT
from ..quality.sample_pictures import SamplePicture
from ..results.entries import Protocol, Results
from ..results.joining import session_dates
from ..results.result_texts import parameters_text, time_text
from .advice import advice_of
from .report_tables import report_tables
from .tradeoff import denoising_entries, tradeoff_panels

_PROTOCOLS: dict[Protocol, str] = {
    "standard": "One field of white Gaussian noise for the whole image, neither clipped nor rounded; PSNR of the mean "
    "square error over the whole image, then the mean over the images.",
    "standard, clipped 8-bit": "As standard, but the noisy image is clipped to 0..255 and rounded, as an 8-bit file "
    "holds it.",
    "hinas-patches": "Each overlapping patch gets noise of its own before the patches are averaged. That averages "
    "noise away too and reads about 0.4 to 0.7 dB higher than standard for the same network.",
    "pairs": "8-bit files, noisy beside clean, RGB PSNR, level estimated: the noisy file goes through hinas-denoise, "
    "which measures its noise (or is told the level that the row names), and the result is rounded to 8 bits. PSNR and "
    "SSIM of the whole picture, then the mean over the pairs. An ORACLE chose its level knowing the clean pictures.",
    "half-size images": "The test images were shrunk to half their size before noise was added; figures are lower "
    "than on whole images.",
    "sr-y": "Super-resolution, bicubic, Y: the image is cropped to multiples of the scale, reduced as MATLAB's "
    "imresize does it and rounded to 8 bits. PSNR and SSIM of the brightness Y (BT.601, 16 to 235) of the enlarged "
    "image, clipped and not rounded, without a border of as many pixels as the scale; then the mean over the images.",
    "task cases": "Each image is degraded as the network's own task is scored in training, always the same way for an "
    "image's name; a network that takes a strength is told the one that the task states. PSNR and SSIM of all "
    "channels, the output clipped; then the mean over the images.",
    "task cases, brightness": "As task cases, of the brightness Y (BT.601, 16 to 235) alone.",
    "unknown": "The publication does not say enough to name the protocol.",
}
_CHARTS = {
    "what-time-buys": "What time buys: dB above the noisy input for the time of a megapixel",
    "tradeoff-super-resolution": "Super-resolution: quality against time",
    "tradeoff-gray": "Grey images: quality against time",
    "tradeoff-color": "Colour images: quality against time",
    "tradeoff": "Quality against time",
    "roofline": "Roofline: how far from the device's limits",
}
"""By the beginning of the file's name."""
_MEDIA_TYPES: dict[str, MediaType] = {".svg": "image/svg+xml", ".png": "image/png"}


def write_report(
    results: Results,
    path: Path,
    *,
    size: str | None,
    charts: Sequence[Path] = (),
    samples: Sequence[SamplePicture] = (),
    pair_pictures: Sequence[PairPicture] = (),
) -> None:
    """Write the page, whole or not at all.

    `size` (WIDTHxHEIGHT) is the one that advice is given for; None: no latency was measured. `charts` may be any
    files: SVG pictures among them are shown, and PNG pictures of which there is no SVG; of equal files the first.
    Raises UserError where the page cannot be written.
    """
    page = _report_page(results, size=size, charts=charts, samples=samples, pair_pictures=pair_pictures)
    write_page(page, path)


def _report_page(
    results: Results,
    *,
    size: str | None,
    charts: Sequence[Path],
    samples: Sequence[SamplePicture],
    pair_pictures: Sequence[PairPicture],
) -> Iterator[str]:
    from jinja2 import Environment, StrictUndefined
    from PIL import Image

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"time": time_text, "parameters": parameters_text}
    texts = Path(__file__).parent
    style, script = ((texts / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    template = environment.from_string((texts / "report.html.jinja").read_text(encoding="utf-8"))
    protocols = {entry.protocol for entry in results.entries}
    body = template.render(
        machine=results.machine,
        sessions=results.sessions,
        dates=session_dates(results),
        size=size,
        advice=[]
        if size is None
        else advice_of(tradeoff_panels(denoising_entries(results.entries), size, noisy_input=NOISY_INPUT)),
        charts=[
            (_chart_title(file), data_uri(file.read_bytes(), _MEDIA_TYPES[file.suffix])) for file in _shown(charts)
        ],
        samples=[_slider(sample) for sample in samples],
        pairs=[
            (pair, [as_png(Image.fromarray(pixels)).data_uri for pixels in (pair.noisy, pair.denoised, pair.clean)])
            for pair in pair_pictures
        ],
        tables=report_tables(results),
        protocols={name: text for name, text in _PROTOCOLS.items() if name in protocols},
    )
    title = f"hinas-bench: speed and quality, {session_dates(results)}"
    return html_page(title=title, body=[body], style=style, script=script)


def _shown(charts: Sequence[Path]) -> list[Path]:
    vector = {file.with_suffix("") for file in charts if file.suffix == ".svg"}
    shown = [
        file
        for file in charts
        if file.suffix == ".svg" or (file.suffix == ".png" and file.with_suffix("") not in vector)
    ]
    # tradeoff.svg is one of the others under a second name.
    different: dict[bytes, Path] = {}
    for file in shown:
        different.setdefault(file.read_bytes(), file)
    return list(different.values())


def _chart_title(file: Path) -> str:
    begun = next((name for name in _CHARTS if file.stem.startswith(name)), None)
    if begun is None:
        return file.stem
    rest = file.stem.removeprefix(begun).replace("-sigma-", ", sigma ")
    return f"{_CHARTS[begun]}{rest.replace('-', ', ', 1)}"


def _slider(sample: SamplePicture) -> str:
    from PIL import Image

    before = Side(
        image=as_png(Image.fromarray(sample.noisy)),
        label=f"noisy, {sample.noisy_psnr_db:.2f} dB",
        alt=f"{sample.name} with noise of sigma {sample.sigma:g}",
    )
    after = Side(
        image=as_png(Image.fromarray(sample.denoised)),
        label=f"denoised, {sample.denoised_psnr_db:.2f} dB",
        alt=f"{sample.name} denoised by {sample.model}",
    )
    caption = f"{sample.name}, σ = {sample.sigma:g}, denoised by {sample.model}. PSNR of the part shown."
    return slider_figure(before, after, caption=caption)
