"""One session of measurements: models in, results and files out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ..errors import UserError
from ..runtime.manifest import Precision
from ..runtime.tiling import rounded_up
from .candidates import Candidate, Variants
from .environment import Machine, describe_machine, device_name
from .images import ImageSet, evenly_chosen, find_images
from .latency import MeasuredLatency, Rounds, Size, measure_latency
from .lineup import lineup
from .measure_quality import NOISY_INPUT, ImageScore, levels_of, mean_scores, measure_quality, write_scores
from .noise_variants import Noise
from .peak import peak_probes, shares_of_peak
from .precision_variants import calibration_on
from .protocol import PROTOCOL_OF
from .results import Entry, Results, write_results, write_results_csv
from .tradeoff import tradeoff_panels

_LARGEST_ALIGNMENT = 64
"""Pixels, of any model that we know."""
_CALIBRATION_IMAGES = 64
"""As many as int8 takes crops; each is held in memory."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRequest:
    """Everything that `hinas-bench` measures and where it writes."""

    models: tuple[str, ...]
    """Bundled names or paths; none: all bundled models."""
    quality: QualityRequest | None
    """None: latency alone."""
    sizes: tuple[Size, ...]
    """Of the latency, at least one."""
    backends: tuple[str, ...]
    """As the runtime's registry knows them, at least one."""
    precisions: tuple[Precision, ...]
    """None: each model as its file is."""
    peers: str | None
    """Published methods to measure too, as `peer_names` reads them; None: none."""
    peer_weights: Mapping[str, Path]
    """Files with weights by the peer's name; the others get random ones."""
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
    """Measure, then write results.json and results.csv, and with images quality.csv and the trade-off pictures.

    Raises UserError for everything a person can mend, before the measurements where that is possible.
    """
    with TemporaryDirectory(prefix="hinas-bench-") as folder:
        return _run(request, Path(folder), listener)


def _run(request: BenchRequest, folder: Path, listener: Listener) -> BenchOutcome:
    """`folder`: for the files that are made to be measured."""
    machine = describe_machine()
    images: ImageSet | None = None
    if request.quality is not None:
        images = find_images(request.quality.data, limit=request.quality.limit)
        for warning in images.warnings:
            listener.note(f"warning: {warning}")
    found = lineup(
        request.models,
        request.peers,
        request.peer_weights,
        sizes=request.sizes,
        variants=_variants(request, images),
        folder=folder,
        note=listener.note,
    )
    candidates = found.candidates
    if request.quality is not None:
        _check_levels(candidates, request.quality.sigmas, listener)
    make_folder(request.out)
    if machine.is_busy:
        listener.note(f"warning: load average {machine.load_average}: other programs disturb the latencies")

    entries: list[Entry] = []
    probes = peak_probes(candidates, folder)
    for size in request.sizes:
        timed = [*found.timed, *probes.values()]
        listener.begin(f"latency {size}", len(timed) + request.rounds.fewest)
        measured = measure_latency(timed, size, rounds=request.rounds, progress=listener.step)
        shares = shares_of_peak(measured, probes)
        for item in measured[: len(found.timed)]:
            entries.append(latency_entry(item, shares.get(item.timed.name), machine))
            if item.latency.is_warm is False:
                listener.note(f"warning: {item.timed.name} at {size}: the warm-up never became steady")
    scores: list[ImageScore] = []
    if request.quality is not None and images is not None:
        listener.begin("quality", len(images.files))
        scores = measure_quality(
            candidates,
            images,
            sigmas=request.quality.sigmas,
            noise=request.quality.noise,
            progress=listener.step,
            warn=lambda text: listener.note(f"warning: {text}"),
        )
        entries += quality_entries(scores, candidates, images.name, request.quality.noise, machine)
    results = Results(machine=machine, entries=tuple(entries))
    return BenchOutcome(results=results, files=_written(results, scores, request.sizes, request.out))


