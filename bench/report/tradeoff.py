"""The points of the speed-versus-quality picture, joined from the entries of results.

Joining happens here alone: results keep every fact by itself, with its own origin.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..results.entries import VARIOUS_SIZES, Entry, Origin
from ..results.result_texts import threads_text

Quality = Literal["psnr_db", "ssim"]

PAPERS_SIZE = "481x321"
"""Width x height of the images of BSD100 and BSD200, on which the papers state the time of a whole data set."""
_BSDS_IMAGES = re.compile(r"BSD\w* \(.*\)|(train|val|test) \((\d+ of )?[12]00 images\)")
"""What results call the images of BSDS500 or parts of it. Results of earlier versions tell the size by nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Group:
    """Points that may be compared: one origin, one device, one protocol, the same images."""

    origin: Origin
    device: str
    """Of the time; of a projection the device that it is projected for."""
    protocol: str
    """Of the quality."""
    dataset: str
    """Of the quality."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TradeoffPoint:
    """A model at one noise level on one kind of images."""

    model: str
    conditions: tuple[str, str, str]
    """Backend, precision and threads; empty: not known."""
    time_ms: float
    """Per image: the median run, or the time of a data set divided by the number of its images."""
    time_range_ms: tuple[float, float] | None
    """Of a projection; None: of any other point."""
    quality: float
    """PSNR in dB or SSIM, as the panel says. A projection's is measured too, on some other device."""
    parameters: int | None
    """None: unknown."""
    group: Group


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """What may stand in one set of axes: one task, one kind of image, one noise level, one measure of quality."""

    task: str
    channels: int
    """1: grey, 3: colour."""
    sigma: float | None
    """Grey levels 0..255; None: a task without a noise level."""
    quality: Quality
    points: tuple[TradeoffPoint, ...]
    """At least one."""
    noisy_quality: float | None
    """What doing nothing scores, or bicubic enlargement; None: unknown, or not the same for all points."""


def denoising_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Those of the trade-off's main picture."""
    return [entry for entry in entries if entry.task == "denoise"]


def super_resolution_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Of those published the ones on BSD100, the only set whose times are; and all that were measured.

    What counts is the time for the whole set, as published: a latency is for a small picture of one size.
    """
    return [
        entry
        for entry in entries
        if entry.task.startswith("super-resolution")
        and entry.latency_ms is None
        and (entry.origin == "measured" or (entry.dataset or "").startswith("BSD100"))
    ]


def tradeoff_panels(
    entries: Iterable[Entry], size: str | None, *, noisy_input: str, quality: Quality = "psnr_db"
) -> list[Panel]:
    """Panels for the times at `size`, batch 1, ordered by task, kind of image and sigma; None: the mean times of whole
    sets alone, whatever the size of their images.

    An entry that states both a time and a quality is a point by itself; the time for a whole set counts only where no
    latency was measured, for it depends on more than the network, and only if all images of the set have that size,
    upright or not. Apart from that a measured quality takes
    - the measured latencies of the same model, kind of image, device, backend and precision, and
    - the projected latencies of the same model, kind of image and precision: points of origin projected.
    Qualities without a finite figure or without a time have no point. The model named `noisy_input` gives the panels'
    baseline.
    """
    listed = list(entries)
    latencies = [entry for entry in listed if _time_ms(entry, size) is not None and _quality(entry, quality) is None]
    baselines: dict[tuple[str, int, float | None], dict[tuple[str, str], float]] = {}
    points: dict[tuple[str, int, float | None], list[TradeoffPoint]] = {}
    for entry in listed:
        value = _quality(entry, quality)
        if value is None:
            continue
        place = (entry.task, entry.channels, entry.sigma)
        if entry.model == noisy_input:
            # Entry guarantees a data set and a protocol beside a quality.
            baselines.setdefault(place, {})[str(entry.dataset), str(entry.protocol)] = value
            continue
        timed = [item for item in latencies if _join(item, entry)]
        is_timed = entry.latency_ms is None and any(item.origin == "measured" for item in timed)
        if _time_ms(entry, size) is not None and not is_timed:
            timed.append(entry)
        for item in timed:
            point = _point(item, entry, size, value)
            # Qualities that several backends measured alike meet a projection once.
            if point not in points.setdefault(place, []):
                points[place].append(point)
    return [
        Panel(
            task=place[0],
            channels=place[1],
            sigma=place[2],
            quality=quality,
            points=tuple(points[place]),
            noisy_quality=_only(baselines.get(place, {})),
        )
        for place in sorted(points, key=lambda place: (place[0], place[1], place[2] or 0.0))
    ]


def panels_of_ours(panels: Sequence[Panel]) -> list[Panel]:
    """Those with a point that is not published; where none has one, all: then the picture is of published figures.

    Published figures at a level that was not measured have nothing beside them to be compared with.
    """
    ours = [panel for panel in panels if any(point.group.origin != "published" for point in panel.points)]
    return ours or list(panels)


def without_slower_times(panel: Panel) -> Panel:
    """Of points that differ in little but the time, the one with the shortest alone.

    Those are one network in one precision on several backends of a device, and a published quality whose time the
    papers state again for a newer GPU.
    """
    fastest: dict[tuple[object, ...], TradeoffPoint] = {}
    for point in panel.points:
        key = _whose(point)
        if key not in fastest or point.time_ms < fastest[key].time_ms:
            fastest[key] = point
    return replace(panel, points=tuple(point for point in panel.points if point is fastest[_whose(point)]))


def _whose(point: TradeoffPoint) -> tuple[object, ...]:
    if point.group.origin == "published":
        return point.model, replace(point.group, device=""), point.quality
    return point.model, point.group, point.conditions[1]


def pareto_front(points: Sequence[TradeoffPoint]) -> list[TradeoffPoint]:
    """Those that no other point beats (as fast and as good, and better in one), the fastest first."""
    front: list[TradeoffPoint] = []
    for point in sorted(points, key=lambda point: (point.time_ms, -point.quality)):
        if (
            not front
            or point.quality > front[-1].quality
            or (point.time_ms, point.quality) == (front[-1].time_ms, front[-1].quality)
        ):
            front.append(point)
    return front


def point_names(points: Sequence[TradeoffPoint]) -> list[str]:
    """Each point's model, with the fewest conditions (precision, backend, threads) that tell it from its namesakes."""
    names: list[str] = []
    for point in points:
        namesakes = {other.conditions for other in points if (other.model, other.group) == (point.model, point.group)}
        telling = next(
            (
                kinds
                for kinds in _KINDS_OF_CONDITIONS
                if len({tuple(conditions[kind] for kind in kinds) for conditions in namesakes}) == len(namesakes)
            ),
            _KINDS_OF_CONDITIONS[-1],
        )
        # One thread is what is meant where nothing is said.
        words = [point.conditions[kind] for kind in telling if point.conditions[kind] not in ("", threads_text(1))]
        names.append(" ".join([point.model, *words]))
    return names


