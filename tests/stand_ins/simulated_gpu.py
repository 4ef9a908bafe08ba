"""A GPU that computes late and tells when two things touch the same memory without an order between them.

Operations on a stream run only when somebody waits for them, so what is read too early is seen to be wrong. Every
operation knows, for each stream, how much of it must have happened before (a vector clock): a read or a write that is
not ordered after the writes, or the reads, that it depends on is a race, whichever came first here.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

Clock = dict[str, int]


class RaceError(AssertionError):
    """Two accesses to one memory that nothing puts in order."""


def merged(*clocks: Clock) -> Clock:
    names = {name for clock in clocks for name in clock}
    return {name: max(clock.get(name, 0) for clock in clocks) for name in names}


@dataclass(eq=False)
class Buffer:
    """Memory, and who used it last."""

    name: str
    values: np.ndarray
    address: int = 0
    written: tuple[str, int] | None = None
    read: dict[str, int] = field(default_factory=dict)

    def require_free(self, clock: Clock, to: str) -> None:
        """Raise RaceError unless all that was done with this memory lies before `clock`."""
        self.require_written(clock, to)
        for stream, tick in self.read.items():
            if clock.get(stream, 0) < tick:
                raise RaceError(f"{to} {self.name} while {stream} may still read it")

    def require_written(self, clock: Clock, to: str) -> None:
        if self.written is not None and clock.get(self.written[0], 0) < self.written[1]:
            raise RaceError(f"{to} {self.name} while {self.written[0]} may still write it")


@dataclass(eq=False)
class Operation:
    reads: list[Buffer]
    writes: list[Buffer]
    work: Callable[[], None]
    after: list["Operation"] = field(default_factory=list)
    is_done: bool = False

    def finish(self) -> None:
        if self.is_done:
            return
        self.is_done = True
        for operation in self.after:
            operation.finish()
        self.work()


@dataclass(eq=False)
class SimulatedStream:
    name: str
    handle: int
    clock: Clock = field(default_factory=dict)
    last: Operation | None = None
    waits: list[Operation] = field(default_factory=list)
    captured: list[Operation] | None = None


class SimulatedGpu:
    """Streams, memory and the host's own clock. Counts what was allocated, launched and captured."""

    def __init__(self, memory_bytes: int = 2**30) -> None:
        self.memory_bytes = memory_bytes
        self.used_bytes = 0
        self.num_allocations = 0
        self.num_launches = 0
        self.num_runs = 0
        self.can_capture = True
        self.host_clock: Clock = {}
        self.buffers: dict[int, Buffer] = {}
        self.streams: dict[int, SimulatedStream] = {}
        self.mistakes: list[str] = []
        self.lock = threading.RLock()
        self._next_address = 4096

    def stream(self) -> SimulatedStream:
        handle = len(self.streams) + 1
        self.streams[handle] = SimulatedStream(f"stream {handle}", handle)
        return self.streams[handle]

    def allocate(self, num_bytes: int) -> Buffer:
        self.num_allocations += 1
        buffer = Buffer(f"memory {self.num_allocations}", np.full(num_bytes, 255, np.uint8), self._next_address)
        self._next_address += 4096 + num_bytes
        self.used_bytes += num_bytes
        self.buffers[buffer.address] = buffer
        return buffer

    def free(self, buffer: Buffer) -> None:
        self.used_bytes -= buffer.values.nbytes
        self.buffers.pop(buffer.address, None)
        self.note_free(buffer)

    def note_free(self, buffer: Buffer) -> None:
        """Freed in a destructor, where an exception would be lost."""
        try:
            buffer.require_free(self.host_clock, "the host frees")
        except RaceError as race:
            self.mistakes.append(str(race))

    def put(self, stream: SimulatedStream, reads: Iterable[Buffer], writes: Iterable[Buffer], work: Callable) -> None:
        """Add an operation to a stream, or to the graph that is captured from it."""
        operation = Operation(list(reads), list(writes), work)
        if stream.captured is not None:
            stream.captured.append(operation)
            return
        stream.clock = merged(stream.clock, self.host_clock)
        tick = stream.clock[stream.name] = stream.clock.get(stream.name, 0) + 1
        for buffer in operation.reads:
            buffer.require_written(stream.clock, f"{stream.name} reads")
            buffer.read[stream.name] = tick
        for buffer in operation.writes:
            before = stream.clock | {stream.name: tick}
            buffer.require_free(before, f"{stream.name} writes")
            buffer.written, buffer.read = (stream.name, tick), {}
        operation.after = [*([stream.last] if stream.last else []), *stream.waits]
        stream.last, stream.waits = operation, []

    def finish(self, operation: Operation | None, clock: Clock) -> None:
        """The host waits for an operation and all before it."""
        if operation is not None:
            operation.finish()
        self.host_clock = merged(self.host_clock, clock)
