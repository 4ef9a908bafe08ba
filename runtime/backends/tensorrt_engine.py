"""TensorRT engines: copies in, computing and copies out overlap across the windows of a call.

Three streams, one for each. Two sets of buffers take turns: while the GPU computes one batch of windows, the next is
copied in and the one before is copied out and used. A batch that comes again with the same shape is launched as a CUDA
graph. TensorRT wants one run of a shape before it is captured, and everything is captured anew after another shape.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ..model.manifest import ModelManifest
from ..tiling.window_limits import OutOfMemoryError, WindowLimits
from .backend import Backend, RunTimes
from .cuda_buffers import WindowBuffers
from .cuda_driver import CudaDriverError, CudaGraph, driver_library
from .tensorrt_loading import load_engine

_NUM_BATCHES_AHEAD = 2


class _Slot:
    """Buffers, and the work on them as a graph once they have been used."""

    def __init__(self, buffers: WindowBuffers, shape: tuple[int, ...]) -> None:
        self.buffers = buffers
        self.shape = shape
        self.was_used = False
        self.graph: CudaGraph | None = None


class TensorRtEngine(Backend):
    """An engine on the first GPU. Safe to use from several threads, which then take turns."""

    def __init__(self, model: Path, *, cuda_graphs: bool = True) -> None:
        """`model`: an engine file, or an ONNX file with its engine beside it.

        `cuda_graphs`: False shows what they bring. Raises UserError as `load_engine` does, and where memory lacks.
        """
        self._loaded = loaded = load_engine(model)
        self._manifest = loaded.file.manifest
        self._noisy_shapes = next(item for item in loaded.file.key.inputs if item.name == "noisy")
        with loaded.is_current():
            self._context = loaded.engine.create_execution_context()
            if self._context is None:
                free, total = loaded.cuda.mem_get_info()
                raise UserError(
                    f"{model}: the engine does not get the memory it needs on {loaded.gpu} ({free >> 20} of "
                    f"{total >> 20} MiB are free): {'; '.join(loaded.log.errors) or 'TensorRT gives no reason'}; "
                    "close other programs, or build it with a smaller --tile"
                )
            self._in, self._compute, self._out = (loaded.cuda.Stream() for _ in range(3))
        self._lock = threading.Lock()
        self._shape: tuple[int, ...] | None = None
        self._idle: list[_Slot] = []
        self._no_graphs = None if cuda_graphs else "switched off"

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def description(self) -> str:
        key, most = self._loaded.file.key, self._noisy_shapes.largest[0]
        graphs = "CUDA graphs" if self._no_graphs is None else f"no CUDA graphs ({self._no_graphs})"
        windows = f"windows of {self.window_limits}, up to {most} at once"
        return f"tensorrt {self._loaded.trt.__version__}, {self._loaded.gpu}, {key.precision}, {windows}, {graphs}"

    @property
    def window_limits(self) -> WindowLimits:
        low, high = self._noisy_shapes.smallest, self._noisy_shapes.largest
        return WindowLimits(smallest=(low[2], low[3]), largest=(high[2], high[3]))

    def run(self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None) -> NDArray[np.float32]:
        slot = self._started(noisy_BCHW, sigma_B)
        try:
            return self._result(slot)
        finally:
            self._give_back(slot)

    def timed_run(self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None) -> RunTimes:
        """By events on the GPU's own clock. What the processor does with pinned memory before and after is left out."""
        events: list[Any] = []

        def mark(stream: Any) -> None:
            events.append(self._loaded.cuda.Event().record(stream))

        slot = self._started(noisy_BCHW, sigma_B, mark)
        try:
            self._result(slot)
            with self._loaded.is_current():
                begin, sent, start, computed, fetched = events
                fetched.synchronize()
                return RunTimes(
                    transfer_in_ms=sent.time_since(begin),
                    compute_ms=computed.time_since(start),
                    transfer_out_ms=fetched.time_since(computed),
                )
        finally:
            self._give_back(slot)

    def run_many(
        self, windows: Iterable[NDArray[np.float32]], sigma_B: NDArray[np.float32] | None
    ) -> Generator[NDArray[np.float32], None, None]:
        started: deque[tuple[_Slot, int]] = deque()
        try:
            for batch, num_windows in self._batches(windows):
                level = None if sigma_B is None else np.repeat(sigma_B, len(batch))
                started.append((self._started(batch, level), num_windows))
                if len(started) == _NUM_BATCHES_AHEAD:
                    yield from self._finished(started)
            while started:
                yield from self._finished(started)
        finally:
            for slot, _ in started:
                self._give_back(slot)

    def bytes_per_pixel(self) -> int:
        """Pinned memory of the process. What the engine takes on the GPU it holds already, for its largest windows."""
        values_per_pixel = self._manifest.channels * (1 + self._manifest.scale**2)
        return _NUM_BATCHES_AHEAD * 4 * values_per_pixel * self._noisy_shapes.largest[0]

    def release_memory(self) -> None:
        """Keeps everything: the next picture most often has windows of the same shape, and pinning memory is slow."""

    def _batches(self, windows: Iterable[NDArray[np.float32]]) -> Iterator[tuple[NDArray[np.float32], int]]:
        """(batch, number of windows in it) of windows of one shape; filled up by repetition to stay one shape."""
        fewest, most = self._noisy_shapes.smallest[0], self._noisy_shapes.largest[0]
        last_shape: tuple[int, ...] = ()
        group: list[NDArray[np.float32]] = []

        def emptied() -> tuple[NDArray[np.float32], int]:
            nonlocal last_shape, group
            least = most if group[0].shape == last_shape else fewest
            full, last_shape = group, group[0].shape
            group = []
            return np.concatenate([*full, *full[-1:] * (least - len(full))]), len(full)

        for window in windows:
            if group and window.shape != group[0].shape:
                yield emptied()
            group.append(window)
            if len(group) == most:
                yield emptied()
        if group:
            yield emptied()

    def _finished(self, started: deque[tuple[_Slot, int]]) -> Iterator[NDArray[np.float32]]:
        slot, num_windows = started[0]
        result = self._result(slot)
        started.popleft()
        self._give_back(slot)
        for index in range(num_windows):
            yield result[index : index + 1]

    def _started(
        self,
        noisy_BCHW: NDArray[np.float32],
        sigma_B: NDArray[np.float32] | None,
        mark: Callable[[Any], None] = lambda _: None,
    ) -> _Slot:
        """Put a whole run on the streams, without waiting for it; `mark` is given a stream wherever a part of the run
        begins or ends on it."""
        feeds = {"noisy": noisy_BCHW} if sigma_B is None else {"noisy": noisy_BCHW, "sigma": sigma_B}
        cuda = self._loaded.cuda
        with self._lock, self._loaded.is_current():
            try:
                slot = self._slot({name: value.shape for name, value in feeds.items()})
            except cuda.MemoryError as error:
                self._idle.clear()
                raise OutOfMemoryError(str(error)) from error
            try:
                # Before the first mark: on an idle stream an event is over as soon as it is recorded.
                slot.buffers.fill(feeds)
                mark(self._in)
                slot.buffers.send(self._in, before=self._compute)
                mark(self._in)
                mark(self._compute)
                self._launch(slot)
                mark(self._compute)
                slot.buffers.fetch(self._out, after=self._compute)
                mark(self._out)
            except BaseException:
                # Its buffers are freed now, and a copy must not be on its way in them.
                self._in.synchronize()
                self._compute.synchronize()
                raise
        return slot

    def _slot(self, shapes: dict[str, tuple[int, ...]]) -> _Slot:
        shape = shapes["noisy"]
        if shape != self._shape:
            self._compute.synchronize()
            self._idle.clear()
            self._shape = None
            for name, size in shapes.items():
                if not self._context.set_input_shape(name, size):
                    low, high = self._noisy_shapes.smallest, self._noisy_shapes.largest
                    raise UserError(f"windows of shape {shape}: the engine takes {low} to {high} (B, C, H, W)")
            self._shape = shape
        if self._idle:
            return self._idle.pop()
        scale = self._manifest.scale
        output = (*shape[:2], shape[2] * scale, shape[3] * scale)
        return _Slot(WindowBuffers(self._loaded.cuda, shapes, ("denoised", output)), shape)

    def _launch(self, slot: _Slot) -> None:
        if slot.graph is None and slot.was_used and self._no_graphs is None:
            try:
                slot.graph = CudaGraph(driver_library(), self._compute.handle, lambda: self._execute(slot))
            except (OSError, CudaDriverError, RuntimeError) as error:
                # Not every engine can be captured; it computes the same without.
                self._no_graphs = str(error)
        if slot.graph is None:
            self._execute(slot)
        else:
            slot.graph.launch()
        slot.was_used = True

    def _execute(self, slot: _Slot) -> None:
        for name, address in slot.buffers.addresses.items():
            self._context.set_tensor_address(name, address)
        if not self._context.execute_async_v3(self._compute.handle):
            said = "; ".join(self._loaded.log.errors[-3:]) or "it gives no reason"
            raise OutOfMemoryError(said) if "memory" in said.lower() else RuntimeError(f"TensorRT did not run: {said}")

    def _result(self, slot: _Slot) -> NDArray[np.float32]:
        with self._loaded.is_current():
            return slot.buffers.result()

    def _give_back(self, slot: _Slot) -> None:
        """Keep buffers for the next run of their shape. Their last run is over, or is waited for."""
        with self._lock, self._loaded.is_current():
            slot.buffers.wait()
            if slot.shape == self._shape:
                self._idle.append(slot)
            else:
                # Here, where its context is current: pycuda frees nothing from another thread.
                del slot.buffers
