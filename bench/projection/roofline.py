"""The roofline model: a layer takes as long as its arithmetic or its memory traffic, whichever is longer.

Source: Williams, Waterman, Patterson, *Roofline: an insightful visual performance model* (2009); here for each layer,
with the share of both roofs that real kernels reach and a fixed cost for each kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import onnx

from ...errors import UserError
from ...runtime.model.manifest import Precision
from ..devices.profile import DeviceProfile
from ..latency.timed_method import Size
from .engine_kernels import KernelWork, Kind, layers_of

Bound = Literal["compute", "memory", "launch"]
VALUE_BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Roof:
    """What a device can do at most in one precision."""

    device: str
    precision: Precision
    macs_per_s: float
    """Of dense convolutions and matrix products."""
    grouped_macs_per_s: float
    """Of depthwise convolutions, which matrix units do not take."""
    bytes_per_s: float
    launch_s: float
    """Fixed cost of each kernel, seconds."""
    in_channel_multiple: int = 1
    """Channels summed over are filled up to a multiple of this."""
    out_channel_multiple: int = 1
    """Channels made are filled up to a multiple of this."""
    fills_from_in_channels: int = 1
    """Sums over fewer channels than this are not filled up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """The shares of the roofs that real kernels reach."""

    dense: float
    """Of the peak, convolutions of 3x3 and more; above 1 where algorithms save multiply-adds."""
    pointwise: float
    grouped: float
    """Of the peak for grouped convolutions."""
    memory: float
    """Of the bandwidth."""
    range_factors: tuple[float, float]
    """A true latency is expected between these multiples of a projected one."""
    source: str

    def __post_init__(self) -> None:
        low, high = self.range_factors
        assert min(self.dense, self.pointwise, self.grouped, self.memory) > 0
        assert 0 < low <= 1 <= high


A_PRIORI = Calibration(
    dense=0.5,
    pointwise=0.4,
    grouped=0.2,
    memory=0.75,
    range_factors=(0.4, 3.0),
    source="a priori, from published measurements of single kernels and of whole networks; see docs/projection.md",
)
"""For GPUs that are not here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerTime:
    """A projected layer."""

    name: str
    operator: str
    kind: Kind
    macs: int
    """As the graph states them, channels not filled up."""
    bytes: int
    time_ms: float
    bound: Bound
    """What takes longest: arithmetic, memory traffic, or the fixed cost."""

    @property
    def macs_per_s(self) -> float:
        """Useful multiply-adds per second."""
        return self.macs / (self.time_ms / 1000)

    @property
    def intensity(self) -> float:
        """Multiply-adds for each byte moved."""
        return self.macs / self.bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Projection:
    """A latency that nobody measured."""

    roof: Roof
    calibration: Calibration
    size: Size
    latency_ms: float
    range_ms: tuple[float, float]
    """The true latency is expected between these."""
    layers: tuple[LayerTime, ...]
    """In the order they run; their times add up to `latency_ms`."""


def roof_of(profile: DeviceProfile, precision: Precision) -> Roof:
    """A GPU's roof; UserError where it has no such precision."""
    multiple = profile.channel_multiple(precision)
    return Roof(
        device=profile.name,
        precision=precision,
        macs_per_s=profile.peak(precision).macs_per_s,
        # Neither tensor cores nor DP4A sum over one channel.
        grouped_macs_per_s=profile.peak("fp32").macs_per_s,
        bytes_per_s=profile.bandwidth_bytes_s,
        launch_s=profile.launch_us / 1e6,
        in_channel_multiple=multiple,
        out_channel_multiple=multiple,
    )


def project_latency(
    model: onnx.ModelProto,
    size: Size,
    profile: DeviceProfile,
    precision: Precision,
    calibration: Calibration = A_PRIORI,
) -> Projection:
    """Project the latency of one run on one image of `size`, batch 1, transfers to and from the device not counted.

    Raises NoProjectionError where the graph's shapes cannot be inferred, UserError where the GPU lacks the precision or
    the network cannot fit into the GPU's memory.
    """
    roof = roof_of(profile, precision)
    layers = layers_of(model, size, value_bytes=VALUE_BYTES[precision])
    # No engine can do with less than what its widest kernel reads and writes.
    needed = max(layer.bytes for layer in layers)
    if needed > profile.memory_bytes:
        raise UserError(
            f"--size {size}: one layer alone moves {needed / 2**30:.1f} GiB, "
            f"{profile.name} has {profile.memory_bytes / 2**30:.0f}"
        )
    return project_layers(layers, size, roof, calibration)


def project_layers(layers: Sequence[KernelWork], size: Size, roof: Roof, calibration: Calibration) -> Projection:
    """Project layers counted before."""
    times = tuple(layer_time(layer, roof, calibration) for layer in layers)
    latency_ms = sum(item.time_ms for item in times)
    low, high = calibration.range_factors
    return Projection(
        roof=roof,
        calibration=calibration,
        size=size,
        latency_ms=latency_ms,
        range_ms=(low * latency_ms, high * latency_ms),
        layers=times,
    )


def layer_time(layer: KernelWork, roof: Roof, calibration: Calibration) -> LayerTime:
    """One layer: the longer of arithmetic and memory traffic, and the fixed cost."""
    compute_s = peak_seconds(layer, roof) / _compute_share(layer.kind, calibration)
    memory_s = layer.bytes / (roof.bytes_per_s * calibration.memory)
    seconds: dict[Bound, float] = {"compute": compute_s, "memory": memory_s, "launch": roof.launch_s}
    return LayerTime(
        name=layer.name,
        operator=layer.operator,
        kind=layer.kind,
        macs=layer.macs,
        bytes=layer.bytes,
        time_ms=1000 * (max(compute_s, memory_s) + roof.launch_s),
        bound=max(seconds, key=lambda bound: seconds[bound]),
    )


def peak_seconds(layer: KernelWork, roof: Roof) -> float:
    """The shortest time its arithmetic can take, with channels filled up."""
    if layer.kind == "other":
        return 0.0
    if layer.kind == "grouped":
        return layer.macs / roof.grouped_macs_per_s
    filled = _filled(layer.out_channels, roof.out_channel_multiple)
    if layer.in_channels >= roof.fills_from_in_channels:
        filled *= _filled(layer.in_channels, roof.in_channel_multiple)
    return layer.macs * filled / roof.macs_per_s


def _filled(channels: int, multiple: int) -> float:
    """How many times as many channels are computed as there are."""
    return -(-channels // multiple) * multiple / channels


def _compute_share(kind: Kind, calibration: Calibration) -> float:
    match kind:
        case "dense":
            return calibration.dense
        case "grouped":
            return calibration.grouped
        case _:
            return calibration.pointwise
