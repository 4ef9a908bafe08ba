"""Networks whose cost is known, and sometimes how long others took for them: the peers, and what peers cannot be."""

from collections.abc import Callable, Mapping
from functools import partial

import onnx

from ...network_input import NetworkInput
from ..peers.peer_layers import Layers
from ..peers.peer_networks import dncnn as dncnn_layers
from ..peers.peer_networks import ffdnet as ffdnet_layers
from ..peers.peer_registry import PEERS, Peer, peer_model
from ..peers.peer_weights import RANDOM


def dncnn(channels: int = 1, *, depth: int = 17, width: int = 64) -> onnx.ModelProto:
    """DnCNN of any depth and width."""
    return timed_model(
        partial(dncnn_layers, channels=channels, num_layers=depth, width=width), NetworkInput(channels=channels)
    )


def ffdnet(channels: int = 1, *, depth: int = 15, width: int = 64) -> onnx.ModelProto:
    """FFDNet of any depth and width."""
    build = partial(ffdnet_layers, channels=channels, num_layers=depth, width=width)
    return timed_model(build, NetworkInput(channels=channels, alignment=2, level_range=(0.0, 75.0)))


def separable_chain(channels: int = 1, *, depth: int = 10, width: int = 32, kernel: int = 3) -> onnx.ModelProto:
    """Depthwise and pointwise convolutions in turn; no publication's, for the efficiency of both kinds."""

    def build(layers: Layers) -> str:
        value = layers.conv("noisy", "first", (channels, width))
        for index in range(depth):
            value = layers.conv(value, f"{index}.each", (width, width), side=kernel, groups=width)
            value = layers.relu(layers.conv(value, f"{index}.all", (width, width), side=1))
        return layers.conv(value, "last", (width, channels))

    return timed_model(build, NetworkInput(channels=channels))


def rdn(channels: int = 3, *, scale: int = 3, blocks: int = 16, depth: int = 8, width: int = 64) -> onnx.ModelProto:
    """RDN (Zhang et al. 2018): densely connected blocks at low resolution, one pixel shuffle by 3."""

    def build(layers: Layers) -> str:
        shallow = layers.conv("noisy", "shallow", (channels, width))
        value = layers.conv(shallow, "second", (width, width))
        outputs: list[str] = []
        for block in range(blocks):
            state, joined = value, width
            for index in range(depth):
                grown = layers.relu(layers.conv(state, f"{block}.{index}", (joined, width)))
                state = layers.node("Concat", state, grown, axis=1)
                joined += width
            value = layers.node("Add", value, layers.conv(state, f"{block}.fused", (joined, width), side=1))
            outputs.append(value)
        value = layers.conv(layers.node("Concat", *outputs, axis=1), "fused", (width * blocks, width), side=1)
        value = layers.node("Add", shallow, layers.conv(value, "deep", (width, width)))
        return _enlarged(layers, value, channels=channels, scale=scale, width=width)

    return timed_model(build, NetworkInput(channels=channels, scale=scale))


def rcan(channels: int = 3, *, scale: int = 3, groups: int = 10, blocks: int = 20, width: int = 64) -> onnx.ModelProto:
    """RCAN (Zhang et al. 2018): residual groups of blocks with channel attention, reduction 16."""

    def attended(layers: Layers, value: str, name: str) -> str:
        inner = layers.relu(layers.conv(value, f"{name}.0", (width, width)))
        inner = layers.conv(inner, f"{name}.1", (width, width))
        mean = layers.node("GlobalAveragePool", inner)
        weight = layers.relu(layers.conv(mean, f"{name}.down", (width, width // 16), side=1))
        weight = layers.node("Sigmoid", layers.conv(weight, f"{name}.up", (width // 16, width), side=1))
        return layers.node("Add", value, layers.node("Mul", inner, weight))

    def build(layers: Layers) -> str:
        shallow = value = layers.conv("noisy", "shallow", (channels, width))
        for group in range(groups):
            entry = value
            for block in range(blocks):
                value = attended(layers, value, f"{group}.{block}")
            value = layers.node("Add", entry, layers.conv(value, f"{group}.last", (width, width)))
        value = layers.node("Add", shallow, layers.conv(value, "deep", (width, width)))
        return _enlarged(layers, value, channels=channels, scale=scale, width=width)

    return timed_model(build, NetworkInput(channels=channels, scale=scale))


def timed_model(build: Callable[[Layers], str], given: NetworkInput) -> onnx.ModelProto:
    """A model file with random weights for timing whole images: nobody computed its halo."""
    return peer_model(Peer(title="", input=given, build=build, source="", halo=0), RANDOM)


def _enlarged(layers: Layers, value: str, *, channels: int, scale: int, width: int) -> str:
    value = layers.conv(value, "shuffled", (width, width * scale**2))
    value = layers.node("DepthToSpace", value, blocksize=scale, mode="CRD")
    return layers.conv(value, "last", (width, channels))


KNOWN_NETWORKS: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "DRUNet": lambda: peer_model(PEERS["drunet-color"], RANDOM),
    "MemNet": lambda: peer_model(PEERS["memnet"], RANDOM),
    "RCAN": rcan,
    "RDN": rdn,
}
"""As published_times.csv names them."""
