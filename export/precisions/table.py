"""What writes a model in which precision."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from ...runtime.model.manifest import Precision
from ..graph.variants import Target
from .half_precision import beyond_bf16, beyond_fp16, bf16, fp16
from .int8 import both_ends, quantised_within, tensor_ranges

CalibrationInputs = Iterable[Mapping[str, NDArray[np.float32]]]
"""Inputs by name, as the model meets them in use."""


@dataclass(frozen=True)
class Reduction:
    """How a model gets into a precision."""

    write: Callable[[onnx.ModelProto, frozenset[str]], onnx.ModelProto]
    """(fp32 model, names of the nodes that stay in fp32) -> a new model."""
    keeps_layers: bool
    """Whether the names mean anything to it."""
    always_kept: frozenset[str] = frozenset()
    """Nodes that stay in fp32 before any measurement."""


def kept_in(precision: Precision) -> str:
    """What the layers are in that a precision leaves out, for a person: beside int8, OpenVINO may compute in bf16."""
    return "floating point" if precision == "int8" else "fp32"


_UNCHANGED = Reduction(lambda model, _: model, keeps_layers=False)


def reduction_for(
    precision: Precision, target: Target, model: onnx.ModelProto, calibration: CalibrationInputs
) -> Reduction:
    """How a target's model gets into a precision; int8 is calibrated here, once.

    OpenVINO computes an fp32 graph in bf16 when told to, and better than a bf16 graph (gray at sigma 25: 0.015 dB lost
    against 0.024, at the same speed), so its bf16 file is the fp32 graph, and its `hinas.precision` says what to tell.
    """
    if precision == "fp32" or (target, precision) == ("openvino", "bf16"):
        return _UNCHANGED
    if precision == "int8":
        ranges, ends = tensor_ranges(model, calibration), both_ends(model)
        return Reduction(
            lambda given, keep: quantised_within(given, ranges, keep | ends, target=target),
            keeps_layers=True,
            always_kept=ends,
        )
    if precision == "fp16":
        return Reduction(fp16, keeps_layers=True, always_kept=beyond_fp16(model))
    return Reduction(bf16, keeps_layers=True, always_kept=beyond_bf16(model))
