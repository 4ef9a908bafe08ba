"""Two results files compared: what changed beyond noise, and what the machine did to all models alike.

Latencies. Every timed run is kept, so the noise of a median is known: the ratio of the new median to the old one gets
a bootstrap interval (Efron 1979; 99 %, percentiles; runs are taken as independent of each other). Two sessions happen
at different moments, though, and everything may have become slower together: the median over the models of their
ratios is the machine's drift, estimated in the same draws and stated apart, and each model is judged by what its own
ratio has beyond it. With fewer than three models drift and change cannot be told apart, and nothing is taken out. Since
the median is used, a change that most models share is called drift, whatever caused it.

Qualities. Images and noise are the same on every run, so PSNR differs only by rounding where nothing changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..devices.environment import Machine
from .entries import Entry, Results

LEAST_LATENCY_CHANGE = 0.03
"""Two starts of the same program differ by as much, for where its memory happens to lie: not in any one's samples."""
LEAST_PSNR_CHANGE_DB = 0.005
LEAST_SSIM_CHANGE = 0.0002
FEWEST_MODELS_FOR_DRIFT = 3
_LEVEL = 0.99
_DRAWS = 4000

Measure = Literal["PSNR dB", "SSIM"]
Verdict = Literal["slower", "faster", "unchanged", "other figure"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedEntry:
    """What is compared: entries that agree in all of this."""

    task: str
    model: str
    channels: int
    backend: str | None
    precision: str | None
    size: str | None
    batch: int | None
    threads: int | None
    device: str | None
    """None for a session's own processor: files of different machines may be compared, with a warning."""
    sigma: float | None
    level: str | None
    dataset: str | None
    protocol: str | None
    origin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """What happened to all models of a device alike."""

    device: str | None
    """None: the session's own processor."""
    factor: float
    """New time over old time."""
    interval: tuple[float, float]
    num_models: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyChange:
    """A time in both files."""

    subject: ComparedEntry
    old_ms: float
    """Median, or a published time per image."""
    new_ms: float
    own_factor: float
    """New over old, the device's drift taken out."""
    interval: tuple[float, float] | None
    """Of the factor; None: without samples there is no noise to know."""
    verdict: Verdict
    """other figure: a time without samples, such as a published one, is not the same any more."""
    is_other_file: bool
    """The source is another one, usually the model file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityChange:
    """A PSNR or an SSIM in both files."""

    subject: ComparedEntry
    measure: Measure
    old: float
    new: float
    is_real: bool
    is_other_file: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Everything that can be said of two results files."""

    warnings: tuple[str, ...]
    drifts: tuple[Drift, ...]
    latencies: tuple[LatencyChange, ...]
    qualities: tuple[QualityChange, ...]
    only_old: tuple[ComparedEntry, ...]
    only_new: tuple[ComparedEntry, ...]


def subject_of(entry: Entry, machine: Machine) -> ComparedEntry:
    """What an entry of results is a figure of; `machine` is the one of the results."""
    return ComparedEntry(
        **{name: getattr(entry, name) for name in ComparedEntry.__dataclass_fields__ if name != "device"},
        device=None if entry.device == machine.cpu else entry.device,
    )


def compare_results(old: Results, new: Results) -> Comparison:
    """Pair the entries by subject (in their order, where several agree) and judge every pair.

    Qualities on sets that are called alike and hold other images are no pair; a warning names the sets.
    """
    olds, news = _by_compared(old), _by_compared(new)
    of_other_images = {key for key in olds if key in news and _are_of_other_images(olds[key], news[key])}
    both = (olds.keys() & news.keys()) - of_other_images
    pairs = [(key[0], olds[key], news[key]) for key in olds if key in both]
    drifts, latencies = _latency_changes(pairs)
    return Comparison(
        warnings=(*_warnings(old, new), *_image_warnings(of_other_images)),
        drifts=tuple(drifts),
        latencies=tuple(latencies),
        qualities=tuple(_quality_changes(pairs)),
        only_old=tuple(key[0] for key in olds if key not in both),
        only_new=tuple(key[0] for key in news if key not in both),
    )


def drawn_medians(samples: Sequence[float], generator: np.random.Generator) -> NDArray[np.float64]:
    """Medians of bootstrap resamples of `samples`, drawn directly.

    The k-th smallest of n draws from n sorted values is the value at a rank that follows the k-th order statistic of
    n uniform numbers, which is Beta(k, n + 1 - k); so no resample need be made.
    """
    ordered, count = np.sort(np.asarray(samples, np.float64)), len(samples)
    lower = (count + 1) // 2
    place = generator.beta(lower, count + 1 - lower, _DRAWS)
    medians = ordered[np.minimum((place * count).astype(int), count - 1)]
    if count % 2:
        return medians
    # The next order statistic, given this one.
    next_place = place + (1 - place) * generator.beta(1, count - lower, _DRAWS)
    return (medians + ordered[np.minimum((next_place * count).astype(int), count - 1)]) / 2


def _by_compared(results: Results) -> dict[tuple[ComparedEntry, int], Entry]:
    """The entries by subject and their number among those of the same subject."""
    found: dict[tuple[ComparedEntry, int], Entry] = {}
    for entry in results.entries:
        subject = subject_of(entry, results.machine)
        turn = next(turn for turn in range(len(found) + 1) if (subject, turn) not in found)
        found[subject, turn] = entry
    return found


def _latency_changes(pairs: Iterable[tuple[ComparedEntry, Entry, Entry]]) -> tuple[list[Drift], list[LatencyChange]]:
    timed = [pair for pair in pairs if _time_ms(pair[1]) is not None and _time_ms(pair[2]) is not None]
    generator = np.random.default_rng(0)
    # Logarithms of the ratios of medians: the figure itself first, then the draws.
    ratios = {
        index: np.concatenate(
            [
                [np.log(np.median(_samples(after)) / np.median(_samples(before)))],
                np.log(drawn_medians(_samples(after), generator) / drawn_medians(_samples(before), generator)),
            ]
        )
        for index, (_, before, after) in enumerate(timed)
        if _samples(before) and _samples(after)
    }
    drifts: list[Drift] = []
    own = dict(ratios)
    for device in dict.fromkeys(timed[index][0].device for index in ratios):
        here = [index for index in ratios if timed[index][0].device == device]
        by_model: dict[str, list[NDArray[np.float64]]] = {}
        for index in here:
            by_model.setdefault(timed[index][0].model, []).append(ratios[index])
        if len(by_model) < FEWEST_MODELS_FOR_DRIFT:
            continue
        common = np.median([np.median(of_model, axis=0) for of_model in by_model.values()], axis=0)
        own |= {index: ratios[index] - common for index in here}
        drifts.append(
            Drift(device=device, factor=np.exp(common[0]).item(), interval=_interval(common), num_models=len(by_model))
        )
    return drifts, [
        _latency_change(subject, before, after, own.get(index)) for index, (subject, before, after) in enumerate(timed)
    ]


def _latency_change(
    subject: ComparedEntry, before: Entry, after: Entry, own: NDArray[np.float64] | None
) -> LatencyChange:
    old_ms, new_ms = _time_ms(before), _time_ms(after)
    assert old_ms is not None and new_ms is not None
    factor = new_ms / old_ms if own is None else np.exp(own[0]).item()
    interval = None if own is None else _interval(own)
    verdict: Verdict = "unchanged"
    if interval is None:
        verdict = "unchanged" if abs(factor - 1) < 1e-6 else "other figure"
    elif interval[0] > 1 and factor > 1 + LEAST_LATENCY_CHANGE:
        verdict = "slower"
    elif interval[1] < 1 and factor < 1 - LEAST_LATENCY_CHANGE:
        verdict = "faster"
    return LatencyChange(
        subject=subject,
        old_ms=old_ms,
        new_ms=new_ms,
        own_factor=factor,
        interval=interval,
        verdict=verdict,
        is_other_file=before.source != after.source,
    )


def _quality_changes(pairs: Iterable[tuple[ComparedEntry, Entry, Entry]]) -> list[QualityChange]:
    changes: list[QualityChange] = []
    for subject, before, after in pairs:
        figures: list[tuple[Measure, float | None, float | None, float]] = [
            ("PSNR dB", _psnr_db(before), _psnr_db(after), LEAST_PSNR_CHANGE_DB),
            ("SSIM", before.ssim, after.ssim, LEAST_SSIM_CHANGE),
        ]
        changes += [
            QualityChange(
                subject=subject,
                measure=measure,
                old=old,
                new=new,
                # Two infinite figures have no difference that could be compared.
                is_real=old != new and abs(new - old) > least,
                is_other_file=before.source != after.source,
            )
            for measure, old, new, least in figures
            if old is not None and new is not None
        ]
    return changes


def _warnings(old: Results, new: Results) -> list[str]:
    before, after = old.machine.model_dump(), new.machine.model_dump()
    lines: list[str] = []
    if before["cpu"] != after["cpu"]:
        lines.append("different machines: what is called drift is above all the difference between them")
    lines += [
        f"different {name.replace('_', ' ')}: {_shown(before[name])} -> {_shown(after[name])}"
        for name in before
        if name not in ("date_utc", "load_average") and before[name] != after[name]
    ]
    for which, results in (("old", old), ("new", new)):
        if results.machine.is_busy:
            lines.append(f"the {which} file was measured on a busy machine (load {results.machine.load_average})")
    return lines


def _are_of_other_images(before: Entry, after: Entry) -> bool:
    """Results of earlier versions do not tell."""
    return None not in (before.images_digest, after.images_digest) and before.images_digest != after.images_digest


def _image_warnings(keys: Iterable[tuple[ComparedEntry, int]]) -> list[str]:
    sets = sorted({str(subject.dataset) for subject, _ in keys})
    return [f"{name}: other images in the two files, though called alike; qualities are not compared" for name in sets]


def _shown(value: Any) -> str:
    return "unknown" if value is None else str(value)


def _interval(logarithms: NDArray[np.float64]) -> tuple[float, float]:
    """Of the factor, from the draws behind the figure itself."""
    low, high = np.exp(np.quantile(logarithms[1:], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])).tolist()
    return low, high


def _samples(entry: Entry) -> tuple[float, ...]:
    return () if entry.latency_ms is None else entry.latency_ms.samples


def _time_ms(entry: Entry) -> float | None:
    if entry.latency_ms is not None:
        return entry.latency_ms.p50
    # Measured, it is a single pass beside the quality, whatever else ran: no latency that could have changed.
    if entry.origin == "published" and entry.dataset_time_s is not None:
        return 1000 * entry.dataset_time_s / (entry.num_images or 1)
    return None


def _psnr_db(entry: Entry) -> float | None:
    """Infinite where an entry has an SSIM alone, as results keep it."""
    return float("inf") if entry.psnr_db is None and entry.ssim is not None else entry.psnr_db
