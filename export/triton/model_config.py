"""The text of a `config.pbtxt`: Triton's ModelConfig for one of our models.

Fields: protobuf/model_config.proto of github.com/triton-inference-server/common; their meaning:
docs/user_guide/model_configuration.md of github.com/triton-inference-server/server, and for accelerators the README of
its onnxruntime_backend.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..targets import Target
from .served_tensors import ServedTensor

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
