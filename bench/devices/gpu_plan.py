"""Which of the GPUs that a person names are in this machine and can be measured; the others are projected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import UserError
from ...runtime.backends.open_backend import installed_for_gpu
from ...runtime.engines.gpu import Gpu, first_gpu
from .environment import installed_version
from .profile import DeviceProfile, Version, plain_name

_FEWEST_CAPABILITY_OF_ONNXRUNTIME = (6, 0)


@dataclass(frozen=True, kw_only=True)
class GpuPlan:
    """What is done about the GPUs that a person names."""

    backends: tuple[str, ...]
    """To measure with, on the one that is in this machine."""
    projected: tuple[DeviceProfile, ...]
    """Those that are not, or that nothing installed runs on."""
    notes: tuple[str, ...]
    """What a person must know of it, a line each."""


def device_present(profile: DeviceProfile, find_gpu: Callable[[], Gpu] = first_gpu) -> bool:
    """Whether the first GPU of this machine is this one, so that it can be measured and need not be projected."""
    try:
        found = find_gpu()
    except UserError:
        return False
    names = (plain_name(profile.name), *profile.aliases)
    return found.compute_capability == profile.compute_capability and plain_name(found.name) in names


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


def version_warnings(
    profile: DeviceProfile, tensorrt_version: str | None, onnxruntime_gpu_version: str | None
) -> list[str]:
    """What of the installed software cannot run on a GPU, a line each; None: not installed."""
    warnings: list[str] = []
    newest = profile.tensorrt_newest
    if tensorrt_version is not None and newest is not None and _parsed(tensorrt_version) > newest:
        warnings.append(
            f"TensorRT {tensorrt_version} does not run on {profile.name}; the last that does is {_text(newest)}"
        )
    if onnxruntime_gpu_version is not None:
        warnings += _onnxruntime_warnings(profile, onnxruntime_gpu_version)
    return warnings


def _onnxruntime_warnings(profile: DeviceProfile, installed: str) -> list[str]:
    what = f"onnxruntime-gpu {installed}"
    newest, reported = profile.onnxruntime_gpu_newest, profile.onnxruntime_gpu_reported_newest
    if profile.compute_capability < _FEWEST_CAPABILITY_OF_ONNXRUNTIME:
        return [f"{what} has no code for {profile.name}; its wheels begin with compute capability 6.0"]
    if newest is not None and _parsed(installed) > newest:
        return [f"{what} does not run on {profile.name}; the last that has code for it is {_text(newest)}"]
    if reported is not None and _parsed(installed) > reported:
        return [f"{what} is reported to crash on {profile.name}; {_text(reported)} is reported to work"]
    return []


def _parsed(version: str) -> Version:
    major, minor = (int(part) for part in version.split(".")[:2])
    return major, minor


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