def _variants(request: BenchRequest, images: ImageSet | None) -> Variants:
    return Variants(
        backends=request.backends,
        precisions=request.precisions,
        threads=request.threads,
        # One engine for all sizes; models want sides that are multiples of some pixels.
        tile=rounded_up(max(max(size.width, size.height) for size in request.sizes), _LARGEST_ALIGNMENT),
        calibration=calibration_on(() if images is None else tuple(evenly_chosen(images.files, _CALIBRATION_IMAGES))),
    )


def latency_entry(item: MeasuredLatency, share_of_peak: float | None, machine: Machine) -> Entry:
    """A measured latency as a line of the results."""
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


def quality_entries(
    scores: Iterable[ImageScore], candidates: Sequence[Candidate], dataset: str, noise: Noise, machine: Machine
) -> list[Entry]:
    """The means of the scores as lines of the results, the noisy input's among them."""
    by_name = {candidate.name: candidate for candidate in candidates}
    entries: list[Entry] = []
    for (model, channels, sigma), mean in mean_scores(scores).items():
        candidate = by_name.get(model)
        entry = Entry(
            model=model,
            channels=_channels(channels),
            origin="measured",
            # JSON knows no infinity.
            psnr_db=mean.psnr_db if mean.psnr_db < float("inf") else None,
            ssim=mean.ssim,
            dataset=dataset,
            num_images=mean.num_images,
            sigma=sigma,
            protocol=PROTOCOL_OF[noise],
            source="clean image plus noise",
        )
        if candidate is not None:
            entry = entry.model_copy(
                update={
                    **candidate.facts,
                    "library": candidate.backend.description,
                    "device": device_name(candidate.backend_name, machine),
                }
            )
        entries.append(entry)
    return entries


def _check_levels(candidates: Sequence[Candidate], sigmas: tuple[float, ...], listener: Listener) -> None:
    """Say which qualities will not be measured; UserError where none will be."""
    for candidate in candidates:
        if candidate.manifest.weights == "random":
            listener.note(f"note: {candidate.name} has random weights: its latency is measured, its quality is not")
            continue
        missing = [f"{sigma:g}" for sigma in sigmas if sigma not in levels_of(candidate, sigmas)]
        if missing and candidate.manifest.sigma_range is not None:
            low, high = candidate.manifest.sigma_range
            listener.note(
                f"note: {candidate.name} was trained for sigma {low:g}:{high:g}; not measured at {', '.join(missing)}"
            )
    if not any(levels_of(candidate, sigmas) for candidate in candidates):
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


def _written(results: Results, scores: Sequence[ImageScore], sizes: Sequence[Size], out: Path) -> tuple[Path, ...]:
    files = [out / "results.json", out / "results.csv"]
    write_results(results, files[0])
    write_results_csv(results, files[1])
    if scores:
        files.append(out / "quality.csv")
        write_scores(scores, files[-1])
    for index, size in enumerate(sizes):
        files += _pictures(results, str(size), out / ("tradeoff" if index == 0 else f"tradeoff-{size}"))
    return tuple(files)


def _pictures(results: Results, size: str, stem: Path) -> list[Path]:
    """The trade-off at one size as PNG and SVG; none where nothing has both a latency and a quality."""
    panels = tradeoff_panels(results.entries, size, noisy_input=NOISY_INPUT)
    if not panels:
        return []
    from ..figures import write_both
    from .plots import draw_tradeoff

    conditions = {entry.library for entry in results.entries if entry.latency_ms is not None and entry.library}
    machine = results.machine
    figure = draw_tradeoff(
        panels,
        title=f"Speed and quality: {size} pixels, batch 1, {machine.cpu}",
        conditions=f"{'; '.join(sorted(conditions))}; hinas {machine.hinas}, {machine.date_utc:%Y-%m-%d}",
    )
    return list(write_both(figure, stem))
