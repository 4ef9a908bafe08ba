"""The inputs and outputs of a model file or an engine, as a server has to know them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import onnx

from ...runtime.engines.engine_file import Engine
from ..graph.variants import Target

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
    given = [_served_tensor(item, "input") for item in model.graph.input]
    return (*given, *(_served_tensor(item, "output") for item in model.graph.output))


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


def _served_tensor(item: onnx.ValueInfoProto, role: Role) -> ServedTensor:
    tensor = item.type.tensor_type
    lengths = (length.dim_value if length.HasField("dim_value") else ANY for length in tensor.shape.dim)
    return ServedTensor(name=item.name, role=role, data_type=_TYPES[tensor.elem_type], shape=tuple(lengths))


_ACCELERATORS = {
    "openvino": 'optimization { execution_accelerators { cpu_execution_accelerator [ { name: "openvino" } ] } }',
    "tensorrt": 'optimization { execution_accelerators { gpu_execution_accelerator [ { name: "tensorrt" } ] } }',
}
"""What runs a target's model inside ONNX Runtime."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A config.pbtxt in two parts."""

    interface: str
    """Name, backend, batch size and tensors: what a version must share with the versions before it."""
    tuning: str
    """Where and how it runs: the server's owner may change it."""


def config_of(
    name: str,
    tensors: Sequence[ServedTensor],
    *,
    kind: Literal["onnx", "engine"],
    target: Target,
    largest_batch: int,
) -> ModelConfig:
    """The configuration of a model with these tensors.

    `largest_batch`: of a run that Triton collects requests into; it then takes the batch for granted and leaves that
    axis out of `dims`. 0: it runs every request as it comes, batch and all.
    """
    backend = "onnxruntime" if kind == "onnx" else "tensorrt"
    interface = [f'name: "{name}"', f'backend: "{backend}"', f"max_batch_size: {largest_batch}"]
    interface += [_tensor(item, is_batched=largest_batch > 0) for item in tensors]
    processor = "KIND_CPU" if kind == "onnx" and target != "tensorrt" else "KIND_GPU"
    tuning = [f"instance_group [ {{ count: 1 kind: {processor} }} ]"]
    if largest_batch > 1:
        tuning.append("dynamic_batching { }")
    if kind == "onnx" and target in _ACCELERATORS:
        tuning.append(_ACCELERATORS[target])
    return ModelConfig(interface="\n".join(interface) + "\n", tuning="\n".join(tuning) + "\n")


def _tensor(item: ServedTensor, *, is_batched: bool) -> str:
    lengths = item.shape[1:] if is_batched else item.shape
    # `dims` may not be empty: one noise level an image goes in as (batch, 1).
    dims, reshape = (lengths, "") if lengths else ((1,), " reshape { shape: [ ] }")
    listed = ", ".join(map(str, dims))
    return f'{item.role} [ {{ name: "{item.name}" data_type: {item.data_type} dims: [ {listed} ]{reshape} }} ]'
