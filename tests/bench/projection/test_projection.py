"""The roofline projection: counted by hand, monotone, refused where it cannot be."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.bench.devices.profile import device_profile
from hinas.bench.latency.timed_method import Size
from hinas.bench.peers.peer_layers import Layers
from hinas.bench.projection.engine_kernels import KernelWork, layers_of
from hinas.bench.projection.known_networks import dncnn, ffdnet, rdn, timed_model
from hinas.bench.projection.published_times import comparison_table, published_times
from hinas.bench.projection.roofline import A_PRIORI, Calibration, Roof, project_latency, project_layers, roof_of
from hinas.errors import UserError
from hinas.export.graph.graph_cost import cost_of_graph
from hinas.export.graph.model_interface import with_uint8_interface
from hinas.network_input import NetworkInput
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

SIZE = Size(width=30, height=20)
PIXELS = 600
PERFECT = Calibration(dense=1, pointwise=1, grouped=1, memory=1, range_factors=(0.5, 2), source="test")


def _residual_network() -> onnx.ModelProto:
    """1 -> 5 channels, an activation, 5 -> 5 depthwise, a sum with the activation, 5 -> 1 pointwise."""

    def build(graph: Layers) -> str:
        wide = graph.node("LeakyRelu", graph.conv("noisy", "a", (1, 5)), alpha=0.2)
        summed = graph.node("Add", graph.conv(wide, "b", (5, 5), groups=5), wide)
        return graph.conv(summed, "c", (5, 1), side=1)

    return timed_model(build, NetworkInput(channels=1))


def test_a_small_graph_counted_by_hand() -> None:
    layers = layers_of(_residual_network(), SIZE, value_bytes=2)
    assert [layer.operator for layer in layers] == ["Conv+LeakyRelu", "Conv+Add", "Conv"]
    assert [layer.kind for layer in layers] == ["dense", "grouped", "pointwise"]
    assert [layer.macs for layer in layers] == [9 * 5 * PIXELS, 9 * 5 * PIXELS, 5 * PIXELS]
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == [(1, 5), (1, 1), (5, 1)]
    # The picture has 4 bytes a value, everything else 2; weights and biases are read as well.
    assert layers[0].bytes_read == 4 * PIXELS + 2 * (9 * 5 + 5)
    assert layers[0].bytes_written == 2 * 5 * PIXELS
    assert layers[1].bytes_read == 2 * (2 * 5 * PIXELS + 9 * 5 + 5)
    assert layers[1].bytes_written == 2 * 5 * PIXELS
    assert layers[2].bytes_read == 2 * (5 * PIXELS + 5 + 1)
    assert layers[2].bytes_written == 4 * PIXELS


def test_times_follow_from_the_counts() -> None:
    roof = Roof(
        device="d",
        precision="fp16",
        macs_per_s=1e9,
        grouped_macs_per_s=1e8,
        bytes_per_s=1e9,
        launch_s=1e-5,
        in_channel_multiple=8,
        out_channel_multiple=8,
    )
    layers = layers_of(_residual_network(), SIZE, value_bytes=2)
    calibration = Calibration(dense=0.5, pointwise=0.25, grouped=0.1, memory=0.8, range_factors=(0.5, 3), source="t")
    projection = project_layers(layers, SIZE, roof, calibration)
    first, second, third = projection.layers
    # 8 x 8 channels are computed where there are 1 x 5; depthwise convolutions are not filled up.
    assert first.time_ms == pytest.approx(1000 * (9 * 8 * 8 * PIXELS / 1e9 / 0.5 + 1e-5))
    assert second.time_ms == pytest.approx(1000 * (9 * 5 * PIXELS / 1e8 / 0.1 + 1e-5))
    assert third.time_ms == pytest.approx(1000 * (8 * 8 * PIXELS / 1e9 / 0.25 + 1e-5))
    assert [layer.bound for layer in projection.layers] == ["compute"] * 3
    assert projection.latency_ms == pytest.approx(first.time_ms + second.time_ms + third.time_ms)
    assert projection.range_ms == pytest.approx((0.5 * projection.latency_ms, 3 * projection.latency_ms))

    unfilled = project_layers(layers, SIZE, replace(roof, fills_from_in_channels=2), calibration).layers
    assert unfilled[0].time_ms == pytest.approx(1000 * (9 * 1 * 8 * PIXELS / 1e9 / 0.5 + 1e-5))
    assert unfilled[2].time_ms == third.time_ms

    def bounds(**changes: float) -> set[str]:
        values: dict[str, Any] = {
            "macs_per_s": 1e15,
            "grouped_macs_per_s": 1e15,
            "bytes_per_s": 1e15,
            "launch_s": 0.0,
        } | changes
        fast = Roof(device="d", precision="fp32", **values)
        return {layer.bound for layer in project_layers(layers, SIZE, fast, PERFECT).layers}

    assert bounds(bytes_per_s=1e6) == {"memory"}
    assert bounds(launch_s=1.0) == {"launch"}


def test_a_value_read_twice_is_not_fused_away() -> None:
    def build(graph: Layers) -> str:
        wide = graph.conv("noisy", "a", (1, 4))
        return graph.conv(graph.node("Concat", wide, graph.relu(wide), axis=1), "b", (8, 1))

    layers = layers_of(timed_model(build, NetworkInput(channels=1)), SIZE, value_bytes=4)
    assert [layer.operator for layer in layers] == ["Conv", "Relu", "Concat", "Conv"]
    assert layers[2].bytes == 2 * 4 * 8 * PIXELS


def test_a_split_moves_all_of_its_parts() -> None:
    def build(graph: Layers) -> str:
        one, three = graph.split(graph.conv("noisy", "a", (1, 4)), (1, 3))
        return graph.conv(graph.node("Concat", graph.relu(one), three, axis=1), "b", (4, 1))

    layers = layers_of(timed_model(build, NetworkInput(channels=1)), SIZE, value_bytes=4)
    assert [layer.operator for layer in layers] == ["Conv", "Split+Relu", "Concat", "Conv"]
    assert layers[1].bytes_read == layers[1].bytes_written == 4 * (1 + 3) * PIXELS


def test_a_sum_joins_the_later_of_two_convolutions_and_reads_the_other() -> None:
    def build(graph: Layers) -> str:
        left, right = graph.conv("noisy", "a", (1, 4)), graph.conv("noisy", "b", (1, 4))
        return graph.conv(graph.relu(graph.node("Add", right, left)), "c", (4, 1))

    layers = layers_of(timed_model(build, NetworkInput(channels=1)), SIZE, value_bytes=4)
    assert [layer.operator for layer in layers] == ["Conv", "Conv+Add+Relu", "Conv"]
    assert layers[1].bytes_read == 4 * (PIXELS + 4 * PIXELS + 9 * 4 + 4)


def test_views_and_quantisation_cost_nothing() -> None:
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    zero = numpy_helper.from_array(np.array(0, np.int8), "zero")
    weights = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "weights")
    nodes = [
        helper.make_node("QuantizeLinear", ["noisy", "scale", "zero"], ["short"]),
        helper.make_node("DequantizeLinear", ["short", "scale", "zero"], ["long"]),
        helper.make_node("Conv", ["long", "weights"], ["made"], pads=[1, 1, 1, 1]),
        helper.make_node("Identity", ["made"], ["denoised"]),
    ]
    shape = ["B", 1, "H", "W"]
    given = helper.make_tensor_value_info("noisy", TensorProto.FLOAT, shape)
    made = helper.make_tensor_value_info("denoised", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "q", [given], [made], [scale, zero, weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    layers = layers_of(model, SIZE, value_bytes=1)
    assert [layer.operator for layer in layers] == ["Conv"]
    assert layers[0].bytes == 4 * PIXELS + 9 + 4 * PIXELS


@pytest.mark.parametrize("network", [dncnn, ffdnet])
def test_multiply_adds_are_those_of_a_real_run(network) -> None:
    model = network(1, depth=4, width=8)
    size = Size(width=1920, height=1080)
    layers = layers_of(model, size, value_bytes=4)
    expected = cost_of_graph(model).macs_per_pixel * size.width * size.height
    assert sum(layer.macs for layer in layers) == pytest.approx(expected)


def test_sizes_are_filled_up_to_the_models_alignment() -> None:
    odd = layers_of(ffdnet(depth=3, width=4), Size(width=29, height=19), value_bytes=4)
    assert odd == layers_of(ffdnet(depth=3, width=4), SIZE, value_bytes=4)


_RATES = st.floats(1e6, 1e15)


@given(
    macs=st.integers(1, 10**12),
    moved=st.integers(1, 10**12),
    channels=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    kind=st.sampled_from(["dense", "pointwise", "grouped", "other"]),
    rates=st.tuples(_RATES, _RATES, _RATES),
    launch=st.floats(0, 1e-3),
    faster=st.sampled_from(["macs_per_s", "grouped_macs_per_s", "bytes_per_s"]),
)
def test_a_faster_device_is_never_slower(macs, moved, channels, kind, rates, launch, faster) -> None:
    layer = KernelWork(
        name="l",
        operator="Conv",
        kind=kind,
        macs=0 if kind == "other" else macs,
        in_channels=0 if kind == "other" else channels[0],
        out_channels=0 if kind == "other" else channels[1],
        bytes_read=moved,
        bytes_written=moved,
    )
    values = dict(zip(("macs_per_s", "grouped_macs_per_s", "bytes_per_s"), rates, strict=True))
    names = {"device": "d", "precision": "fp32", "launch_s": launch}
    slow = project_layers([layer], SIZE, Roof(**names, **values), A_PRIORI)
    fast = project_layers([layer], SIZE, Roof(**names, **(values | {faster: 2 * values[faster]})), A_PRIORI)
    filled = project_layers(
        [layer], SIZE, Roof(**names, **values, in_channel_multiple=8, out_channel_multiple=32), A_PRIORI
    )
    assert slow.latency_ms / 2 * (1 - 1e-9) <= fast.latency_ms <= slow.latency_ms <= filled.latency_ms * (1 + 1e-9)
    assert 1000 * launch <= slow.latency_ms
    assert slow.range_ms[0] < slow.latency_ms < slow.range_ms[1]


def test_the_roof_of_a_gpu() -> None:
    roof = roof_of(device_profile("a100"), "int8")
    assert roof.macs_per_s == 312e12
    assert roof.grouped_macs_per_s == 9.75e12
    assert (roof.in_channel_multiple, roof.out_channel_multiple) == (32, 32)
    assert roof_of(device_profile("1080ti"), "int8").in_channel_multiple == 4


def test_what_cannot_be_projected_is_refused() -> None:
    model = dncnn(depth=3, width=4)
    with pytest.raises(UserError, match="no usable bf16"):
        project_latency(model, SIZE, device_profile("v100"), "bf16")
    with pytest.raises(UserError, match=r"--size 100000x100000: one layer alone moves .* has 4"):
        project_latency(model, Size(width=100_000, height=100_000), device_profile("980"), "fp32")
    with pytest.raises(UserError, match="export it with --io float"):
        layers_of(with_uint8_interface(model), SIZE, value_bytes=4)
    unknown = dncnn(depth=3, width=4)
    unknown.graph.node[0].domain = "somebody.else"
    unknown.opset_import.append(helper.make_opsetid("somebody.else", 1))
    with pytest.raises(UserError, match="cannot be inferred"):
        layers_of(unknown, SIZE, value_bytes=4)


def test_the_rebuilt_network_has_the_published_number_of_parameters() -> None:
    """That of RCAN is nowhere printed to the digit; the peers' have tests of their own."""
    numbers = (math.prod(item.dims) for item in rdn().graph.initializer)
    assert sum(numbers) / 1e6 == pytest.approx(22.3, rel=0.005)


def test_published_times_lie_within_the_range_of_the_projection() -> None:
    times = [item for item in published_times() if item.network == "MemNet"]
    table = comparison_table(times)
    for line in table.splitlines()[1:]:
        _, low, _, high, published = line.split("fp32")[1].split()[1:6]
        assert float(low) < float(published) < float(high)
