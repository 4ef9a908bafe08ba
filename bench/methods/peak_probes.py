"""The most that a backend computes on a device: a plain chain of convolutions, measured in the same rounds.

Five 3 x 3 convolutions between 128 channels on a small image: channels fill the kernels' blocks, activations fit a
cache, weights are used often. A network's share of that peak tells how well it suits the library, whatever the machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from ...errors import UserError
from ...export.graph.graph_cost import cost_of_graph
from ...network_input import NetworkInput
from ...runtime.model.manifest import ModelManifest, Precision
from ..devices.environment import GPU_BACKENDS
from ..latency.measure_latency import MeasuredLatency
from ..latency.timed_method import Size, TimedMethod
from ..peers.peer_layers import Layers
from ..peers.peer_weights import RANDOM
from .lower_precision import in_precision
from .open_networks import OpenNetwork, with_engine

_WIDTH, _NUM_LAYERS = 128, 5
_CPU_SIDE, _GPU_SIDE = 96, 512
"""Pixels; a GPU needs more of them to be busy."""

Kind = tuple[str, Precision]
"""(backend, precision)."""


def peak_probes(networks: Sequence[OpenNetwork], folder: Path) -> dict[Kind, TimedMethod]:
    """A chain for every backend and precision that networks run in; none where it cannot be made."""
    kinds: dict[Kind, int] = {
        (network.backend_name, network.manifest.precision): network.threads for network in networks
    }
    model = peak_chain()
    macs = cost_of_graph(model).macs_per_pixel
    probes: dict[Kind, TimedMethod] = {}
    for (backend, precision), threads in kinds.items():
        try:
            content = (
                model.SerializeToString() if precision == "fp32" else in_precision(model, precision, backend, _noise)
            )
        except UserError:
            # Files exported in a precision that cannot be made here have no peak to be compared with.
            continue
        path = folder / f"peak-{backend}-{precision}.onnx"
        path.write_bytes(content)
        side = _GPU_SIDE if backend in GPU_BACKENDS else _CPU_SIDE
        if backend == "tensorrt":
            path = with_engine(path, tile=side, folder=folder)
        probes[backend, precision] = TimedMethod(
            name=f"peak of {backend} {precision}",
            request={"model": str(path), "backend": backend, "threads": threads},
            facts={"macs_per_pixel": macs},
            bytes_per_pixel=lambda: 0,
            own_size=Size(width=side, height=side),
        )
    return probes


def shares_of_peak(measured: Iterable[MeasuredLatency], probes: Mapping[Kind, TimedMethod]) -> dict[str, float]:
    """By the name of what was timed: its multiply-adds per second over those of the fastest run of its probe."""
    listed = {item.method.name: item for item in measured}
    shares: dict[str, float] = {}
    for name, item in listed.items():
        facts = item.method.facts
        probe = probes.get((facts.get("backend", ""), facts.get("precision", "fp32")))
        if probe is None or not facts.get("macs_per_pixel"):
            continue
        fastest = listed[probe.name].latency.min
        assert fastest is not None
        shares[name] = _macs(item) / item.latency.p50 / (_macs(listed[probe.name]) / fastest)
    return shares


def _macs(item: MeasuredLatency) -> float:
    return item.method.facts["macs_per_pixel"] * item.size.width * item.size.height


def peak_chain() -> onnx.ModelProto:
    """The chain as a hinas model for grey images."""
    layers = Layers(RANDOM.tensor)
    value = layers.conv("noisy", "widen", (1, _WIDTH), side=1)
    for index in range(_NUM_LAYERS):
        value = layers.relu(layers.conv(value, f"conv.{index}", (_WIDTH, _WIDTH)))
    # int8 keeps both ends in float: these small ones, and not the chain's own last layer.
    value = layers.conv(layers.conv(value, "narrow", (_WIDTH, 4), side=1), "last", (4, 1))
    model = layers.model(value, NetworkInput(channels=1))
    manifest = ModelManifest(channels=1, halo=_NUM_LAYERS + 1, conditioned=False, weights="random", genotype="{}")
    onnx.helper.set_model_props(model, manifest.to_metadata())
    return model


def _noise(_: ModelManifest) -> Iterable[Mapping[str, NDArray[np.float32]]]:
    """For int8's ranges: the chain has no quality that they could spoil."""
    generator = np.random.default_rng(0)
    return [{"noisy": generator.random((1, 1, 64, 64), np.float32)}]
