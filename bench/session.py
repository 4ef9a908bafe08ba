"""One session of measurements: models in, results and files out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ..runtime.tiling.window_limits import rounded_up
from .contestants.candidates import Candidate, Variants
from .contestants.lineup import Lineup, lineup
from .contestants.method import Method
from .contestants.precision_variants import calibration_on
from .devices.environment import Machine, describe_machine
from .latency.latency import measure_latency, progress_steps
from .latency.peak import peak_probes, shares_of_peak
from .progress import Listener
from .projection.gpu_projections import gpu_plan, project_candidates, projected_entry
from .published.entries import published_entries
from .published.rows import read_published
from .quality.images import ImageSet, evenly_chosen, find_images
from .quality.measure_quality import ImageScore, measure_quality
from .quality.noise_variants import Noise
from .quality.sample_pictures import SamplePicture, best_method, sample_pictures
from .quality.scored_methods import scored_methods
from .request import BenchRequest, QualityRequest
from .results.measured_entries import latency_entry, quality_entries
from .results.output_files import make_folder, write_outputs
from .results.results import Entry, Results, write_results

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


def run_bench(request: BenchRequest, listener: Listener) -> BenchOutcome:
    """Measure, then write results.json, results.csv and report.html, with images quality.csv and the pictures too.

    Raises UserError for everything a person can mend, before the measurements where that is possible.
    """
    with TemporaryDirectory(prefix="hinas-bench-") as folder:
        return _run(request, Path(folder), listener)


def _run(request: BenchRequest, folder: Path, listener: Listener) -> BenchOutcome:
    """`folder`: for the files that are made to be measured."""
    machine = describe_machine()
    images = None
    if request.quality is not None:
        images = find_images(request.quality.data, limit=request.quality.limit)
        for warning in images.warnings:
            listener.warn(warning)
    gpus = gpu_plan(request.gpus)
    for note in gpus.notes:
        listener.note(note)
    backends = tuple(dict.fromkeys((*request.backends, *gpus.backends)))
    found = lineup(
        request.models,
        request.peers,
        request.peer_weights,
        sizes=request.sizes,
        variants=_variants(request, backends, images),
        folder=folder,
        note=listener.note,
    )
    methods: list[Method] = []
    if request.quality is not None:
        methods = scored_methods(found, request.quality, machine, request.threads, listener)
    projected = project_candidates(_one_of_each(found.candidates), request.sizes, gpus.projected)
    published = [entry for entry in published_entries(read_published()) if entry.dataset_time_s] if request.gpus else []
    make_folder(request.out)
    if machine.is_busy:
        listener.warn(f"load average {machine.load_average}: other programs disturb the latencies")

    latencies = [*_latencies(request, found, machine, folder, listener), *map(projected_entry, projected)]
    # What comes may take long or fail on an image; the latencies are not lost with it.
    write_results(Results(machine=machine, entries=tuple(latencies)), request.out / "results.json")
    quality = _Quality()
    if request.quality is not None and images is not None:
        quality = _quality(request.quality, methods, images, listener)
    entries = (*latencies, *quality.entries, *published)
    results = Results(machine=machine, entries=entries)
    sizes = [str(size) for size in request.sizes]
    files = write_outputs(results, quality.scores, quality.samples, projected, sizes, request.out)
    return BenchOutcome(results=results, files=files)


def _variants(request: BenchRequest, backends: tuple[str, ...], images: ImageSet | None) -> Variants:
    return Variants(
        backends=backends,
        precisions=request.precisions,
        threads=request.threads,
        # One engine for all sizes; models want sides that are multiples of some pixels.
        tile=rounded_up(max(max(size.width, size.height) for size in request.sizes), _LARGEST_ALIGNMENT),
        calibration=calibration_on(() if images is None else tuple(evenly_chosen(images.files, _CALIBRATION_IMAGES))),
    )


def _one_of_each(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each model once: a projection is for another backend. Its file in fp32 stands for all precisions."""
    chosen: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.model not in chosen or candidate.manifest.precision == "fp32":
            chosen[candidate.model] = candidate
    return list(chosen.values())


def _latencies(request: BenchRequest, found: Lineup, machine: Machine, folder: Path, listener: Listener) -> list[Entry]:
    entries: list[Entry] = []
    probes = peak_probes(found.candidates, folder)
    for size in request.sizes:
        timed = [*found.timed, *probes.values()]
        listener.begin(f"latency {size}", progress_steps(len(timed), request.rounds))
        measured = measure_latency(timed, size, rounds=request.rounds, progress=listener.step)
        shares = shares_of_peak(measured, probes)
        for item in measured[: len(found.timed)]:
            entries.append(latency_entry(item, shares.get(item.timed.name), machine))
            if item.latency.is_warm is False:
                listener.warn(f"{item.timed.name} at {size}: the warm-up never became steady")
    return entries


def _quality(request: QualityRequest, methods: Sequence[Method], images: ImageSet, listener: Listener) -> _Quality:
    listener.begin("quality", len(images.files))
    scores = measure_quality(
        methods,
        images,
        sigmas=request.sigmas,
        noise=request.noise,
        progress=listener.step,
        warn=listener.warn,
    )
    return _Quality(
        scores=tuple(scores),
        entries=tuple(quality_entries(scores, methods, images.name, request.noise)),
        samples=tuple(_samples(methods, images, scores, request)),
    )


def _samples(
    methods: Sequence[Method], images: ImageSet, scores: Sequence[ImageScore], request: QualityRequest
) -> list[SamplePicture]:
    """The best method's work at the middle noise level that anything was scored at."""
    levels = sorted({score.sigma for score in scores})
    sigma = levels[len(levels) // 2]
    method = best_method(methods, scores, sigma)
    if method is None:
        return []
    # Patches with noise of their own make no picture.
    noise = Noise.standard if request.noise is Noise.hinas_patches else request.noise
    return sample_pictures(method, images, sigma=sigma, noise=noise)
