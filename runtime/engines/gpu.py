"""The GPU at hand, as far as an engine depends on it."""

from dataclasses import dataclass

from ...errors import UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """What TensorRT's choice of kernels depends on."""

    name: str
    compute_capability: tuple[int, int]
    """(major, minor)."""
    num_multiprocessors: int
    memory_bytes: int
    """All of its memory, free or not."""

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.compute_capability[0]}.{self.compute_capability[1]})"


def first_gpu() -> Gpu:
    """The first GPU that CUDA shows (`CUDA_VISIBLE_DEVICES` chooses); UserError where there is none."""
    try:
        import pycuda.driver as cuda  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(f"no usable GPU: pycuda or NVIDIA's driver is missing ({error})") from error
    try:
        cuda.init()
        device = cuda.Device(0)
    except cuda.Error as error:
        raise UserError(f"no usable GPU: {error}") from error
    return Gpu(
        name=device.name(),
        compute_capability=tuple(device.compute_capability()),
        num_multiprocessors=device.get_attribute(cuda.device_attribute.MULTIPROCESSOR_COUNT),
        memory_bytes=device.total_memory(),
    )
