"""PyTorch's exporter takes seconds for a network: one of a structure that was exported before only gets its weights.

The exporter writes every parameter under its own name, equal ones once, and leaves out biases of zeros. Where it does
otherwise, nothing is remembered.
"""

import hashlib
import io
import os
from copy import deepcopy
from pathlib import Path
from pickle import PicklingError
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn


class RememberedExports:
    """Takes the place of `torch.onnx.export`; `folder` holds what was exported, for all processes of a run."""

    def __init__(self, folder: Path) -> None:
        self.itself = torch.onnx.export
        self._folder = folder

    def __call__(self, network: nn.Module, example: tuple[torch.Tensor, ...], **options: Any) -> Any:
        """What the exporter returns, as far as hinas uses it: an object with `model_proto`."""
        weights = {name: value.numpy() for name, value in network.state_dict().items()}
        try:
            structure = _structure(network, _equal_weights(weights), example, options)
        except (AttributeError, PicklingError):  # a network of a class within a function
            return self.itself(network, example, **options)
        file = self._folder / f"{structure}.onnx"
        if file.is_file():
            return SimpleNamespace(model_proto=_with_weights(onnx.load(file), weights))
        program = self.itself(network, example, **options)
        assert program is not None
        constant = {name for name, _ in network.named_buffers()} - set(weights)
        if _names_every_weight(program.model_proto, weights, constant):
            partial = file.with_suffix(f".{os.getpid()}")
            partial.write_bytes(program.model_proto.SerializeToString())
            partial.rename(file)
        return program


def _equal_weights(weights: dict[str, np.ndarray]) -> dict[str, str]:
    """For each weight that is not zero the name of the first one that equals it."""
    first: dict[tuple[Any, ...], str] = {}
    return {
        name: first.setdefault((value.dtype, value.shape, value.tobytes()), name)
        for name, value in weights.items()
        if value.any()
    }


def _structure(network: nn.Module, *others: Any) -> str:
    """A digest of everything but the weights."""
    empty = deepcopy(network)
    with torch.no_grad():
        for value in empty.state_dict().values():
            value.zero_()
    written = io.BytesIO()
    torch.save(empty, written)
    return hashlib.sha256(written.getvalue() + repr(others).encode()).hexdigest()


def _names_every_weight(model: onnx.ModelProto, weights: dict[str, np.ndarray], constant: set[str]) -> bool:
    """Whether each weight, or one that equals it, is an initialiser of its name, and no other comes from weights."""
    stored = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    equal = _equal_weights(weights)
    there = {equal[name] for name, value in stored.items() if name in equal and np.array_equal(value, weights[name])}
    others = [value for name, value in stored.items() if name not in weights and name not in constant]
    return there == set(equal.values()) and all(value.size == 1 or value.dtype != np.float32 for value in others)


def _with_weights(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    for item in model.graph.initializer:
        if item.name in weights:
            item.CopyFrom(numpy_helper.from_array(weights[item.name], item.name))
    return model
