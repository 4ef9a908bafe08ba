"""A picture through a network, tile by tile: what is done to every window, and what where the memory runs out."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .amount import Amount
from .backends.backend import Backend, Listener
from .tiling.blending import blended
from .tiling.job_plan import JobPlanner
from .tiling.pixel_values import Image
from .tiling.planner import TilePlan
from .tiling.stitching import Network, Progress, stitched
from .tiling.symmetries import SYMMETRIES_OF_PACKED_BAYER, SYMMETRIES_OF_PICTURES
from .tiling.window_limits import OutOfMemoryError
from .tiling.window_streams import always_finite, ensemble_of, mixed


@dataclass(frozen=True, kw_only=True)
class NetworkRun:
    """How the windows of a picture are run."""

    backend: Backend
    in_fp32: Callable[[], Backend | None]
    """Opens the same network in fp32, for windows whose result is not finite; None where there is none."""
    planner: JobPlanner
    """Of the model on this backend."""
    ensemble: bool
    """Whether the eight rotations and reflections of each window are averaged."""
    sigma: float | None
    """Grey levels 0..255, as the model is told; None: it is told no level."""
    amount: Amount
    """How much of the change is taken; all of it where the network enlarges. What raises the level is in `sigma`."""
    listener: Listener

    @property
    def changes_nothing(self) -> bool:
        """Whether the result is the picture itself, so that the network need not be run."""
        return self.backend.manifest.scale == 1 and (self.sigma == 0 or self.amount.share == 0)

    def __call__(self, image: Image, plan: TilePlan, progress: Progress | None) -> Image:
        """The result for `image`, cut by `plan`. Raises UserError where not even the smallest windows fit."""
        manifest = self.backend.manifest
        network = always_finite(self._network, self._again_in_fp32)
        if self.ensemble:
            network = ensemble_of(network, SYMMETRIES_OF_PACKED_BAYER if manifest.is_raw else SYMMETRIES_OF_PICTURES)
        is_colour = image.ndim == 3 and image.shape[2] == 3
        # A colour model's answer to a grey picture differs between the channels, which are averaged later.
        amount = self.amount if is_colour else replace(self.amount, chroma=1.0)
        network = network if amount.share == amount.chroma == 1 else mixed(network, amount)
        try:
            if manifest.tiling == "approximate":
                return self._blended(image, plan, network, progress)
            return stitched(
                image,
                plan,
                network,
                network_input=manifest.network_input,
                out_of_memory=self._relieved,
                progress=progress,
            )
        except OutOfMemoryError as error:
            raise UserError(
                f"out of memory even with the smallest tiles ({error}); close other programs or use a smaller model"
            ) from error

    @property
    def _levels(self) -> NDArray[np.float32] | None:
        """(1,), as backends take it."""
        return np.full(1, self.sigma, np.float32) if self.backend.manifest.conditioned else None

    def _network(self, windows: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
        return self.backend.run_many(windows, self._levels)

    def _again_in_fp32(self, window: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """What the model gives in fp32 where it gave NaN or infinity; None where it has no fp32 twin."""
        twin = self.in_fp32()
        if twin is None:
            return None
        self.listener(
            f"the model's output was not finite in {self.backend.precision} for one window; it was run again in fp32"
        )
        try:
            return twin.run(window, self._levels)
        finally:
            twin.release_memory()

    def _blended(self, image: Image, plan: TilePlan, network: Network, progress: Progress | None) -> Image:
        """Every pixel from one plan: other tiles give other values, so where memory runs out all are done again."""
        manifest = self.backend.manifest
        while True:
            if len(plan) > 1:
                self.listener(
                    "this model looks at the whole image at once, but it is cut into tiles; "
                    "they are blended and differ a little from the whole"
                )
            try:
                return blended(
                    image,
                    plan,
                    network,
                    network_input=manifest.network_input,
                    halo=manifest.halo,
                    progress=progress,
                )
            except OutOfMemoryError:
                self._relieved()
                smaller = self.planner.smaller(plan)
                if smaller is None:
                    raise
                plan = smaller

    def _relieved(self) -> None:
        """Give memory back after a window did not fit, and say so."""
        self.backend.release_memory()
        self.listener("out of memory; going on with smaller windows")