_KINDS_OF_CONDITIONS = ((), (1,), (0,), (2,), (1, 2), (0, 2), (0, 1), (0, 1, 2))
"""Which of backend, precision and threads to name; few before many."""


def points_by_group(points: Iterable[TradeoffPoint]) -> dict[Group, list[TradeoffPoint]]:
    """Measured groups first, then published, then projected ones."""
    groups: dict[Group, list[TradeoffPoint]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    order: list[Origin] = ["measured", "published", "projected"]
    return {group: groups[group] for group in sorted(groups, key=lambda group: (order.index(group.origin), group))}


def _quality(entry: Entry, quality: Quality) -> float | None:
    return entry.psnr_db if quality == "psnr_db" else entry.ssim


def _time_ms(entry: Entry, size: str | None) -> float | None:
    """Per image of `size`, None: of whatever size its set has; None where the entry states none."""
    if entry.latency_ms is not None:
        return entry.latency_ms.p50 if entry.size == size and entry.batch == 1 else None
    if entry.dataset_time_s is None or entry.num_images is None:
        return None
    of_set = _set_size(entry)
    if size is None or (of_set is not None and _sides(of_set) == _sides(size)):
        return 1000 * entry.dataset_time_s / entry.num_images
    return None


def _set_size(entry: Entry) -> str | None:
    """Of every image in the set that an entry's time is of; None: not known, or not the same."""
    if entry.origin == "published":
        return entry.size or PAPERS_SIZE
    if entry.image_size is None:
        return PAPERS_SIZE if _BSDS_IMAGES.fullmatch(entry.dataset or "") else None
    return None if entry.image_size == VARIOUS_SIZES else entry.image_size


def _sides(size: str) -> list[int]:
    return sorted(map(int, size.split("x")))


def _join(latency: Entry, quality: Entry) -> bool:
    # Two published figures belong together only where one source states both in one line.
    if quality.origin != "measured" or latency.origin == "published":
        return False
    same_network = _is_of_task(quality, latency.task) and (latency.model, latency.channels, latency.precision) == (
        quality.model,
        quality.channels,
        quality.precision,
    )
    same_run = (latency.device, latency.backend) == (quality.device, quality.backend)
    return same_network and (latency.origin == "projected" or same_run)


def _is_of_task(quality: Entry, task: str) -> bool:
    """Whether a quality is of a network for `task`: one for camera is scored on cases such as camera ISO 1600."""
    return quality.task == task or (quality.protocol == "task cases" and quality.task.startswith(f"{task} "))


def _point(latency: Entry, quality: Entry, size: str | None, value: float) -> TradeoffPoint:
    time_ms = _time_ms(latency, size)
    assert time_ms is not None
    return TradeoffPoint(
        model=quality.model,
        conditions=(latency.backend or "", latency.precision or "", threads_text(latency.threads)),
        time_ms=time_ms,
        time_range_ms=latency.latency_range_ms,
        quality=value,
        parameters=quality.parameters if quality.parameters is not None else latency.parameters,
        group=Group(
            origin=latency.origin,
            device=latency.device or "device not stated",
            protocol=str(quality.protocol),
            dataset=str(quality.dataset),
        ),
    )


def _only(values: dict[tuple[str, str], float]) -> float | None:
    return next(iter(values.values())) if len(values) == 1 else None
