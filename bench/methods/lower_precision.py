"""A model file in the precision that a measurement asks for: the file as it is, or converted as hinas-export does.

What can be made of an fp32 file alone is what its engine truly computes in: int8 and bf16 for OpenVINO, int8 for ONNX
Runtime on the processor (which computes fp16 in fp32, and bf16 not at all), fp16 for ONNX Runtime on a GPU, all three
for TensorRT.

int8 is made of networks from elsewhere and of peers alone, by hinas-export's functions. The fp32 file of a genotype has
been rewritten in ways that suit fp32 alone (`gray` in int8 lost 1.2 dB that way, 0.01 dB as exported), and the graph
before the rewrites cannot be had from the file.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from ...command_line import require_libraries
from ...errors import UserError
from ...export.graph.variants import Target
from ...runtime.model.manifest import ModelManifest, Precision

_MADE: dict[str, tuple[Precision, ...]] = {
    "cpu": ("int8",),
    "openvino": ("bf16", "int8"),
    "cuda": ("fp16",),
    "tensorrt": ("fp16", "bf16", "int8"),
}
_COMPUTED: dict[str, tuple[Precision, ...]] = {
    "cpu": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    # ONNX Runtime has no int8 convolutions for GPUs.
    "cuda": ("fp32", "fp16", "bf16"),
    "tensorrt": ("fp32", "fp16", "bf16", "int8"),
}
"""What a backend truly computes in, given a file for it; others it refuses or, worse, computes in fp32."""
_TARGETS: dict[str, Target] = {"cpu": "ort", "openvino": "openvino", "cuda": "tensorrt", "tensorrt": "tensorrt"}
_NO_GENOTYPE = "{}"
_USUAL_RANGE = (0.0, 75.0)
"""Grey levels 0..255: for a model that does not say what it was trained for, and at most."""

CalibrationOf = Callable[[ModelManifest], Iterable[Mapping[str, NDArray[np.float32]]]]
"""A model's manifest -> inputs of it to find int8's ranges on; raises UserError where there are none."""


def manifest_of(model: onnx.ModelProto) -> ModelManifest:
    """What a hinas model says of itself; UserError where it does not."""
    return ModelManifest.from_metadata({item.key: item.value for item in model.metadata_props})


def require_computed(precision: Precision, backend: str) -> None:
    """Raise UserError where figures of a backend in a precision would be those of another precision, or none."""
    if precision not in _COMPUTED[backend]:
        others = ", ".join(name for name, computed in _COMPUTED.items() if precision in computed)
        raise UserError(
            f"backend {backend} does not compute in {precision}, but in {', '.join(_COMPUTED[backend])}; "
            f"take one of these, or for {precision} --backend {others}"
        )


def in_precision(model: onnx.ModelProto, precision: Precision, backend: str, calibration: CalibrationOf) -> bytes:
    """The model's file in another precision for a backend.

    Raises UserError where the backend does not compute in it and, with the way to export it, where that cannot be made
    of this file.
    """
    require_computed(precision, backend)
    manifest, target = manifest_of(model), _TARGETS[backend]
    export = (
        f"export it: hinas-export GENOTYPE --target {target} --precision {precision}, then give that file with --model"
    )
    if manifest.precision != "fp32" or precision not in _MADE[backend]:
        made = ", ".join(_MADE[backend])
        raise UserError(
            f"it is {manifest.precision}, not {precision}; for backend {backend} hinas-bench makes {made} alone, of an "
            f"fp32 file; {export}"
        )
    if precision == "int8" and manifest.genotype != _NO_GENOTYPE:
        raise UserError(f"its fp32 file has been rewritten for fp32, and int8 made of that would lose much; {export}")
    require_libraries("--precision", "onnx_ir", "ml_dtypes", "torch", extras="search,bench,cpu")
    from ...export.precisions.table import reduction_for

    reduction = reduction_for(precision, target, model, calibration(manifest) if precision == "int8" else ())
    converted = onnx.ModelProto()
    converted.CopyFrom(reduction.write(model, reduction.always_kept))
    del converted.metadata_props[:]
    onnx.helper.set_model_props(converted, replace(manifest, precision=precision, certificate=None).to_metadata())
    return converted.SerializeToString(deterministic=True)


def calibration_on(images: tuple[Path, ...]) -> CalibrationOf:
    """Noisy crops of clean images, as hinas-export calibrates on them; no images: an error that asks for some."""

    def batches(manifest: ModelManifest) -> Iterable[Mapping[str, NDArray[np.float32]]]:
        if not images:
            raise UserError("int8 finds its ranges on images; give --data IMAGES, or a model exported in int8")
        from ...export.precisions.calibration import calibration_batches
        from ...search.tasks.interface import TaskOptions
        from ...search.tasks.registry import configured_task

        level_range = _usual_levels(manifest.sigma_range or _USUAL_RANGE, _USUAL_RANGE[1])
        task = configured_task(manifest.task, TaskOptions(scale=manifest.scale, level_range=level_range))
        return calibration_batches(images, task=task, given=manifest.network_input)

    return batches


def _usual_levels(stated: tuple[float, float], highest: float) -> tuple[float, float]:
    """The part of a stated range that pictures have, up to `highest`; the whole range where it begins above that.

    A network from elsewhere is taken to stand every level up to 255, and ranges for those would coarsen all others.
    """
    low, high = stated
    return stated if low > highest else (low, min(high, highest))
