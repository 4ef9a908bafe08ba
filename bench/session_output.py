"""What a session leaves: its measurements as entries, and the files that are written of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from .devices.environment import Machine, device_name
from .latency.measure_latency import MeasuredLatency
from .projection.gpu_projections import ProjectedNetwork, write_rooflines
from .quality.enlarging import BICUBIC
from .quality.measure_quality import NOISY_INPUT, ImageScore, ScoredMethod, mean_scores, write_scores
from .quality.sample_pictures import SamplePicture
from .report.html_page import write_report
from .report.tradeoff_pictures import write_pictures, write_what_time_buys
from .results.entries import VARIOUS_SIZES, Entry, Results
from .results.results_file import write_results, write_results_csv


def latency_entry(item: MeasuredLatency, share_of_peak: float | None, machine: Machine) -> Entry:
    """A measured latency."""
    pixels = item.size.width * item.size.height
    facts = item.method.facts
    return Entry(
        **facts,
        library=item.library,
        device=device_name(facts.get("backend", ""), machine),
        size=str(item.size),
        batch=1,
        origin="measured",
        latency_ms=item.latency,
        throughput_mpix_s=pixels / 1000 / item.latency.p50,
        transfer_in_ms=item.transfer_in_ms,
        transfer_out_ms=item.transfer_out_ms,
        share_of_peak=share_of_peak,
        energy_j=item.energy_j,
        peak_memory_bytes=item.peak_memory_bytes,
        peak_device_bytes=item.peak_device_bytes,
    )


def quality_entries(
    scores: Iterable[ImageScore], methods: Sequence[ScoredMethod], dataset: str, images_digest: str | None = None
) -> list[Entry]:
    """The means of the scores, the baselines' among them, each with its time for all images.

    `dataset` and `images_digest` say which images: for people, and to tell those apart that are called alike.
    As the papers give it: the denoising alone, image after image.
    """
    facts = {method.name: method.facts for method in methods}
    facts |= {NOISY_INPUT: {"source": "clean image plus noise"}, BICUBIC: {"source": "bicubic, as MATLAB's imresize"}}
    entries: list[Entry] = []
    for (name, channels, task, protocol, sigma), mean in mean_scores(scores).items():
        figures = {
            "model": name,
            "channels": channels,
            "origin": "measured",
            # JSON knows no infinity.
            "psnr_db": mean.psnr_db if mean.psnr_db < float("inf") else None,
            "ssim": mean.ssim,
            "dataset": dataset,
            "num_images": mean.num_images,
            "image_size": VARIOUS_SIZES if mean.sides is None else "x".join(map(str, mean.sides)),
            "images_digest": images_digest,
            "dataset_time_s": mean.total_seconds,
            "sigma": sigma,
            "protocol": protocol,
        }
        # A network's own name comes last: here it may carry its backend and precision.
        entries.append(Entry.model_validate(figures | dict(facts[name]) | {"task": task}))
    return entries


def write_outputs(
    results: Results,
    scores: Sequence[ImageScore],
    samples: Sequence[SamplePicture],
    projected: Sequence[ProjectedNetwork],
    sizes: Sequence[str],
    out: Path,
) -> tuple[Path, ...]:
    """Write everything; returns the files, results.json first.

    `sizes` are those of the latencies, WIDTHxHEIGHT, the one that the pictures are for first; none: no latency.
    """
    size = sizes[0] if sizes else None
    files = [out / name for name in ("results.json", "results.csv", "report.html")]
    write_results(results, files[0])
    write_results_csv(results, files[1])
    if scores:
        files.append(out / "quality.csv")
        write_scores(scores, files[-1])
    charts = [
        *(() if size is None else write_what_time_buys(results, size, out)),
        *write_pictures(results, sizes, out),
        *write_rooflines(projected, out),
    ]
    write_report(results, files[2], size=size, charts=charts, samples=samples)
    # The papers draw both; one is enough for the report.
    return (*files, *charts, *write_pictures(results, sizes[:1], out, quality="ssim"))
