"""What this machine's processor can do at most, measured with ONNX Runtime itself."""

import time

import numpy as np
import onnx

from ...network_input import NetworkInput
from ...runtime.model.int8_processors import processor_flags
from ..latency.timed_method import Size
from ..methods.peak_probes import peak_chain
from ..peers.peer_layers import Layers
from .engine_kernels import layers_of
from .known_networks import timed_model
from .roofline import Roof

_RUNS = 15
_PEAK_SIZE = Size(width=96, height=96)
_COPY_SIZE = Size(width=4096, height=4096)
_LAUNCH_SIZE = Size(width=8, height=8)
_NUM_LAUNCHED = 200
_GREY = NetworkInput(channels=1)


def host_roof(device: str, *, threads: int) -> Roof:
    """Measure the fp32 peak, the memory's bandwidth and the cost of a node on an idle machine; takes seconds.

    The peak is that of the chain that every session measures (`peak`), the bandwidth that of reading and writing 64 MiB
    each, the cost of a node that of nodes that have nothing to do.
    """
    chain = peak_chain()
    macs = sum(layer.macs for layer in layers_of(chain, _PEAK_SIZE, value_bytes=4))
    copy = timed_model(lambda layers: layers.node("Neg", "noisy"), _GREY)
    launched = timed_model(_launched, _GREY)
    copied_bytes = 2 * 4 * _COPY_SIZE.width * _COPY_SIZE.height
    block = _block_of_channels()
    macs_per_s = macs / _shortest_s(chain, _PEAK_SIZE, threads)
    return Roof(
        device=device,
        precision="fp32",
        macs_per_s=macs_per_s,
        grouped_macs_per_s=macs_per_s,
        bytes_per_s=copied_bytes / _shortest_s(copy, _COPY_SIZE, threads),
        launch_s=_shortest_s(launched, _LAUNCH_SIZE, threads) / _NUM_LAUNCHED,
        in_channel_multiple=block,
        out_channel_multiple=block,
        # A picture's few channels are taken as they are.
        fills_from_in_channels=block,
    )


def _launched(layers: Layers) -> str:
    value = "noisy"
    for _ in range(_NUM_LAUNCHED):
        value = layers.node("Sigmoid", value)
    return value


def _shortest_s(model: onnx.ModelProto, size: Size, threads: int) -> float:
    """The shortest of several runs: what disturbs can only lengthen."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = np.random.default_rng(0).normal(0.5, 0.2, (1, 1, size.height, size.width)).astype(np.float32)
    times: list[float] = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        session.run(None, {"noisy": given})
        times.append(time.perf_counter() - begin)
    return min(times)


def _block_of_channels() -> int:
    """ONNX Runtime computes as many channels at once as a vector register holds: 16 with AVX-512, else 8."""
    return 16 if "avx512f" in processor_flags() else 8
