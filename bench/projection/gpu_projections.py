"""What `hinas-bench --gpu` adds: latencies on GPUs that are not here, as entries of the results and as pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from ...errors import UserError
from ...runtime.backends.open_backend import installed_for_gpu
from ..contestants.candidates import Candidate
from ..devices.environment import installed_version
from ..devices.installed import device_present, version_warnings
from ..devices.profile import DeviceProfile
from ..latency.latency import Size
from ..results.results import Entry, Latency, Precision
from .roofline import Projection, project_latency


@dataclass(frozen=True, kw_only=True)
class ProjectedCandidate:
    """One model on one GPU in one precision at one size."""

    candidate: Candidate
    profile: DeviceProfile
    projection: Projection


def project_candidates(
    candidates: Sequence[Candidate], sizes: Sequence[Size], gpus: Sequence[DeviceProfile]
) -> list[ProjectedCandidate]:
    """Project every model on every GPU at every size, in every precision that applies.

    A model file in fp32 stands for all precisions its GPU has, any other file for its own. Raises UserError for a
    model that cannot be projected, and for a file in a precision the GPU lacks.
    """
    found: list[ProjectedCandidate] = []
    for candidate in candidates if gpus else ():
        model = onnx.load(candidate.file)
        for profile in gpus:
            for size in sizes:
                for precision in _precisions(candidate, profile):
                    try:
                        projection = project_latency(model, size, profile, precision)
                    except UserError as error:
                        raise UserError(f"{candidate.name} on {profile.name}: {error}") from error
                    found.append(ProjectedCandidate(candidate=candidate, profile=profile, projection=projection))
    return found


def _precisions(candidate: Candidate, profile: DeviceProfile) -> tuple[Precision, ...]:
    precision = candidate.manifest.precision
    return profile.precisions if precision == "fp32" else (precision,)


@dataclass(frozen=True, kw_only=True)
class GpuPlan:
    """What is done about the GPUs that a person names."""

    backends: tuple[str, ...]
    """To measure with, on the one that is in this machine."""
    projected: tuple[DeviceProfile, ...]
    """Those that are not, or that nothing installed runs on."""
    notes: tuple[str, ...]
    """What a person must know of it, a line each."""


def gpu_plan(
    gpus: Sequence[DeviceProfile],
    *,
    is_present: Callable[[DeviceProfile], bool] = device_present,
    installed: Callable[[], tuple[str, ...]] = installed_for_gpu,
) -> GpuPlan:
    """Measure on the GPU that is here, project on the others."""
    present = [profile for profile in gpus if is_present(profile)]
    backends = installed() if present else ()
    notes = [*_version_notes(gpus)]
    for profile in present:
        if backends:
            notes.append(f"note: {profile.name} is in this machine and is measured with {', '.join(backends)}")
        else:
            notes.append(
                f"note: {profile.name} is in this machine, but neither TensorRT with pycuda nor onnxruntime-gpu is "
                "installed: its latencies are projected"
            )
    projected = tuple(profile for profile in gpus if not backends or profile not in present)
    return GpuPlan(backends=backends, projected=projected, notes=tuple(notes))


def _version_notes(gpus: Sequence[DeviceProfile]) -> list[str]:
    notes: list[str] = []
    tensorrt = installed_version("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu11")
    onnxruntime = installed_version("onnxruntime-gpu")
    for profile in gpus:
        notes += [f"warning: {warning}" for warning in version_warnings(profile, tensorrt, onnxruntime)]
    return notes


def projected_entry(item: ProjectedCandidate) -> Entry:
    """A projection as a line of the results."""
    candidate, projection = item.candidate, item.projection
    pixels = projection.size.width * projection.size.height
    return Entry(
        model=candidate.name,
        channels=1 if candidate.manifest.channels == 1 else 3,
        weights=candidate.manifest.weights,
        parameters=candidate.cost.parameters,
        macs_per_pixel=candidate.cost.macs_per_pixel,
        precision=projection.roof.precision,
        device=projection.roof.device,
        size=str(projection.size),
        batch=1,
        origin="projected",
        latency_ms=Latency(p50=projection.latency_ms),
        latency_range_ms=projection.range_ms,
        throughput_mpix_s=pixels / 1000 / projection.latency_ms,
        source=f"{candidate.source}; roofline model, shares {projection.calibration.source}",
    )


def write_rooflines(items: Sequence[ProjectedCandidate], out: Path) -> list[Path]:
    """A picture of every model at the first size in the first precision, `roofline-MODEL.png` for the first GPU and
    `roofline-MODEL-GPU.png` for others."""
    from ...figures import write_figure
    from .roofline_plot import roofline_figure

    first_gpu = items[0].profile if items else None
    chosen: dict[Path, ProjectedCandidate] = {}
    for item in items:
        gpu = "" if item.profile == first_gpu else f"-{item.profile.aliases[0]}"
        # A candidate's name may be the path it was given by.
        chosen.setdefault(out / f"roofline-{Path(item.candidate.name).stem}{gpu}.png", item)
    for path, item in chosen.items():
        roof = item.projection.roof
        title = f"{item.candidate.name} on {roof.device}, {roof.precision}, {item.projection.size} pixels, batch 1"
        write_figure(roofline_figure(item.projection, title=title), path)
    return list(chosen)
