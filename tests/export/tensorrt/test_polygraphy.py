"""NVIDIA's polygraphy runs what hinas-export makes for other programs, with the shapes that it chooses itself."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.export.graph.model_interface import with_interface
from hinas.export.graph.variants import FOR_THE_RUNTIME, FixedShape, ModelInterface
from hinas.export.precisions.half_precision import bf16, fp16
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.model.bundled_models import model_file
from onnxruntime.capi.onnxruntime_pybind11_state import Fail


@pytest.fixture(scope="module")
def gray() -> onnx.ModelProto:
    """A bundled model; it works at a quarter of the resolution."""
    return onnx.load(model_file("gray"))


def _polygraphy_runs(model: onnx.ModelProto, path: Path) -> bool:
    """`polygraphy run MODEL --onnxrt`: every axis that is not fixed becomes 1."""
    tools = pytest.importorskip("polygraphy.tools")
    onnx.save(model, path)
    try:
        return tools.main(["run", str(path), "--onnxrt", "--silent"]) == 0
    except Fail:
        return False


@pytest.mark.filterwarnings("ignore:SelectableGroups:DeprecationWarning")
@pytest.mark.parametrize(
    ("interface", "runs"),
    [
        (ModelInterface(sizes="any"), True),
        (ModelInterface(io="uint8", sizes="any"), True),
        (ModelInterface(shape=FixedShape(batch=2, height=16, width=32)), True),
        # One pixel is no multiple of eight: hinas pads, and others read in the report that they have to.
        (FOR_THE_RUNTIME, False),
    ],
)
def test_what_is_made_for_other_programs_runs(
    gray: onnx.ModelProto, interface: ModelInterface, runs: bool, tmp_path: Path
) -> None:
    made = with_interface(gray, interface, alignment=8, scale=1)
    assert _polygraphy_runs(made, tmp_path / "model.onnx") == runs
    if interface.shape is None and runs:
        in_fp16 = with_interface(fp16(gray, frozenset()), interface, alignment=8, scale=1)
        assert _polygraphy_runs(in_fp16, tmp_path / "fp16.onnx")


def test_a_file_for_tensorrt_that_onnx_runtime_cannot_run_is_not_called_damaged(
    gray: onnx.ModelProto, tmp_path: Path
) -> None:
    made = bf16(gray, frozenset())
    del made.metadata_props[:]
    onnx.save(made, tmp_path / "bf16.onnx")
    with pytest.raises(UserError) as caught:
        OnnxRuntimeCpu(tmp_path / "bf16.onnx").run(np.zeros((1, 1, 8, 8), np.float32), np.zeros(1, np.float32))
    assert "damaged" not in str(caught.value) and "another precision" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2
