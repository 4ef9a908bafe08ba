"""What the rest of the runtime knows of a backend.

Shapes: `B` images of a batch, `C` channels, `H`, `W` pixels.
"""

from typing import TYPE_CHECKING, Protocol

from ..manifest import ModelManifest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_BYTES_PER_PIXEL = 8192
"""Above every model we measured (a full-resolution search network took 5.7 kB): where nothing can be measured."""


class OutOfMemoryError(MemoryError):
    """A backend could not allocate what one run needs; a smaller window may succeed."""


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

    def run(self, noisy_BCHW: "NDArray[np.float32]", sigma_B: "NDArray[np.float32] | None") -> "NDArray[np.float32]":
        """Denoise a batch of values in 0..1, each image at its noise level in grey levels 0..255.

        `sigma_B` is None exactly where the model is not conditioned; H and W are multiples of the model's alignment.
        The result (B, C, scale*H, scale*W) is not clipped. Raises OutOfMemoryError where memory does not suffice.
        """
        ...

    def bytes_per_pixel(self) -> int:
        """Memory that `run` needs at most for each pixel of a window, in bytes; rather too much than too little."""
        ...

    def release_memory(self) -> None:
        """Give memory kept for the next run back to the system; the next run allocates it anew."""
        ...
