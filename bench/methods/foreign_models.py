"""A network that was not made for hinas, wrapped in hinas's inputs, output and manifest."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from ...errors import UserError
from ...network_input import NetworkInput
from ...runtime.model.manifest import PREFIX as MANIFEST_PREFIX
from ...runtime.model.manifest import ModelManifest
from ..peers.peer_layers import level_nodes, map_nodes

_OWN = "network/"
_OLDEST_OPSET = 11
_ALIGNMENTS = (1, 2, 4, 8, 16, 32, 64)
_SCALES = (1, 2, 3, 4)
"""Output pixels per input pixel along each side; above 1: super-resolution."""
_UNKNOWN_HALO = 64
"""Pixels: for a network whose receptive field nobody states; hinas then calls its tiling approximate."""

Shape = tuple[int | None, ...]


def is_foreign(model: onnx.ModelProto) -> bool:
    """Whether nothing in the file says that it is a hinas model."""
    return not any(item.key.startswith(MANIFEST_PREFIX) for item in model.metadata_props)


def in_own_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with hinas's inputs, output and manifest; UserError that says what its inputs look like."""
    opset = max((item.version for item in model.opset_import if item.domain == ""), default=0)
    if opset < _OLDEST_OPSET:
        raise UserError(f"opset {opset}; convert it to opset {_OLDEST_OPSET} or newer (onnx.version_converter)")
    channels, level = _recognised(model)
    # Its names may be any: none of them may be one of ours.
    inner = compose.add_prefix(model, _OWN)
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(inner)
    graph = wrapped.graph
    image, *levels = (item.name for item in _fed(graph))
    before, constants = ([], []) if level is None else level_nodes()
    if level in ("map", "channel"):
        nodes, more = map_nodes("noisy")
        before, constants = before + nodes, constants + more
    if level == "channel":
        before.append(helper.make_node("Concat", ["noisy", "level_map"], [image], axis=1))
    else:
        before.append(helper.make_node("Identity", ["noisy"], [image]))
    if level in ("map", "scalar"):
        before.append(helper.make_node("Identity", [f"level_{level}"], levels))
    elif level == "list":
        rank = len(_shape(_fed(graph)[1]))
        constants.append(onnx.numpy_helper.from_array(np.array([-1, 1][:rank], np.int64), "level_list"))
        before.append(helper.make_node("Reshape", ["level_scalar", "level_list"], levels))
    after = [helper.make_node("Identity", [graph.output[0].name], ["denoised"])]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    pixels = ["N", channels, "H", "W"]
    graph.input.append(helper.make_tensor_value_info("noisy", TensorProto.FLOAT, pixels))
    if level is not None:
        graph.input.append(helper.make_tensor_value_info("sigma", TensorProto.FLOAT, ["N"]))
    graph.output.append(helper.make_tensor_value_info("denoised", TensorProto.FLOAT, ["N", channels, None, None]))
    found = _tried(wrapped, channels, is_told=level is not None)
    if found.scale == 1:
        graph.output[0].CopyFrom(helper.make_tensor_value_info("denoised", TensorProto.FLOAT, pixels))
    manifest = ModelManifest(
        channels=found.channels,
        scale=found.scale,
        halo=_UNKNOWN_HALO,
        alignment=found.alignment,
        tiling="approximate",
        conditioned=found.conditioned,
        sigma_range=found.level_range,
        weights="trained",
        genotype="{}",
    )
    helper.set_model_props(wrapped, manifest.to_metadata())
    return wrapped


def _recognised(model: onnx.ModelProto) -> tuple[int, str | None]:
    """(channels, how the level is given: None, scalar, list, map or channel)."""
    inputs, outputs = _fed(model.graph), model.graph.output
    shapes = [_shape(item) for item in inputs]
    is_float = all(item.type.tensor_type.elem_type == TensorProto.FLOAT for item in (*inputs, *outputs))
    if is_float and len(outputs) == 1 and shapes and len(shapes[0]) == 4:
        height, width = (length or "any" for length in shapes[0][2:])
        if shapes[0][1] in (1, 2, 3, 4) and (height, width) != ("any", "any"):
            raise UserError(f"takes images of {width}x{height} alone; export it with free height and width")
        match shapes:
            case [(_, (1 | 3) as channels, _, _)]:
                return channels, None
            case [(_, (2 | 4) as channels, _, _)]:
                return channels - 1, "channel"
            case [(_, (1 | 3) as channels, _, _), (_, 1, 1, 1)]:
                return channels, "scalar"
            case [(_, (1 | 3) as channels, _, _), (_, 1, None, None)]:
                return channels, "map"
            case [(_, (1 | 3) as channels, _, _), (_,) | (_, 1)]:
                return channels, "list"
    raise UserError(
        f"no denoiser that hinas-bench knows how to run: inputs {_described(inputs)}; outputs {_described(outputs)}; "
        "expected float32, an image (N, 1 or 3, H, W), if need be a noise level after it, and one output"
    )


def _tried(model: onnx.ModelProto, channels: int, *, is_told: bool) -> NetworkInput:
    """The smallest power of two whose multiples the network takes, and the scale of its output, by trying."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    reason = ""
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise UserError(f"ONNX Runtime does not load it ({str(error).splitlines()[0][:200]})") from error
    for alignment in _ALIGNMENTS:
        noisy = np.full((1, channels, 64 + alignment, 64 + alignment), 0.5, np.float32)
        feeds = {"noisy": noisy, "sigma": np.full(1, 25, np.float32)}
        try:
            given = {item.name: feeds[item.name] for item in session.get_inputs()}
            shape = np.asarray(session.run(None, given)[0]).shape
        except Exception as error:
            reason = str(error).splitlines()[0][:200]
            continue
        for scale in _SCALES:
            if shape == (*noisy.shape[:2], *(scale * side for side in noisy.shape[2:])):
                level_range = (0.0, 255.0) if is_told else None
                return NetworkInput(channels=channels, alignment=alignment, scale=scale, level_range=level_range)
        reason = f"an image {noisy.shape} becomes {shape}"
    raise UserError(
        f"does not turn images into images of their size or {_SCALES[1]} to {_SCALES[-1]} times as large, whatever the "
        f"multiple of pixels ({reason})"
    )


def _fed(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs without the constants that old files list among them."""
    constants = {item.name for item in graph.initializer}
    return [item for item in graph.input if item.name not in constants]


def _shape(item: onnx.ValueInfoProto) -> Shape:
    lengths = item.type.tensor_type.shape.dim
    return tuple(length.dim_value if length.HasField("dim_value") else None for length in lengths)


def _described(items: Sequence[onnx.ValueInfoProto]) -> str:
    def one(item: onnx.ValueInfoProto) -> str:
        kind = TensorProto.DataType.Name(item.type.tensor_type.elem_type).lower()
        return f"{item.name} {kind} ({', '.join('?' if n is None else str(n) for n in _shape(item))})"

    return ", ".join(map(one, items)) or "none"
