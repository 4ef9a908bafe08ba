"""What the rest of the runtime knows of a backend.

Shapes: `B` images of a batch, `C` channels, `H`, `W` pixels.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ..model.manifest import ModelManifest
from ..tiling.window_limits import WindowLimits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Arithmetic = Literal["fp32", "bf16"]
"""What a person may ask floating-point layers to be computed in."""

AskedPrecision = Literal["fp32", "bf16", "int8"]
"""An arithmetic for the layers in floating point, or int8: another file of the same model."""

Listener = Callable[[str], None]
"""Told, as a sentence, what a person should know that is no failure. Called in the thread that does the work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunTimes:
    """Where the time of one run on a GPU goes, in milliseconds."""

    transfer_in_ms: float
    compute_ms: float
    transfer_out_ms: float


class Backend(Protocol):
    """A model file made ready to run on one device by one library."""

    @property
    def manifest(self) -> ModelManifest:
        """What the model file says of itself."""
        ...

    @property
    def description(self) -> str:
        """What really runs: library, version, provider, threads."""
        ...

    @property
    def precision(self) -> str:
        """What the heavy layers are computed in."""
        return self.manifest.precision

    def for_job(self, num_pixels: int) -> "Backend":
        """The backend that ends a job of so many pixels earliest; its answers are the same up to fp32 rounding."""
        return self

    def in_fp32(self) -> "Backend | None":
        """The same model file with its floating-point layers in fp32; None where they are, or where it cannot."""
        return None

    def run(self, noisy_BCHW: "NDArray[np.float32]", sigma_B: "NDArray[np.float32] | None") -> "NDArray[np.float32]":
        """Denoise a batch of values in 0..1, each image at its noise level in grey levels 0..255.

        `sigma_B` is None exactly where the model is not conditioned; H and W are multiples of the model's alignment.
        The result (B, C, scale*H, scale*W) is not clipped. Raises OutOfMemoryError where memory does not suffice.
        """
        ...

    def run_many(
        self, windows: "Iterable[NDArray[np.float32]]", sigma_B: "NDArray[np.float32] | None"
    ) -> "Generator[NDArray[np.float32], None, None]":
        """Denoise windows (1, C, H, W) one after the other, all at the one level of `sigma_B`; results in their order.

        A backend may take a few windows ahead of the result it gives, to copy one while it computes another.
        """
        for noisy_BCHW in windows:
            yield self.run(noisy_BCHW, sigma_B)

    def timed_run(self, noisy_BCHW: "NDArray[np.float32]", sigma_B: "NDArray[np.float32] | None") -> RunTimes | None:
        """As `run`, whose result is dropped: how long its parts took; None: it has no parts, time it from outside."""
        self.run(noisy_BCHW, sigma_B)
        return None

    @property
    def window_limits(self) -> WindowLimits | None:
        """The windows that `run` takes; None: all."""
        return None

    def free_device_bytes(self) -> int | None:
        """Free memory of the device where windows take `bytes_per_pixel`; None: they take it from the process's own."""
        return None

    def bytes_per_pixel(self) -> int:
        """Memory that `run` needs at most for each pixel of a window, in bytes; rather too much than too little."""
        ...

    def release_memory(self) -> None:
        """Give the system's memory kept for the next run back; the next run allocates it anew.

        A GPU's own memory stays with the backend, for the next picture.
        """
        ...
