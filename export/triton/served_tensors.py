"""The inputs and outputs of a model file or an engine, as a server has to know them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import onnx

from ...runtime.engines.engine_file import Engine

Role = Literal["input", "output"]
_TYPES: Mapping[int, str] = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.UINT8: "TYPE_UINT8"}
ANY = -1


@dataclass(frozen=True, kw_only=True)
class ServedTensor:
    """One input or output."""

    name: str
    role: Role
    data_type: str
    """Triton's name of it."""
    shape: tuple[int, ...]
    """The first axis is the batch; -1: any length."""


def tensors_of_model(model: onnx.ModelProto) -> tuple[ServedTensor, ...]:
    """The tensors of a model file, inputs first."""
    given = [_tensor(item, "input") for item in model.graph.input]
    return (*given, *(_tensor(item, "output") for item in model.graph.output))


def tensors_of_engine(model: onnx.ModelProto, engine: Engine) -> tuple[ServedTensor, ...]:
    """The tensors of an engine built from a model: an axis has any length where its profile lets it vary.

    That is how TensorRT itself gives the shapes of an engine (documentation of ICudaEngine::getTensorShape).
    """
    profile = {
        item.name: tuple(low if low == high else ANY for low, high in zip(item.smallest, item.largest, strict=True))
        for item in engine.key.inputs
    }
    given, scale = profile["noisy"], engine.manifest.scale
    channels_at = 3 if engine.manifest.io == "uint8" else 1
    # The output's sides are the input's, so many times as long.
    profile["denoised"] = tuple(
        length if axis in (0, channels_at) or length == ANY else scale * length for axis, length in enumerate(given)
    )
    return tuple(replace(item, shape=profile[item.name]) for item in tensors_of_model(model))


def _tensor(item: onnx.ValueInfoProto, role: Role) -> ServedTensor:
    tensor = item.type.tensor_type
    lengths = (length.dim_value if length.HasField("dim_value") else ANY for length in tensor.shape.dim)
    return ServedTensor(name=item.name, role=role, data_type=_TYPES[tensor.elem_type], shape=tuple(lengths))
