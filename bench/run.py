"""One session of measurements: models in, results and files out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..errors import UserError
from .candidates import Candidate, open_candidates
from .devices.profile import DeviceProfile
from .environment import Machine, describe_machine
from .images import ImageSet, find_images
from .latency import MeasuredLatency, Rounds, Size, measure_latency
from .measure_quality import NOISY_INPUT, ImageScore, levels_of, mean_scores, measure_quality, write_scores
from .method import Method
from .network_method import network_method
from .noise_variants import Noise
from .pictures import write_pictures
from .program import Program, program_methods
from .projection.gpu_projections import (
    ProjectedCandidate,
    gpu_notes,
    project_candidates,
    projected_entry,
    write_rooflines,
)
from .protocol import PROTOCOL_OF
from .report import write_report
from .results import Entry, Results, write_results, write_results_csv
from .sample_pictures import SamplePicture, best_method, sample_pictures

BACKEND = "cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityRequest:
    """What to measure quality on."""

    data: str
    """A folder, file or glob pattern of clean images."""
    limit: int | None
    """At most this many images, evenly spread; None: all."""
    sigmas: tuple[float, ...]
    """Grey levels 0..255."""
    noise: Noise
    programs: tuple[Program, ...] = ()
    """Scored beside the models."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRequest:
    """Everything that `hinas-bench` measures and where it writes."""

    models: tuple[str, ...]
    """Bundled names or paths; none: all bundled models."""
    quality: QualityRequest | None
    """None: latency alone."""
    sizes: tuple[Size, ...]
    """Of the latency, at least one."""
    gpus: tuple[DeviceProfile, ...] = ()
    """To project the latencies on."""
    threads: int
    rounds: Rounds
    out: Path
    """A folder; made if missing, files of the same names in it are replaced."""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who is told what happens meanwhile."""

    note: Callable[[str], None] = lambda _: None
    """A line for a person."""
    begin: Callable[[str, int], None] = lambda _, __: None
    """A stage by name, and the number of steps it takes."""
    step: Callable[[], None] = lambda: None
    """A step of the stage is done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchOutcome:
    """What came out."""

    results: Results
    files: tuple[Path, ...] = field(default=())
    """Written, results.json first."""


def run_bench(request: BenchRequest, listener: Listener) -> BenchOutcome:
    """Measure, then write results.json, results.csv and report.html, with images quality.csv and the pictures too.

    Raises UserError for everything a person can mend, before the measurements where that is possible.
    """
    machine = describe_machine()
    candidates = open_candidates(request.models, backend=BACKEND, threads=request.threads)
    images: ImageSet | None = None
    methods: list[Method] = []
    if request.quality is not None:
        images = find_images(request.quality.data, limit=request.quality.limit)
        for warning in images.warnings:
            listener.note(f"warning: {warning}")
        methods = [network_method(item, machine) for item in candidates if item.manifest.weights == "trained"]
        taken = [NOISY_INPUT, *(item.name for item in candidates)]
        methods += program_methods(request.quality.programs, request.quality.noise, machine, taken)
        _check_levels(candidates, methods, request.quality.sigmas, listener)
    for note in gpu_notes(request.gpus):
        listener.note(note)
    projected = project_candidates(candidates, request.sizes, request.gpus)
    make_folder(request.out)
    if machine.is_busy:
        listener.note(f"warning: load average {machine.load_average}: other programs disturb the latencies")

    entries: list[Entry] = []
    for size in request.sizes:
        listener.begin(f"latency {size}", len(candidates) + request.rounds.fewest)
        measured = measure_latency(candidates, size, rounds=request.rounds, progress=listener.step)
        entries += [latency_entry(item, machine) for item in measured]
        for item in measured:
            if item.latency.is_warm is False:
                listener.note(f"warning: {item.candidate.name} at {size}: the warm-up never became steady")
    entries += [projected_entry(item) for item in projected]
    scores: list[ImageScore] = []
    samples: list[SamplePicture] = []
    if request.quality is not None and images is not None:
        listener.begin("quality", len(images.files))
        scores = measure_quality(
            methods,
            images,
            sigmas=request.quality.sigmas,
            noise=request.quality.noise,
            progress=listener.step,
            warn=lambda text: listener.note(f"warning: {text}"),
        )
        entries += quality_entries(scores, methods, images.name, request.quality.noise)
        samples = _samples(methods, images, scores, request.quality)
    results = Results(machine=machine, entries=tuple(entries))
    files = _written(results, scores, samples, projected, request)
    return BenchOutcome(results=results, files=files)


