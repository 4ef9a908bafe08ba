"""One session of measurements: models in, results and files out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ..runtime.tiling.window_limits import rounded_up
from ..search.images.image_folder import evenly_chosen
from .bench_settings import BenchSettings, QualitySettings
from .devices.environment import Machine, describe_machine
from .devices.gpu_plan import gpu_plan
from .latency.measure_latency import measure_latency, progress_steps
from .latency.progress import Listener
from .methods.lower_precision import calibration_on
from .methods.open_networks import OpenNetwork, Variants
from .methods.peak_probes import peak_probes, shares_of_peak
from .methods.session_methods import SessionMethods, scored_methods, session_methods
from .projection.gpu_projections import project_networks, projected_entry
from .published.published_figures import published_entries, read_published
from .quality.clean_images import ImageSet, find_images, images_digest
from .quality.enlarging import measure_enlarging
from .quality.measure_quality import ImageScore, ScoredMethod, measure_quality
from .quality.sample_pictures import SamplePicture, best_method, sample_pictures
from .quality.task_cases import measure_task_cases
from .results.entries import Entry, Results
from .results.results_file import make_folder, write_results
from .session_output import latency_entry, quality_entries, write_outputs

_LARGEST_ALIGNMENT = 64
"""Pixels, of any model that we know."""
_CALIBRATION_IMAGES = 64
"""As many as int8 takes crops; each is held in memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchOutcome:
    """What came out."""

    results: Results
    files: tuple[Path, ...] = field(default=())
    """Written, results.json first."""


@dataclass(frozen=True, kw_only=True)
class _Quality:
    """What the images said."""

    scores: tuple[ImageScore, ...] = ()
    entries: tuple[Entry, ...] = ()
    samples: tuple[SamplePicture, ...] = ()


def run_bench(settings: BenchSettings, listener: Listener) -> BenchOutcome:
    """Measure, then write results.json, results.csv and report.html, with images quality.csv and the pictures too.

    Raises UserError for everything a person can mend, before the measurements where that is possible.
    """
    with TemporaryDirectory(prefix="hinas-bench-") as folder:
        return _run(settings, Path(folder), listener)


def _run(settings: BenchSettings, folder: Path, listener: Listener) -> BenchOutcome:
    """`folder`: for the files that are made to be measured."""
    machine = describe_machine()
    images = None
    if settings.quality is not None:
        images = find_images(settings.quality.data, limit=settings.quality.limit)
        for warning in images.warnings:
            listener.warn(warning)
    gpus = gpu_plan(settings.gpus)
    for note in gpus.notes:
        listener.note(note)
    backends = tuple(dict.fromkeys((*settings.backends, *gpus.backends)))
    found = session_methods(
        settings.models,
        settings.peers,
        settings.peer_weights,
        sizes=settings.sizes,
        variants=_variants(settings, backends, images),
        folder=folder,
        note=listener.note,
    )
    methods: list[ScoredMethod] = []
    if settings.quality is not None:
        methods = scored_methods(
            found,
            settings.quality.programs,
            sigmas=settings.quality.sigmas,
            machine=machine,
            threads=settings.threads,
            note=listener.note,
        )
    projected = project_networks(_one_of_each(found.networks), settings.sizes, gpus.projected, note=listener.note)
    published = (
        [entry for entry in published_entries(read_published()) if entry.dataset_time_s] if settings.gpus else []
    )
    make_folder(settings.out)
    if machine.is_busy and settings.rounds is not None:
        listener.warn(f"load average {machine.load_average}: other programs disturb the latencies")

    latencies = [*_latencies(settings, found, machine, folder, listener), *map(projected_entry, projected)]
    # What comes may take long or fail on an image; the latencies are not lost with it.
    write_results(Results(machine=machine, entries=tuple(latencies)), settings.out / "results.json")
    quality = _Quality()
    if settings.quality is not None and images is not None:
        quality = _quality(settings.quality, methods, images, listener)
    entries = (*latencies, *quality.entries, *published)
    results = Results(machine=machine, entries=entries)
    sizes = [str(size) for size in settings.sizes] if latencies else []
    files = write_outputs(results, quality.scores, quality.samples, projected, sizes, settings.out)
    return BenchOutcome(results=results, files=files)


def _variants(settings: BenchSettings, backends: tuple[str, ...], images: ImageSet | None) -> Variants:
    return Variants(
        backends=backends,
        precisions=settings.precisions,
        threads=settings.threads,
        # One engine for all sizes; models want sides that are multiples of some pixels.
        tile=rounded_up(max(max(size.width, size.height) for size in settings.sizes), _LARGEST_ALIGNMENT),
        calibration=calibration_on(() if images is None else tuple(evenly_chosen(images.files, _CALIBRATION_IMAGES))),
    )


def _one_of_each(networks: Sequence[OpenNetwork]) -> list[OpenNetwork]:
    """Each model once: a projection is for another backend. Its file in fp32 stands for all precisions."""
    chosen: dict[str, OpenNetwork] = {}
    for network in networks:
        if network.model not in chosen or network.manifest.precision == "fp32":
            chosen[network.model] = network
    return list(chosen.values())


def _latencies(
    settings: BenchSettings, found: SessionMethods, machine: Machine, folder: Path, listener: Listener
) -> list[Entry]:
    if settings.rounds is None:
        return []
    entries: list[Entry] = []
    probes = peak_probes(found.networks, folder)
    for size in settings.sizes:
        timed = [*found.timed, *probes.values()]
        listener.begin(f"latency {size}", progress_steps(len(timed), settings.rounds))
        measured = measure_latency(timed, size, rounds=settings.rounds, progress=listener.step)
        shares = shares_of_peak(measured, probes)
        for item in measured[: len(found.timed)]:
            entries.append(latency_entry(item, shares.get(item.method.name), machine))
            if item.latency.is_warm is False:
                listener.warn(f"{item.method.name} at {size}: the warm-up never became steady")
    return entries


def _quality(
    settings: QualitySettings, methods: Sequence[ScoredMethod], images: ImageSet, listener: Listener
) -> _Quality:
    scores: list[ImageScore] = []
    if denoising := [method for method in methods if method.takes_levels]:
        listener.begin("quality", len(images.files))
        scores += measure_quality(
            denoising,
            images,
            sigmas=settings.sigmas,
            noise=settings.noise,
            progress=listener.step,
            warn=listener.warn,
        )
    if enlarging := [method for method in methods if method.scale > 1]:
        listener.begin("super-resolution", len(images.files))
        scores += measure_enlarging(enlarging, images, progress=listener.step, warn=listener.warn)
    if others := [method for method in methods if method.scale == 1 and not method.takes_levels]:
        listener.begin("other tasks", len(images.files))
        scores += measure_task_cases(others, images, progress=listener.step, warn=listener.warn)
    return _Quality(
        scores=tuple(scores),
        entries=tuple(quality_entries(scores, methods, images.name, images_digest(images))),
        samples=tuple(_samples(methods, images, scores, settings)),
    )


def _samples(
    methods: Sequence[ScoredMethod], images: ImageSet, scores: Sequence[ImageScore], settings: QualitySettings
) -> list[SamplePicture]:
    """The best method's work at the middle noise level that anything was scored at; none where there are no levels."""
    levels = sorted({score.sigma for score in scores if score.sigma is not None})
    if not levels:
        return []
    sigma = levels[len(levels) // 2]
    method = best_method(methods, scores, sigma)
    if method is None:
        return []
    # Patches with noise of their own make no picture.
    noise = "standard" if settings.noise == "hinas-patches" else settings.noise
    return sample_pictures(method, images, sigma=sigma, noise=noise)
