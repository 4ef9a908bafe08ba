"""Memory for one run of windows on a GPU, on both sides, and the events that put its copies in order.

`cuda` is the module `pycuda.driver`; its context must be current.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class WindowBuffers:
    """Pinned memory and the GPU's for the inputs and the output of one run; free again once `result` has returned."""

    def __init__(self, cuda: Any, inputs: Mapping[str, tuple[int, ...]], output: tuple[str, tuple[int, ...]]) -> None:
        """`inputs`: name to shape; `output`: (name, shape); all float32. Raises pycuda's MemoryError."""
        self._cuda = cuda
        # The processor only writes to it, which is faster past its caches.
        write_only = cuda.host_alloc_flags.WRITECOMBINED
        self._inputs = {
            name: cuda.pagelocked_empty(shape, np.float32, mem_flags=write_only) for name, shape in inputs.items()
        }
        self._output = cuda.pagelocked_empty(output[1], np.float32)
        hosts = self._inputs | {output[0]: self._output}
        self._device = {name: cuda.mem_alloc(host.nbytes) for name, host in hosts.items()}
        self._output_name = output[0]
        untimed = cuda.event_flags.DISABLE_TIMING
        self._sent, self._computed, self._fetched = (cuda.Event(untimed) for _ in range(3))

    @property
    def addresses(self) -> dict[str, int]:
        """Of the GPU's memory, by the names of inputs and output."""
        return {name: int(memory) for name, memory in self._device.items()}

    def fill(self, feeds: Mapping[str, NDArray[np.float32]]) -> None:
        """Copy the inputs to pinned memory; the processor does it, and it is done on return."""
        for name, value in feeds.items():
            np.copyto(self._inputs[name], value)

    def send(self, stream: Any, before: Any) -> None:
        """Copy the inputs to the GPU on `stream`; what is put on the stream `before` from now on waits for them."""
        for name, host in self._inputs.items():
            self._cuda.memcpy_htod_async(self._device[name], host, stream)
        self._sent.record(stream)
        before.wait_for_event(self._sent)

    def fetch(self, stream: Any, after: Any) -> None:
        """Copy the output back on `stream`, once the stream `after` has done what is on it now."""
        self._computed.record(after)
        stream.wait_for_event(self._computed)
        self._cuda.memcpy_dtoh_async(self._output, self._device[self._output_name], stream)
        self._fetched.record(stream)

    def wait(self) -> None:
        """Return when the output last asked for is here."""
        self._fetched.synchronize()

    def result(self) -> NDArray[np.float32]:
        """A copy of the output, once it is here."""
        self.wait()
        return self._output.copy()
