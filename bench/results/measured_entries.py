"""Measurements as lines of the results."""

from collections.abc import Iterable, Sequence

from ..contestants.method import Method
from ..devices.environment import Machine, device_name
from ..latency.latency import MeasuredLatency
from ..quality.measure_quality import NOISY_INPUT, ImageScore, mean_scores
from ..quality.noise_variants import Noise
from ..quality.protocol import PROTOCOL_OF
from .results import Entry


def latency_entry(item: MeasuredLatency, share_of_peak: float | None, machine: Machine) -> Entry:
    """A measured latency."""
    pixels = item.size.width * item.size.height
    facts = item.timed.facts
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


def quality_entries(scores: Iterable[ImageScore], methods: Sequence[Method], dataset: str, noise: Noise) -> list[Entry]:
    """The means of the scores, the noisy input's among them, each with its time for all images.

    As the papers give it: the denoising alone, image after image.
    """
    facts = {method.name: method.facts for method in methods} | {NOISY_INPUT: {"source": "clean image plus noise"}}
    entries: list[Entry] = []
    for (name, channels, sigma), mean in mean_scores(scores).items():
        figures = {
            "model": name,
            "channels": channels,
            "origin": "measured",
            # JSON knows no infinity.
            "psnr_db": mean.psnr_db if mean.psnr_db < float("inf") else None,
            "ssim": mean.ssim,
            "dataset": dataset,
            "num_images": mean.num_images,
            "dataset_time_s": mean.total_seconds,
            "sigma": sigma,
            "protocol": PROTOCOL_OF[noise],
        }
        # A network's own name comes last: here it may carry its backend and precision.
        entries.append(Entry.model_validate(figures | dict(facts[name])))
    return entries