def latency_entry(item: MeasuredLatency, machine: Machine) -> Entry:
    """A measured latency as a line of the results."""
    pixels = item.size.width * item.size.height
    return Entry(
        model=item.candidate.name,
        channels=_channels(item.candidate.manifest.channels),
        weights=item.candidate.manifest.weights,
        parameters=item.candidate.cost.parameters,
        macs_per_pixel=item.candidate.cost.macs_per_pixel,
        backend=item.candidate.backend_name,
        library=item.library,
        precision=item.candidate.manifest.precision,
        device=machine.cpu,
        threads=item.candidate.threads,
        size=str(item.size),
        batch=1,
        origin="measured",
        latency_ms=item.latency,
        throughput_mpix_s=pixels / 1000 / item.latency.p50,
        peak_memory_bytes=item.peak_memory_bytes,
        source=item.candidate.source,
    )


def quality_entries(scores: Iterable[ImageScore], methods: Sequence[Method], dataset: str, noise: Noise) -> list[Entry]:
    """The means of the scores as lines of the results, the noisy input's among them, each with its time for all images.

    As the papers give it: the denoising alone, image after image.
    """
    facts = {method.name: method.facts for method in methods} | {NOISY_INPUT: {"source": "clean image plus noise"}}
    return [
        Entry(
            model=model,
            channels=_channels(channels),
            origin="measured",
            # JSON knows no infinity.
            psnr_db=mean.psnr_db if mean.psnr_db < float("inf") else None,
            ssim=mean.ssim,
            dataset=dataset,
            num_images=mean.num_images,
            dataset_time_s=mean.total_seconds,
            sigma=sigma,
            protocol=PROTOCOL_OF[noise],
            **facts[model],
        )
        for (model, channels, sigma), mean in mean_scores(scores).items()
    ]


def _check_levels(
    candidates: Sequence[Candidate], methods: Sequence[Method], sigmas: tuple[float, ...], listener: Listener
) -> None:
    """Say which qualities will not be measured; UserError where none will be."""
    for candidate in candidates:
        if candidate.manifest.weights == "random":
            listener.note(f"note: {candidate.name} has random weights: its latency is measured, its quality is not")
    for method in methods:
        missing = [f"{sigma:g}" for sigma in sigmas if sigma not in levels_of(method, sigmas)]
        if missing and method.sigma_range is not None:
            low, high = method.sigma_range
            listener.note(f"note: {method.name} is for sigma {low:g}:{high:g}; not measured at {', '.join(missing)}")
    if not any(levels_of(method, sigmas) for method in methods):
        levels = ", ".join(f"{sigma:g}" for sigma in sigmas)
        raise UserError(
            f"--sigma {levels}: no model has trained weights for any of these; leave --data out for latency alone"
        )


def _channels(channels: int) -> Literal[1, 3]:
    """ModelManifest allows nothing else."""
    return 1 if channels == 1 else 3


def make_folder(folder: Path) -> None:
    """Make the folder for the results; UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"--out {folder}: a file of that name is in the way; give a folder") from error
    except OSError as error:
        raise UserError(f"--out {folder}: cannot make this folder ({error.strerror})") from error


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


def _written(
    results: Results,
    scores: Sequence[ImageScore],
    samples: Sequence[SamplePicture],
    projected: Sequence[ProjectedCandidate],
    request: BenchRequest,
) -> tuple[Path, ...]:
    files = [request.out / name for name in ("results.json", "results.csv", "report.html")]
    write_results(results, files[0])
    write_results_csv(results, files[1])
    if scores:
        files.append(request.out / "quality.csv")
        write_scores(scores, files[-1])
    charts = [
        *write_pictures(results, [str(size) for size in request.sizes], request.out),
        *write_rooflines(projected, request.out),
    ]
    write_report(results, files[2], size=str(request.sizes[0]), charts=charts, samples=samples)
    return (*files, *charts)
