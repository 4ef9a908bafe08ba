"""A model for any size: what it gives is what hinas-denoise gives, from one pixel up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hinas.export.commands import app
from hinas.export.graph.any_size import with_any_size
from hinas.export.graph.model_interface import with_interface
from hinas.export.graph.variants import ModelInterface
from hinas.export.tensorrt.parser_support import for_older_parser, unsupported_nodes
from hinas.runtime import Denoiser
from hinas.runtime.backends.openvino_cpu import OpenVinoCpu
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from typer.testing import CliRunner


def _run(model: onnx.ModelProto, noisy_NCHW: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    sigma = {"sigma": np.full(len(noisy_NCHW), 20, np.float32)} if len(session.get_inputs()) > 1 else {}
    return np.asarray(session.run(["denoised"], {"noisy": noisy_NCHW} | sigma)[0])


@pytest.mark.parametrize(("alignment", "scale"), [(1, 1), (2, 1), (2, 2), (4, 1), (8, 1)])
def test_it_pads_by_reflection_and_crops(tiny: Callable[..., Path], tmp_path: Path, alignment: int, scale: int) -> None:
    model = onnx.load(tiny(tmp_path / "plain.onnx", alignment=alignment, scale=scale))
    made = with_any_size(model, alignment=alignment, scale=scale)
    onnx.checker.check_model(made, full_check=True)
    generator = np.random.default_rng(0)
    for height, width in [(1, 1), (1, 3), (2, 1), (3, 5), (5, 2), (7, 16), (17, 9)]:
        noisy = generator.random((2, 1, height, width), np.float32)
        padding = [(0, 0), (0, 0), (0, -height % alignment), (0, -width % alignment)]
        expected = _run(model, np.pad(noisy, padding, mode="reflect"))[:, :, : scale * height, : scale * width]
        np.testing.assert_array_equal(_run(made, noisy), expected)


def test_the_bundled_models_give_what_hinas_gives_and_every_engine_takes_them(tmp_path: Path) -> None:
    model = onnx.load(MODELS_FOLDER / "color.onnx")
    usual = Denoiser.load("color", "cpu", threads=1)
    made = with_interface(model, ModelInterface(sizes="any"), alignment=usual.manifest.alignment, scale=1)
    for version in ((8, 6), (10, 16), (11, 4)):
        assert unsupported_nodes(for_older_parser(made) if version[0] < 10 else made, version) == []
    entries = [item for item in made.metadata_props if item.key != "hinas.checksum"]
    del made.metadata_props[:]
    made.metadata_props.extend(entries)
    onnx.save(made, tmp_path / "any.onnx")
    in_openvino = OpenVinoCpu(tmp_path / "any.onnx", threads=1)
    own = Denoiser.load(tmp_path / "any.onnx", "cpu", threads=1)
    for height, width in [(1, 1), (3, 5), (30, 45)]:
        picture = np.random.default_rng(1).random((height, width, 3), np.float32)
        expected = usual(picture, sigma=20)
        batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis])
        np.testing.assert_allclose(_run(made, batch)[0].transpose(1, 2, 0), expected, atol=1e-6)
        by_openvino = in_openvino.run(batch, np.full(1, 20, np.float32))[0].transpose(1, 2, 0)
        np.testing.assert_allclose(by_openvino, expected, atol=1e-4)
        # hinas-denoise takes such a file too.
        np.testing.assert_allclose(own(picture, sigma=20), expected, atol=1e-6)


def test_the_command_writes_it_and_says_so(
    small_document: Callable[[int], dict[str, Any]], mistake: Callable[..., str], tmp_path: Path
) -> None:
    genotype = tmp_path / "net.json"
    genotype.write_text(json.dumps(small_document(1)))
    result = CliRunner().invoke(app, [str(genotype), "--random-weights", "--any-size", "--io", "uint8"])
    assert result.exit_code == 0, result.output
    assert "uint8 (N, H, W, C), 0..255, any size" in result.output
    model = onnx.load(tmp_path / "model.onnx")
    assert model.graph.input[0].doc_string.endswith("Sizes: any size.")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    feeds = {"noisy": np.zeros((1, 3, 5, 1), np.uint8), "sigma": np.full(1, 20, np.float32)}
    assert np.asarray(session.run(None, feeds)[0]).shape == (1, 3, 5, 1)
    assert "give one of the two" in mistake(app, genotype, "--random-weights", "--any-size", "--fixed-shape")
    assert "--any-size: an engine takes tiles" in mistake(app, genotype, "--random-weights", "--any-size", "--engine")
