"""The tables of report.html: entries as cells of text, measured, published and projected ones apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...runtime.pictures.picture import KINDS
from ..results.entries import Entry, Results
from ..results.joining import session_dates
from ..results.pairs_texts import improved_text, level_text
from ..results.result_texts import number_text

_Cell = Callable[[Entry], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Cells of plain text; columns that are empty in every row are left out."""

    title: str
    caption: str
    """What the figures are, and when and where they were taken."""
    headings: tuple[str, ...]
    is_number: tuple[bool, ...]
    """For each column."""
    rows: tuple[tuple[str, ...], ...]
    """At least one."""


def report_tables(results: Results) -> list[Table]:
    """Latencies, qualities, published and projected figures, those of them that there are."""
    measured = [entry for entry in results.entries if entry.origin == "measured"]
    date = session_dates(results)
    tables = [
        _table(
            "Measured latency",
            f"Milliseconds of one run of the network, files, tiling and transfers not counted. Measured {date}.",
            [entry for entry in measured if entry.latency_ms is not None],
            _LATENCY,
        ),
        _table(
            "Measured quality",
            f"Mean over the images. Measured {date}.",
            [entry for entry in measured if _has_quality(entry) and entry.protocol != "pairs"],
            _QUALITY,
        ),
        _table(
            "Measured on pairs",
            f"Noisy files beside clean ones; mean over the pairs. Measured {date}.",
            [entry for entry in measured if entry.protocol == "pairs"],
            _PAIRS,
        ),
        _table(
            "Published figures",
            "As printed in the publications, on their devices and under their protocols; not measured here.",
            [entry for entry in results.entries if entry.origin == "published"],
            _PUBLISHED,
        ),
        _table(
            "Projected latency",
            f"Computed for devices that were not at hand, not measured. Computed {date}.",
            [entry for entry in results.entries if entry.origin == "projected"],
            _PROJECTED,
        ),
    ]
    return [table for table in tables if table is not None]


def _has_quality(entry: Entry) -> bool:
    return entry.psnr_db is not None or entry.ssim is not None


def _psnr(entry: Entry) -> str:
    if entry.psnr_db is None:
        return "infinite" if entry.ssim is not None and entry.origin == "measured" else ""
    return number_text(entry.psnr_db, 2)


def _of_latency(name: str) -> _Cell:
    def cell(entry: Entry) -> str:
        value = None if entry.latency_ms is None else getattr(entry.latency_ms, name)
        return "" if value is None else f"{value:,.4g}"

    return cell


def _time_per_image(entry: Entry) -> str:
    if entry.dataset_time_s is None or entry.num_images is None:
        return _of_latency("p50")(entry)
    return f"{1000 * entry.dataset_time_s / entry.num_images:,.4g}"


def _range(entry: Entry) -> str:
    return "" if entry.latency_range_ms is None else " to ".join(f"{value:,.4g}" for value in entry.latency_range_ms)


def _mebibytes(value: int | None) -> str:
    return number_text(value and value / 2**20, 0)


_MODEL: tuple[str, bool, _Cell] = (
    "model",
    False,
    lambda entry: f"{entry.model} (random weights)" if entry.weights == "random" else entry.model,
)
_IMAGES: tuple[str, bool, _Cell] = ("images", False, lambda entry: KINDS[entry.channels])
_DEVICE: tuple[str, bool, _Cell] = ("device", False, lambda entry: entry.device or "")
_BACKEND: tuple[str, bool, _Cell] = ("backend", False, lambda entry: entry.backend or "")
_PRECISION: tuple[str, bool, _Cell] = ("precision", False, lambda entry: entry.precision or "")
_SIZE: tuple[str, bool, _Cell] = ("size", False, lambda entry: entry.size or "")
_BATCH: tuple[str, bool, _Cell] = ("batch", True, lambda entry: "" if entry.batch is None else str(entry.batch))
_THREADS: tuple[str, bool, _Cell] = ("threads", True, lambda entry: str(entry.threads or ""))
_PARAMETERS: tuple[str, bool, _Cell] = ("parameters", True, lambda entry: number_text(entry.parameters, 0))
_LIBRARY: tuple[str, bool, _Cell] = ("library", False, lambda entry: entry.library or "")
_SIGMA: tuple[str, bool, _Cell] = ("σ", True, lambda entry: "" if entry.sigma is None else f"{entry.sigma:g}")
_PSNR: tuple[str, bool, _Cell] = ("PSNR dB", True, _psnr)
_SSIM: tuple[str, bool, _Cell] = ("SSIM", True, lambda entry: number_text(entry.ssim, 4))
_DATASET: tuple[str, bool, _Cell] = ("data set", False, lambda entry: entry.dataset or "")
_PROTOCOL: tuple[str, bool, _Cell] = ("protocol", False, lambda entry: entry.protocol or "")
_SOURCE: tuple[str, bool, _Cell] = ("source", False, lambda entry: entry.source)
_NOTE: tuple[str, bool, _Cell] = ("note", False, lambda entry: entry.note or "")

