"""Latencies of many networks: in groups side by side, one network in every group to tie the groups together."""

from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean
from tempfile import TemporaryDirectory

from ..latency.measure_latency import MeasuredLatency, Rounds, measure_latency, progress_steps
from ..latency.progress import Listener
from ..latency.timed_method import Size
from ..methods.network_files import network_files
from ..methods.open_networks import Variants, open_networks

BACKEND = "cpu"
_GROUP = 10
"""Networks measured side by side, each in a process of its own."""


def grouped_latencies_ms(
    models: Sequence[str], size: Size, *, threads: int, rounds: Rounds, listener: Listener
) -> tuple[list[float], str]:
    """The fastest runs of at least two model files in ONNX Runtime on the processor, and what ran them.

    Fastest ones, because other programs only ever add time, and to some networks more than to others. The first network
    takes part in every group; what slowed it down in one is taken off that group's others.
    """
    reference, *others = models
    groups = [others[start : start + _GROUP] for start in range(0, len(others), _GROUP)]
    listener.begin(f"latency {size}", sum(progress_steps(len(group) + 1, rounds) for group in groups))
    references: list[float] = []
    found: list[list[float]] = []
    library = ""
    with TemporaryDirectory(prefix="hinas-grouped-") as folder:
        for group in groups:
            sources = network_files([reference, *group], Path(folder))
            networks = open_networks(sources, Variants(backends=(BACKEND,), threads=threads), Path(folder))
            methods = [network.timed() for network in networks]
            measured = measure_latency(methods, size, rounds=rounds, progress=listener.step)
            library = measured[0].library
            references.append(_fastest_ms(measured[0]))
            found.append([_fastest_ms(item) for item in measured[1:]])
    typical = geometric_mean(references)
    scaled = [ms * typical / own for own, group in zip(references, found, strict=True) for ms in group]
    return [typical, *scaled], library


def _fastest_ms(measured: MeasuredLatency) -> float:
    assert measured.latency.min is not None, "a measured latency has its runs"
    return measured.latency.min
