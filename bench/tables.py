"""Results as text for a person: columns as wide as they need to be, units in the headings."""

from collections.abc import Sequence

from .results import Entry, Results


def results_table(results: Results) -> str:
    """A table of the measured latencies, one of the projected and one of the qualities, with conditions above each."""
    latencies = [entry for entry in results.entries if entry.latency_ms is not None and entry.origin == "measured"]
    projected = [entry for entry in results.entries if entry.latency_ms is not None and entry.origin == "projected"]
    qualities = [entry for entry in results.entries if entry.ssim is not None or entry.psnr_db is not None]
    parts: list[str] = []
    if latencies:
        conditions = {f"{entry.device}, {entry.library}, batch {entry.batch}" for entry in latencies}
        parts.append("Latency: " + "; ".join(sorted(conditions)))
        parts.append(text_table(_LATENCY_HEADING, [_latency_row(entry) for entry in latencies]))
    if projected:
        parts.append("Latency PROJECTED, not measured: batch 1, an engine that fuses; true ones expected in the range")
        parts.append(text_table(_PROJECTED_HEADING, [_projected_row(entry) for entry in projected]))
    if qualities:
        conditions = {f"{entry.dataset}, {entry.protocol} protocol" for entry in qualities}
        parts.append("Quality: " + "; ".join(sorted(conditions)))
        parts.append(text_table(_QUALITY_HEADING, [_quality_row(entry) for entry in qualities]))
    return "\n".join(parts)


_LATENCY_HEADING = (
    "model",
    "size",
    "p50 ms",
    "min ms",
    "p90 ms",
    "p99 ms",
    "runs",
    "load ms",
    "first ms",
    "Mpix/s",
    "peak MiB",
    "parameters",
    "kMAC/px",
)
_PROJECTED_HEADING = ("model", "GPU", "precision", "size", "projected ms", "range ms", "Mpix/s")
_QUALITY_HEADING = ("model", "images", "sigma", "PSNR dB", "SSIM", "all images s")


def _latency_row(entry: Entry) -> tuple[str, ...]:
    latency = entry.latency_ms
    assert latency is not None
    cold = latency.cold_start
    return (
        entry.model if entry.weights != "random" else f"{entry.model} (random weights)",
        entry.size or "",
        _number(latency.p50, 2),
        _number(latency.min, 2),
        _number(latency.p90, 2),
        _number(latency.p99, 2),
        str(latency.runs or "-") + ("" if latency.is_warm is not False else "!"),
        _number(cold.load_ms if cold else None, 1),
        _number(cold.first_run_ms if cold else None, 1),
        _number(entry.throughput_mpix_s, 3),
        _number(entry.peak_memory_bytes and entry.peak_memory_bytes / 2**20, 0),
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


def _quality_row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.model,
        "grey" if entry.channels == 1 else "colour",
        f"{entry.sigma:g}",
        "infinite" if entry.psnr_db is None else f"{entry.psnr_db:.2f}",
        _number(entry.ssim, 4),
        _number(entry.dataset_time_s, 2),
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def text_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heading, *rows)
    ]
    return "\n".join(f"  {line}" for line in lines)