_LATENCY: tuple[tuple[str, bool, _Cell], ...] = (
    _MODEL,
    _IMAGES,
    _DEVICE,
    _BACKEND,
    _PRECISION,
    _SIZE,
    _BATCH,
    _THREADS,
    ("median ms", True, _of_latency("p50")),
    ("least ms", True, _of_latency("min")),
    ("p90 ms", True, _of_latency("p90")),
    ("p99 ms", True, _of_latency("p99")),
    ("runs", True, _of_latency("runs")),
    ("in ms", True, lambda entry: number_text(entry.transfer_in_ms, 3)),
    ("out ms", True, lambda entry: number_text(entry.transfer_out_ms, 3)),
    ("Mpix/s", True, lambda entry: number_text(entry.throughput_mpix_s, 3)),
    ("% of peak", True, lambda entry: number_text(entry.share_of_peak and 100 * entry.share_of_peak, 0)),
    ("J per run", True, lambda entry: number_text(entry.energy_j, 3)),
    ("memory MiB", True, lambda entry: _mebibytes(entry.peak_memory_bytes)),
    ("device MiB", True, lambda entry: _mebibytes(entry.peak_device_bytes)),
    _PARAMETERS,
    ("kMAC/px", True, lambda entry: number_text(entry.macs_per_pixel and entry.macs_per_pixel / 1000, 1)),
    _LIBRARY,
    _SOURCE,
    _NOTE,
)
_QUALITY = (
    _MODEL,
    ("task", False, lambda entry: "" if entry.task == "denoise" else entry.task),
    _IMAGES,
    _SIGMA,
    _PSNR,
    _SSIM,
    _DATASET,
    _PROTOCOL,
    _DEVICE,
    _BACKEND,
    _PRECISION,
    _PARAMETERS,
    _SOURCE,
    _NOTE,
)
_PAIRS = (
    _MODEL,
    ("level", False, level_text),
    _PSNR,
    ("gain dB", True, lambda entry: "" if entry.gain_db is None else f"{entry.gain_db:+.2f}"),
    _SSIM,
    ("improved", True, improved_text),
    ("median σ", True, lambda entry: number_text(entry.median_sigma, 1)),
    _DATASET,
    _PRECISION,
    _LIBRARY,
    _SOURCE,
    _NOTE,
)
_PUBLISHED = (
    _MODEL,
    ("task", False, lambda entry: entry.task),
    _IMAGES,
    _DATASET,
    _SIGMA,
    _PSNR,
    _SSIM,
    ("ms per image", True, _time_per_image),
    _DEVICE,
    _PROTOCOL,
    _PARAMETERS,
    _SOURCE,
    _NOTE,
)
_PROJECTED = (
    _MODEL,
    _IMAGES,
    _DEVICE,
    _BACKEND,
    _PRECISION,
    _SIZE,
    _BATCH,
    ("median ms", True, _of_latency("p50")),
    ("range ms", True, _range),
    _PSNR,
    _PARAMETERS,
    _SOURCE,
    _NOTE,
)


def _table(
    title: str, caption: str, entries: Sequence[Entry], columns: Sequence[tuple[str, bool, _Cell]]
) -> Table | None:
    rows = [[cell(entry) for _, _, cell in columns] for entry in entries]
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    if not rows:
        return None
    return Table(
        title=title,
        caption=caption,
        headings=tuple(columns[index][0] for index in used),
        is_number=tuple(columns[index][1] for index in used),
        rows=tuple(tuple(row[index] for index in used) for row in rows),
    )
