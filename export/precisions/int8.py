"""A model whose convolutions compute in int8: explicit Q/DQ nodes by ONNX Runtime's quantiser, laid out for an engine.

Weights are symmetric per output channel, with zero point 0. What else a convolution gets differs:

`openvino`, `tensorrt`: its input alone, symmetric int8 with zero point 0. Its result stays in float, so that sums do
not round, and engines that compute convolution, sum and activation at once still do.

`ort`: its input and its result, uint8 with any zero point. ONNX Runtime computes in integers only between two quantised
tensors of one type, its int8 x int8 kernels were ten times slower than uint8 x int8 ones, and a ReLU before a uint8
tensor costs nothing. The sums stay in float here too: in integers they brought 1.1 times the speed for up to ten times
the loss. Its processors need VNNI instructions: without them 16-bit sums may saturate.
"""

import io
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, create_calibrator
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from ...errors import UserError
from ..graph.variants import Target

PERCENTILE = 99.99
"""Of a tensor's values inside its range: the rarest would coarsen all the others' steps."""
_QUANTISED = ["Conv"]


def quantised(
    model: onnx.ModelProto, calibration: Iterable[Mapping[str, NDArray[Any]]], keep: frozenset[str], *, target: Target
) -> onnx.ModelProto:
    """An int8 copy of a finished float32 model; convolutions named in `keep` stay float.

    `calibration`: inputs by name, as `calibration_batches` gives them. Same inputs, same bytes. Raises UserError where
    the model's values are not finite or `keep` names no node.
    """
    return quantised_within(model, tensor_ranges(model, calibration), keep, target=target)


def tensor_ranges(model: onnx.ModelProto, calibration: Iterable[Mapping[str, NDArray[Any]]]) -> TensorsData:
    """The range of every convolution's input and output over the calibration's inputs; holds for any `keep`."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        calibrator = create_calibrator(
            path,
            _QUANTISED,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"percentile": PERCENTILE, "num_bins": 2048},
        )
        for batch in calibration:
            # One at a time: the calibrator holds every tensor of what it is given.
            try:
                calibrator.collect_data(_OneBatch(batch))
            except ValueError as error:
                raise UserError(f"calibration: the model's values are not finite ({error})") from error
        return calibrator.compute_data()


def quantised_within(
    model: onnx.ModelProto, ranges: TensorsData, keep: frozenset[str], *, target: Target
) -> onnx.ModelProto:
    """An int8 copy of a model whose ranges are known; convolutions named in `keep` stay float."""
    if unknown := keep - {node.name for node in model.graph.node}:
        raise UserError(f"int8: the model has no node {', '.join(sorted(unknown))} to keep in float")
    options: dict[str, Any] = {"WeightSymmetric": True}
    if target == "ort":
        activations = QuantType.QUInt8
    else:
        activations = QuantType.QInt8
        options |= {
            "ActivationSymmetric": True,
            "OpTypesToExcludeOutputQuantization": _QUANTISED,
            # The bias is added to the float result; TensorRT takes no int32 to dequantise.
            "QuantizeBias": False,
            # TensorRT 8.6 takes weights in float only, and rounds them itself.
            "AddQDQPairToWeight": target == "tensorrt",
        }
    quantiser = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=activations,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(keep),
        op_types_to_quantize=_QUANTISED,
        extra_options=options,
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    result = quantiser.model.model
    result.producer_name, result.producer_version = model.producer_name, model.producer_version
    del result.graph.value_info[:]
    onnx.checker.check_model(result, full_check=True)
    return result


class _OneBatch(CalibrationDataReader):
    def __init__(self, batch: Mapping[str, NDArray[Any]]) -> None:
        self._batches = iter([{name: np.asarray(value) for name, value in batch.items()}])

    def get_next(self) -> dict[str, NDArray[Any]] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return next(self._batches, None)


def both_ends(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the convolutions at the image's end of a graph and at the output's.

    At the image's end those with no convolution before them; at the output's those with no more than one dense
    convolution of several pixels from there to the output, themselves included: the last one, and the pointwise and
    depthwise ones before it. They are a small part of the work and most of int8's loss.
    """
    weights = {item.name: tuple(item.dims) for item in model.graph.initializer}
    behind_convolution: set[str] = set()
    names: set[str] = set()
    for node in model.graph.node:
        reached = behind_convolution.intersection(node.input)
        if node.op_type == "Conv" and not reached:
            names.add(node.name)
        if node.op_type == "Conv" or reached:
            behind_convolution.update(node.output)
    dense_ahead: dict[str, int] = defaultdict(int)
    for node in reversed(model.graph.node):
        count = max(dense_ahead[name] for name in node.output)
        if node.op_type == "Conv":
            channels, *kernel = weights[node.input[1]][1:]
            count += channels > 1 and prod(kernel) > 1
            if count <= 1:
                names.add(node.name)
        for name in node.input:
            dense_ahead[name] = max(dense_ahead[name], count)
    return frozenset(names)
