"""What is installed here and which GPU is in this machine, held against a profile."""

from collections.abc import Callable

from ...errors import UserError
from ...runtime.engines.gpu import Gpu, first_gpu
from .profile import DeviceProfile, Version, plain_name

_FEWEST_CAPABILITY_OF_ONNXRUNTIME = (6, 0)


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


def device_present(profile: DeviceProfile, find_gpu: Callable[[], Gpu] = first_gpu) -> bool:
    """Whether the first GPU of this machine is this one, so that it can be measured and need not be projected."""
    try:
        found = find_gpu()
    except UserError:
        return False
    names = (plain_name(profile.name), *profile.aliases)
    return found.compute_capability == profile.compute_capability and plain_name(found.name) in names


def _parsed(version: str) -> Version:
    major, minor = (int(part) for part in version.split(".")[:2])
    return major, minor


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
