"""An imported network in the interfaces for other programs: the same function behind pixels, any size, one window."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hinas.export.commands import app
from onnx import TensorProto, helper, numpy_helper


def _theirs(path: Path) -> onnxruntime.InferenceSession:
    """Two convolutions at half resolution; the network's own file and what it computes."""
    random = np.random.default_rng(0)
    kernels = [random.normal(0, 0.2, shape).astype(np.float32) for shape in ((8, 4, 3, 3), (4, 8, 3, 3))]
    nodes = [
        helper.make_node("SpaceToDepth", ["x"], ["half"], blocksize=2),
        helper.make_node("Conv", ["half", "k0"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "k1"], ["c"], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["c"], ["noise"], blocksize=2, mode="CRD"),
        helper.make_node("Sub", ["x", "noise"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1, "H", "W"]) for name in ("x", "y")]
    stored = [numpy_helper.from_array(kernel, f"k{index}") for index, kernel in enumerate(kernels)]
    graph = helper.make_graph(nodes, "theirs", ends[:1], ends[1:], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return _opened(path)


def _opened(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, given: np.ndarray) -> np.ndarray:
    [output] = session.run(None, {session.get_inputs()[0].name: given})
    assert isinstance(output, np.ndarray)
    return output


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ((), (32, 48)),
        (("--io", "uint8"), (32, 48)),
        (("--any-size",), (7, 5)),
        (("--fixed-shape", "--tile", "48x32"), (32, 48)),
        # The file holds fp32, which OpenVINO rounds by itself.
        (("--io", "uint8", "--target", "openvino", "--precision", "bf16"), (32, 48)),
        (("--any-size", "--target", "openvino", "--precision", "bf16"), (7, 5)),
    ],
    ids=["runtime", "pixels", "any size", "one window", "pixels, bf16", "any size, bf16"],
)
def test_every_interface_computes_what_the_original_does(
    options: Sequence[str], size: tuple[int, int], tmp_path: Path, in_process: Callable[..., Any]
) -> None:
    original = _theirs(tmp_path / "theirs.onnx")
    out = tmp_path / "model.onnx"
    done = in_process(app, "--import", tmp_path / "theirs.onnx", "--out", out, *options)
    assert done.returncode == 0, done.stderr
    pixels = np.random.default_rng(1).integers(0, 256, (1, *size, 1), np.uint8)
    image = (pixels.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    height, width = size
    padded = np.pad(image, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), mode="reflect")
    expected = _run(original, padded)[:, :, :height, :width]
    assert np.abs(expected - image).max() > 0.05
    if options[:1] == ("--io",):
        found = _run(_opened(out), pixels)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, np.rint(expected.clip(0, 1) * 255).transpose(0, 2, 3, 1))
    else:
        np.testing.assert_allclose(_run(_opened(out), image), expected, atol=1e-5)
