"""Published networks rebuilt from their papers, weights random: what they cost is known, and sometimes how long."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import onnx

from .graph_builder import GraphBuilder


def dncnn(channels: int = 1, *, depth: int = 17, width: int = 64) -> onnx.ModelProto:
    """DnCNN (Zhang et al. 2017), batch norms folded: convolutions of 3x3, the noise subtracted at the end."""
    graph = GraphBuilder(channels)
    value = graph.relu(graph.conv("noisy", channels, width))
    for _ in range(depth - 2):
        value = graph.relu(graph.conv(value, width, width))
    return graph.model(graph.node("Sub", "noisy", graph.conv(value, width, channels)))


def ffdnet(channels: int = 1, *, depth: int = 15, width: int = 64) -> onnx.ModelProto:
    """FFDNet (Zhang et al. 2018), norms folded, the noise map left out: a plain chain at half resolution."""
    graph = GraphBuilder(channels)
    value = graph.node("SpaceToDepth", "noisy", blocksize=2)
    value = graph.relu(graph.conv(value, 4 * channels, width))
    for _ in range(depth - 2):
        value = graph.relu(graph.conv(value, width, width))
    value = graph.conv(value, width, 4 * channels)
    return graph.model(graph.node("DepthToSpace", value, blocksize=2, mode="CRD"), alignment=2)


def separable_chain(channels: int = 1, *, depth: int = 10, width: int = 32, kernel: int = 3) -> onnx.ModelProto:
    """Depthwise and pointwise convolutions in turn; no publication's, for the efficiency of both kinds."""
    graph = GraphBuilder(channels)
    value = graph.conv("noisy", channels, width)
    for _ in range(depth):
        value = graph.conv(value, width, width, kernel=kernel, groups=width)
        value = graph.relu(graph.conv(value, width, width, kernel=1))
    return graph.model(graph.conv(value, width, channels))


def memnet(channels: int = 1, *, blocks: int = 6, units: int = 6, width: int = 64) -> onnx.ModelProto:
    """MemNet (Tai et al. 2017), M6R6: recursive residual units, whose outputs a 1x1 gate joins, norm first.

    Weights that units share in the paper are stored once for each use here; the work is the same.
    """
    graph = GraphBuilder(channels)

    def step(value: str, num_in: int, num_out: int, kernel: int = 3) -> str:
        return graph.conv(graph.relu(graph.norm(value, num_in)), num_in, num_out, kernel=kernel)

    value = step("noisy", channels, width)
    long_term = [value]
    for _ in range(blocks):
        short_term: list[str] = []
        for _ in range(units):
            value = graph.node("Add", value, step(step(value, width, width), width, width))
            short_term.append(value)
        remembered = [*short_term, *long_term]
        value = step(graph.node("Concat", *remembered, axis=1), width * len(remembered), width, kernel=1)
        long_term.append(value)
    return graph.model(graph.node("Add", "noisy", step(value, width, channels)))


def rdn(channels: int = 3, *, scale: int = 3, blocks: int = 16, layers: int = 8, width: int = 64) -> onnx.ModelProto:
    """RDN (Zhang et al. 2018): densely connected blocks at low resolution, one pixel shuffle by 3."""
    graph = GraphBuilder(channels)
    shallow = graph.conv("noisy", channels, width)
    value = graph.conv(shallow, width, width)
    outputs: list[str] = []
    for _ in range(blocks):
        state, joined = value, width
        for _ in range(layers):
            state = graph.node("Concat", state, graph.relu(graph.conv(state, joined, width)), axis=1)
            joined += width
        value = graph.node("Add", value, graph.conv(state, joined, width, kernel=1))
        outputs.append(value)
    value = graph.conv(graph.node("Concat", *outputs, axis=1), width * blocks, width, kernel=1)
    value = graph.node("Add", shallow, graph.conv(value, width, width))
    value = graph.node("DepthToSpace", graph.conv(value, width, width * scale**2), blocksize=scale, mode="CRD")
    return graph.model(graph.conv(value, width, channels))


def rcan(channels: int = 3, *, scale: int = 3, groups: int = 10, blocks: int = 20, width: int = 64) -> onnx.ModelProto:
    """RCAN (Zhang et al. 2018): residual groups of blocks with channel attention, reduction 16."""
    graph = GraphBuilder(channels)

    def block(value: str) -> str:
        inner = graph.conv(graph.relu(graph.conv(value, width, width)), width, width)
        mean = graph.node("GlobalAveragePool", inner)
        weight = graph.relu(graph.conv(mean, width, width // 16, kernel=1))
        weight = graph.node("Sigmoid", graph.conv(weight, width // 16, width, kernel=1))
        return graph.node("Add", value, graph.node("Mul", inner, weight))

    shallow = value = graph.conv("noisy", channels, width)
    for _ in range(groups):
        entry = value
        for _ in range(blocks):
            value = block(value)
        value = graph.node("Add", entry, graph.conv(value, width, width))
    value = graph.node("Add", shallow, graph.conv(value, width, width))
    value = graph.node("DepthToSpace", graph.conv(value, width, width * scale**2), blocksize=scale, mode="CRD")
    return graph.model(graph.conv(value, width, channels))


def drunet(channels: int = 3, *, widths: tuple[int, ...] = (64, 128, 256, 512), blocks: int = 4) -> onnx.ModelProto:
    """DRUNet (Zhang et al. 2021): a U-Net of residual blocks, the noise map left out."""
    graph = GraphBuilder(channels)

    def residuals(value: str, width: int) -> str:
        for _ in range(blocks):
            inner = graph.conv(graph.relu(graph.conv(value, width, width)), width, width)
            value = graph.node("Add", value, inner)
        return value

    value = graph.conv("noisy", channels, widths[0])
    skips = [value]
    for width, wider in pairwise(widths):
        value = graph.conv(residuals(value, width), width, wider, kernel=2, stride=2)
        skips.append(value)
    value = residuals(value, widths[-1])
    for width, wider in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True):
        value = residuals(graph.upward_conv(graph.node("Add", value, skips.pop()), wider, width), width)
    value = graph.conv(graph.node("Add", value, skips.pop()), widths[0], channels)
    return graph.model(value, alignment=8)


KNOWN_NETWORKS: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "DnCNN": dncnn,
    "DRUNet": drunet,
    "FFDNet": ffdnet,
    "MemNet": memnet,
    "RCAN": rcan,
    "RDN": rdn,
}
"""As published_times.csv names them."""
