"""Results as texts for people: names of entries, numbers with their units, tables."""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from ...runtime.pictures.picture import KINDS
from .entries import Entry, Results


def number_text(value: float | None, digits: int) -> str:
    """Empty for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def time_text(milliseconds: float) -> str:
    """Three digits: 0.12 ms, 40 ms, 1.3 s."""
    if milliseconds >= 9999.5:
        return f"{milliseconds / 1000:,.0f} s"
    if milliseconds >= 999.5:
        return f"{milliseconds / 1000:.3g} s"
    return f"{milliseconds:.3g} ms"


def parameters_text(parameters: float) -> str:
    """283000 -> 0.283 M; three digits."""
    return f"{parameters / 1e6:.3g} M" if parameters >= 1e5 else f"{parameters / 1e3:.3g} k"


def threads_text(threads: int | None) -> str:
    """1 -> 1 thread; empty for None."""
    return "" if threads is None else "1 thread" if threads == 1 else f"{threads} threads"


def labels(entries: Sequence[Entry]) -> list[str]:
    """A name for each entry: the model, and what tells it apart where a model was measured on or in several things."""
    variants = _variants(entries)
    return [
        " ".join([entry.model, *(part for part in _parts(entry) if part and len(variants[_whose(entry)]) > 1)])
        for entry in entries
    ]


def _variants(entries: Iterable[Entry]) -> dict[Hashable, set[tuple[str | None, ...]]]:
    found: dict[Hashable, set[tuple[str | None, ...]]] = {}
    for entry in entries:
        found.setdefault(_whose(entry), set()).add(_parts(entry))
    return found


def _whose(entry: Entry) -> Hashable:
    return entry.model, entry.channels, entry.origin


def _parts(entry: Entry) -> tuple[str | None, ...]:
    return entry.backend, entry.precision


def results_table(results: Results) -> str:
    """A table of the measured latencies, one of the projected and one of the qualities, with conditions above each."""
    latencies = [entry for entry in results.entries if entry.latency_ms is not None and entry.origin == "measured"]
    projected = [entry for entry in results.entries if entry.latency_ms is not None and entry.origin == "projected"]
    scored = [entry for entry in results.entries if entry.ssim is not None or entry.psnr_db is not None]
    qualities = [entry for entry in scored if entry.origin == "measured"]
    parts: list[str] = []
    if latencies:
        conditions = {f"{entry.device}, {entry.library}, batch {entry.batch}" for entry in latencies}
        parts.append("Latency: " + "; ".join(sorted(conditions)))
        named = zip(latencies, labels(latencies), strict=True)
        parts.append(text_table(_LATENCY_HEADING, [_latency_row(entry, label) for entry, label in named]))
    if projected:
        parts.append("Latency PROJECTED, not measured: batch 1, an engine that fuses; true ones expected in the range")
        parts.append(text_table(_PROJECTED_HEADING, [_projected_row(entry) for entry in projected]))
    if qualities:
        conditions = {f"{entry.dataset}, {entry.protocol} protocol" for entry in qualities}
        parts.append("Quality: " + "; ".join(sorted(conditions)))
        named = zip(qualities, labels(qualities), strict=True)
        parts.append(text_table(_QUALITY_HEADING, [_quality_row(entry, label) for entry, label in named]))
    if any(entry.origin == "published" for entry in results.entries):
        parts.append("The papers' figures stand in the pictures and the report; --published prints them all.")
    return "\n".join(parts)


_LATENCY_HEADING = (
    "model",
    "size",
    "p50 ms",
    "min ms",
    "p90 ms",
    "p99 ms",
    "spread %",
    "runs",
    "load ms",
    "first ms",
    "in ms",
    "out ms",
    "Mpix/s",
    "% of peak",
    "J",
    "peak MiB",
    "GPU MiB",
    "parameters",
    "kMAC/px",
)
_PROJECTED_HEADING = ("model", "GPU", "precision", "size", "projected ms", "range ms", "Mpix/s")
_QUALITY_HEADING = ("model", "task", "images", "sigma", "PSNR dB", "SSIM", "all images s")


def relative_spread(samples_ms: Sequence[float]) -> float:
    """The interquartile range over the median: how far apart the runs lie, whatever the outliers."""
    low, middle, high = np.percentile(samples_ms, [25, 50, 75])
    return float((high - low) / middle)


def _latency_row(entry: Entry, label: str) -> tuple[str, ...]:
    latency = entry.latency_ms
    assert latency is not None
    cold = latency.cold_start
    return (
        label if entry.weights != "random" else f"{label} (random weights)",
        entry.size or "",
        _number(latency.p50, 2),
        _number(latency.min, 2),
        _number(latency.p90, 2),
        _number(latency.p99, 2),
        _number(100 * relative_spread(latency.samples) if latency.samples else None, 1),
        str(latency.runs or "-") + ("" if latency.is_warm is not False else "!"),
        _number(cold.load_ms if cold else None, 1),
        _number(cold.first_run_ms if cold else None, 1),
        _number(entry.transfer_in_ms, 2),
        _number(entry.transfer_out_ms, 2),
        _number(entry.throughput_mpix_s, 3),
        _number(entry.share_of_peak and 100 * entry.share_of_peak, 0),
        _number(entry.energy_j, 3),
        _number(entry.peak_memory_bytes and entry.peak_memory_bytes / 2**20, 0),
        _number(entry.peak_device_bytes and entry.peak_device_bytes / 2**20, 0),
        f"{entry.parameters:,}" if entry.parameters is not None else "-",
        _number(entry.macs_per_pixel and entry.macs_per_pixel / 1000, 1),
    )


def _projected_row(entry: Entry) -> tuple[str, ...]:
    assert entry.latency_ms is not None and entry.latency_range_ms is not None
    low, high = entry.latency_range_ms
    return (
        entry.model if entry.weights != "random" else f"{entry.model} (random weights)",
        entry.device or "",
        entry.precision or "",
        entry.size or "",
        f"{entry.latency_ms.p50:.3g}",
        f"{low:.3g} to {high:.3g}",
        _number(entry.throughput_mpix_s, 1),
    )


def _quality_row(entry: Entry, label: str) -> tuple[str, ...]:
    return (
        label,
        "-" if entry.task == "denoise" else entry.task,
        KINDS[entry.channels],
        "-" if entry.sigma is None else f"{entry.sigma:g}",
        "infinite" if entry.psnr_db is None else f"{entry.psnr_db:.2f}",
        _number(entry.ssim, 4),
        _number(entry.dataset_time_s, 2),
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def text_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, all others to the right; a column that tells nothing is left out."""
    columns = [column for column in zip(heading, *rows, strict=True) if set(column[1:]) != {"-"}]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return "\n".join(f"  {line}" for line in lines)
