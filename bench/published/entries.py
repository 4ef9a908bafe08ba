"""Published figures as lines of the results."""

from collections.abc import Iterable

from ..results.results import Entry
from .rows import PublishedRow


def published_entries(rows: Iterable[PublishedRow]) -> list[Entry]:
    """One entry for each row, of origin `published`.

    The papers give seconds for a whole data set and no image size, so there is a `dataset_time_s` (with its device and
    number of images) and never a `latency_ms`. A range of parameters stands in the note.
    """
    return [_entry(row) for row in rows]


def _entry(row: PublishedRow) -> Entry:
    is_range = row.parameters_m is not None and "-" in row.parameters_m
    notes = [row.note, f"{row.parameters_m} M parameters" if is_range else None]
    return Entry(
        model=row.method,
        task=row.task,
        channels=row.channels,
        parameters=None if row.parameters_m is None or is_range else round(float(row.parameters_m) * 1e6),
        device=row.device,
        origin="published",
        dataset_time_s=None if row.time_s is None else float(row.time_s),
        psnr_db=None if row.psnr_db is None else float(row.psnr_db),
        ssim=None if row.ssim is None else float(row.ssim),
        dataset=row.dataset,
        num_images=row.images,
        sigma=row.sigma,
        protocol=row.protocol,
        source=row.source,
        note="; ".join(note for note in notes if note) or None,
    )
