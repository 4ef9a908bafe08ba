"""What differs between TensorRT 8.6.1, 10.x and 11.x, and what runs on which GPU.

Source: the bindings of 8.6.1, 10.16 and 11.4 themselves, and NVIDIA's support matrices.
"""

from dataclasses import dataclass

from ...errors import UserError
from ...runtime.engines.gpu import Gpu
from ...runtime.model.manifest import Precision

TensorRtVersion = tuple[int, int]
"""(major, minor) of TensorRT."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Typing:
    """Who decides about the types of tensors."""

    is_strong: bool
    """The graph alone: TensorRT computes in exactly the types that stand in it."""
    flags: tuple[str, ...] = ()
    """Members of BuilderFlag: types that TensorRT may use although they do not stand in the graph."""


def version_of(text: str) -> TensorRtVersion:
    """Parse `tensorrt.__version__`; UserError where this version is none that hinas builds with."""
    major, minor = (int(part) for part in text.split(".")[:2])
    if (major, minor) < (8, 6) or major == 9:
        raise UserError(f"TensorRT {text} is not supported; install tensorrt==8.6.1, 10.x or 11.x")
    return major, minor


def require_gpu_for(version: TensorRtVersion, gpu: Gpu, precision: Precision, *, hardware_compatible: bool) -> None:
    """Raise UserError, saying what to install or to ask, where TensorRT and this GPU cannot go together."""
    installed = f"TensorRT {version[0]}.{version[1]}"
    if gpu.compute_capability < (7, 0) and version > (8, 6):
        raise UserError(f"{installed} does not run on {gpu}; install tensorrt==8.6.1")
    if gpu.compute_capability < (7, 5) and version > (10, 4):
        raise UserError(f"{installed} does not run on {gpu}; install 'tensorrt==10.4.*'")
    if gpu.compute_capability < (8, 0) and precision == "bf16":
        raise UserError(f"{gpu} has no bf16, which begins with compute capability 8.0; ask for fp16 or fp32")
    if gpu.compute_capability < (8, 0) and hardware_compatible:
        raise UserError(f"{gpu} cannot build hardware-compatible engines, which begin with compute capability 8.0")


def typing_for(version: TensorRtVersion, *, model: Precision, asked: Precision) -> Typing:
    """How to get the precision asked for out of a model file of precision `model`; UserError where there is no way.

    TensorRT 11 builds what stands in the graph and nothing else. TensorRT 10 can do so too, and 8.6 cannot. Both can
    lower an fp32 graph to fp16 by themselves, 10 also to bf16; int8 always needs its scales in the graph.
    """
    major = version[0]
    if asked == "bf16" and major < 10:
        raise UserError("TensorRT 8.6 has no bf16; ask for fp16 or fp32, or install TensorRT 10 or 11")
    if asked == model:
        flags = () if asked == "fp32" else (asked.upper(),)
        return Typing(is_strong=False, flags=flags) if major < 10 else Typing(is_strong=True)
    if major < 11 and model == "fp32" and asked in ("fp16", "bf16"):
        return Typing(is_strong=False, flags=(asked.upper(),))
    raise UserError(
        f"TensorRT {version[0]}.{version[1]} cannot make an {asked} engine of an {model} model file; "
        f"export the model with --precision {asked}"
    )
