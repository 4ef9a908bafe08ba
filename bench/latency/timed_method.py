"""What is timed: a method, the size of its image, and the process of its own that it runs in."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from ...errors import UserError
from ...runtime.memory.process_memory import available_bytes
from ..results.entries import ColdStart

# Below this many pixels any model fits a machine that can run it at all, so its memory need not be estimated.
_SURELY_FITTING_PIXELS = 2**18


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """An image size, written WIDTHxHEIGHT."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, kw_only=True)
class TimedMethod:
    """A method as it is timed: a network on a backend, or a classical algorithm."""

    name: str
    """For messages; unique among what is timed together."""
    request: Mapping[str, Any]
    """What its process is told to run, beside the size."""
    facts: Mapping[str, Any]
    """Fields of an Entry that go with its figures."""
    bytes_per_pixel: Callable[[], int]
    """Memory that a run takes at most."""
    own_size: Size | None = None
    """None: the size asked for."""


def needed_bytes(method: TimedMethod, size: Size) -> int:
    """Memory that a run on a whole image of `size` takes at most."""
    return method.bytes_per_pixel() * size.width * size.height


def check_memory(methods: Sequence[TimedMethod], size: Size) -> None:
    """UserError where the methods, loaded together, would not fit into the free memory at this size."""
    pixels = size.width * size.height
    free = available_bytes()
    if pixels <= _SURELY_FITTING_PIXELS or free is None:
        return
    needed = sum(needed_bytes(method, size) for method in methods if method.own_size is None)
    if needed > free:
        raise UserError(
            f"--size {size}: the models together need about {needed / 2**30:.1f} GiB for whole images of this size, "
            f"{free / 2**30:.1f} GiB are free; choose a smaller size or fewer models"
        )


class MethodProcess:
    """A method's own process, as a context."""

    def __init__(self, method: TimedMethod, size: Size) -> None:
        self.method = method
        self.size = method.own_size or size
        self.library = ""
        self.cold_start: ColdStart | None = None
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Start the process and wait for its cold start."""
        # -P: a folder that happens to be the working directory must not shadow modules.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hinas.bench.latency.latency_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        request = {**self.method.request, "width": self.size.width, "height": self.size.height}
        answer = self._ask(json.dumps(request))
        self.library = answer.pop("library")
        self.cold_start = ColdStart(**answer)

    def run(self) -> Mapping[str, float]:
        """One run: its `ms`, and on a GPU `transfer_in_ms` and `transfer_out_ms`."""
        return self._ask("run")

    def totals(self) -> dict[str, Any]:
        """The peaks of the memory, and on a GPU the energy of a run."""
        return self._ask("totals")

    def _ask(self, line: str) -> dict[str, Any]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        what = f"{self.method.name} at {self.size}"
        if not answer:
            status = process.wait()
            if status != -signal.SIGKILL:
                raise RuntimeError(f"{what}: the process that ran it ended with exit status {status}")
            raise UserError(f"{what}: the system killed it, most likely for want of memory; choose a smaller --size")
        message = json.loads(answer)
        if "error" in message:
            raise UserError(f"{what}: {message['error']}")
        return message

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        # Popen's own exit waits for a run that is under way; after Ctrl-C nobody wants its result.
        self._process.kill()
        self._process.communicate()
