"""Pixels in and out, one shape alone: the answer stays the float model's, and who cannot take such a model says so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hinas.bench.methods.network_files import bundled_denoisers
from hinas.errors import UserError
from hinas.export.commands import app
from hinas.export.freeze import finished_model, plain_export
from hinas.export.graph import model_interface
from hinas.export.graph.doc_strings import with_doc_strings
from hinas.export.graph.fixed_shape import with_fixed_shape
from hinas.export.graph.model_interface import with_interface, with_uint8_interface
from hinas.export.graph.variants import PRECISIONS, TARGETS, FixedShape, ModelInterface, Target
from hinas.export.tensorrt.build_request import BuildRequest, input_shapes
from hinas.export.tensorrt.parser_support import for_older_parser, unsupported_nodes
from hinas.network_input import NetworkInput
from hinas.runtime import Denoiser
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from hinas.runtime.model.manifest import Io, ModelManifest
from hinas.search.genotype import genotype_from_json
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from PIL import Image
from typer.testing import CliRunner

PIXELS = ModelInterface(io="uint8")
RANDOM: tuple[tuple[int, Target], ...] = ((40, "ort"), (29, "tensorrt"), (1, "openvino"))
"""Seeds of random genotypes, of alignments 4, 2 and 1, with and without noise level; and what each is rewritten for."""


def _manifest(model: onnx.ModelProto) -> ModelManifest:
    return ModelManifest.from_metadata({item.key: item.value for item in model.metadata_props})


@pytest.fixture(scope="module")
def finished(random_document: Callable[[int], dict[str, Any]]) -> list[onnx.ModelProto]:
    """Float models of any size: the bundled ones, and random genotypes."""
    models = [onnx.load(MODELS_FOLDER / f"{name}.onnx") for name in bundled_denoisers()]
    for seed, target in RANDOM:
        plain = plain_export(genotype_from_json(json.dumps(random_document(seed))), None)
        models.append(onnx.load_from_string(finished_model(plain, target)[0]))
    assert {_manifest(model).alignment for model in models} >= {1, 2, 4}
    assert {_manifest(model).conditioned for model in models} == {True, False}
    assert {_manifest(model).channels for model in models} == {1, 3}
    return models


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _feeds(manifest: ModelManifest, shape: tuple[int, int, int], seed: int = 0) -> dict[str, np.ndarray]:
    """Float inputs whose values are pixels / 255, many of them black or white."""
    batch, height, width = shape
    drawn = np.random.default_rng(seed).normal(127, 200, (batch, manifest.channels, height, width))
    values = np.divide(drawn.clip(0, 255).astype(np.uint8), np.float32(255), dtype=np.float32)
    return {"noisy": values} | ({"sigma": np.linspace(5, 70, batch, dtype=np.float32)} if manifest.conditioned else {})


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.clip(np.rint(values * np.float32(255)), 0, 255).astype(np.uint8), 1, 3)


def test_pixels_out_are_the_float_models_rounded_and_clipped(finished: list[onnx.ModelProto]) -> None:
    clipped: set[bool] = set()
    for model in finished:
        manifest = _manifest(model)
        before, after = _session(model), _session(with_uint8_interface(model))
        for seed, (batch, height, width) in enumerate([(1, 1, 1), (2, 3, 2), (3, 5, 9), (1, 17, 12)]):
            feeds = _feeds(manifest, (batch, height * manifest.alignment, width * manifest.alignment), seed)
            values = np.asarray(before.run(None, feeds)[0])
            clipped |= {bool((values < -1 / 255).any()), bool((values > 256 / 255).any())}
            got = np.asarray(after.run(["denoised"], feeds | {"noisy": _pixels(feeds["noisy"])})[0])
            assert got.dtype == np.uint8
            np.testing.assert_array_equal(got, _pixels(values))
    assert True in clipped


def test_a_fixed_shape_is_that_shape_alone_and_a_shorter_graph(finished: list[onnx.ModelProto]) -> None:
    for model in finished:
        manifest = _manifest(model)
        shape = FixedShape(batch=2, height=5 * manifest.alignment, width=3 * manifest.alignment)
        fixed = with_fixed_shape(model, shape)
        onnx.checker.check_model(fixed, full_check=True)
        assert len(fixed.graph.node) <= len(model.graph.node)
        assert not [node.name for node in fixed.graph.node if node.op_type in ("Shape", "Constant")]
        feeds = _feeds(manifest, (shape.batch, shape.height, shape.width))
        session = _session(fixed)
        assert session.get_outputs()[0].shape == [2, manifest.channels, shape.height, shape.width]
        got, expected = (np.asarray(each.run(None, feeds)[0]) for each in (session, _session(model)))
        np.testing.assert_allclose(got, expected, atol=1e-6, rtol=0)
        for other in ((1, shape.height, shape.width), (2, shape.height + manifest.alignment, shape.width)):
            with pytest.raises(InvalidArgument, match="Got invalid dim"):
                session.run(None, _feeds(manifest, other))


def test_tensorrt_takes_every_interface(finished: list[onnx.ModelProto]) -> None:
    for model in finished:
        alignment = _manifest(model).alignment
        shape = FixedShape(batch=1, height=2 * alignment, width=alignment)
        for interface in (PIXELS, ModelInterface(shape=shape)):
            made = with_interface(model, interface, alignment=alignment, scale=1)
            onnx.checker.check_model(made, full_check=True)
            for version in ((8, 6), (10, 16), (11, 4)):
                assert unsupported_nodes(for_older_parser(made) if version[0] < 10 else made, version) == []
            if interface.io == "uint8":
                assert [made.graph.node[at].op_type for at in (0, -1)] == ["Cast", "Cast"]
                assert sum("noisy" in node.input for node in made.graph.node) == 1
            again = with_interface(model, interface, alignment=alignment, scale=1)
            assert again.SerializeToString(deterministic=True) == made.SerializeToString(deterministic=True)


def test_a_model_that_gives_another_answer_is_not_let_through(
    finished: list[onnx.ModelProto], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
        made = with_uint8_interface(model)
        next(node for node in made.graph.node if node.op_type == "Round").op_type = "Floor"
        return made

    model = finished[0]
    with_interface(model, PIXELS, alignment=_manifest(model).alignment, scale=1)
    monkeypatch.setattr(model_interface, "with_uint8_interface", without_rounding)
    with pytest.raises(RuntimeError, match="another answer"):
        with_interface(model, PIXELS, alignment=_manifest(model).alignment, scale=1)


def test_an_engines_profile_lies_as_the_pixels_do() -> None:
    manifest = ModelManifest(channels=3, halo=4, conditioned=False, io="uint8", weights="random", genotype="{}")
    [noisy] = input_shapes(manifest, BuildRequest(tile=(20, 30), batch=(2, 2, 2)))
    assert noisy.largest == (2, 20, 30, 3)


@pytest.fixture
def genotype(small_document: Callable[[int], dict[str, Any]], tmp_path: Path) -> Path:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(small_document(1)))
    return path


def _export(*arguments: object) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=True)


@pytest.mark.parametrize(
    ("options", "said", "refused"),
    [
        (
            ["--io", "uint8"],
            "uint8 (N, H, W, C), 0..255, any H and W that are multiples of 2",
            "takes uint8 pixels, .* without --io",
        ),
        (
            ["--fixed-shape", "--tile", "24x16", "--batch", "2"],
            "float (N, C, H, W), 0..1, 2 x 24x16 alone",
            r"takes inputs of shape \(2, 1, 16, 24\) alone, .* without --fixed-shape",
        ),
    ],
)
def test_the_command_writes_it_and_the_denoiser_refuses_it(
    genotype: Path, options: list[str], said: str, refused: str
) -> None:
    result = _export(genotype, "--random-weights", *options)
    assert result.exit_code == 0, result.output
    assert said in result.output
    assert "(N,), in grey levels 0..255, made for 0 to 75" in result.output
    model = genotype.with_name("model.onnx")
    written = onnx.load(model)
    is_uint8 = written.graph.output[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert is_uint8 == (_manifest(written).io == "uint8") == ("uint8" in options)
    with pytest.raises(UserError, match=refused):
        Denoiser.load(model)


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--io", "uint8"], ["--io", "uint8", "--fixed-shape", "--tile", "24x16"]])
def test_every_precision_for_every_target_has_the_interface(
    genotype: Path, picture_folder: Path, options: list[str]
) -> None:
    calibration = genotype.with_name("photos")
    calibration.mkdir()
    for picture in picture_folder.iterdir():
        with Image.open(picture) as opened:
            opened.resize((120, 101)).save(calibration / picture.name)
    # ONNX Runtime takes all but bf16.
    for name, targets, precisions in (("a", TARGETS[1:], PRECISIONS), ("b", TARGETS[:1], ("fp32", "fp16", "int8"))):
        result = _export(
            genotype, "--random-weights", *options, "--precision", ",".join(precisions), "--target", ",".join(targets),
            "--calibration", calibration, "--out", genotype.with_name(f"{name}.onnx"),
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    written = [onnx.load(path) for path in genotype.parent.glob("*.onnx")]
    assert len(written) == len(PRECISIONS) * len(TARGETS) - 1
    assert {_manifest(model).precision for model in written} == set(PRECISIONS)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 24, 1), np.uint8)
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in PRECISIONS}
    for model in written:
        feeds = {"noisy": pixels} | ({"sigma": np.full(1, 20, np.float32)} if _manifest(model).conditioned else {})
        precision = _manifest(model).precision
        operators = {node.op_type for node in model.graph.node}
        assert ("QuantizeLinear" in operators) == (precision == "int8")
        if precision != "bf16":  # ONNX Runtime has no kernels for it.
            outputs[precision].append(np.asarray(_session(model).run(None, feeds)[0]))
            assert outputs[precision][-1].dtype == np.uint8
    exact = outputs["fp32"][0].astype(int)
    assert all(np.abs(other - exact).max() <= 1 for name in ("fp32", "fp16") for other in outputs[name])
    assert all(np.abs(other - exact).mean() < 2 for other in outputs["int8"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tile", "64"], "--tile: concerns --engine or --fixed-shape alone"),
        (["--tile", "512"], "--tile: concerns"),
        (["--batch", "2"], "--batch: concerns --engine or --fixed-shape or --triton alone"),
        (["--optimisation-level", "3"], "--optimisation-level: concerns --engine alone"),
        (["--workspace", "1GiB"], "--workspace: concerns --engine alone"),
        (["--version-compatible"], "--version-compatible: concerns --engine alone"),
        (["--hardware-compatible", "--fixed-shape", "--tile", "8x8"], "--hardware-compatible: concerns --engine alone"),
        (["--fixed-shape"], "give --tile WIDTHxHEIGHT"),
        (["--fixed-shape", "--tile", "64"], "give --tile WIDTHxHEIGHT"),
        (["--fixed-shape", "--tile", "64x64", "--batch", "1:2:3"], "give --batch N"),
        (["--fixed-shape", "--tile", "64x33"], "--tile 64x33: this network takes .* multiples of 2"),
        (["--triton", "served", "--batch", "1:2:3"], "for --triton give the most in one run"),
        (["--triton", "served", "--target", "ort,openvino"], "--triton: serves one model"),
        (["--triton", "a/b/served"], "no folder a/b"),
        (["--triton", "served", "--out", "a b.onnx"], "the model would be named 'a b'"),
    ],
)
def test_an_option_that_would_change_nothing_is_a_mistake(genotype: Path, options: list[str], expected: str) -> None:
    result = _export(genotype, "--random-weights", *options)
    assert isinstance(result.exception, UserError)
    with pytest.raises(UserError, match=expected):
        raise result.exception
    assert [path.name for path in genotype.parent.iterdir()] == ["net.json"]


def test_an_unknown_interface_is_a_mistake(genotype: Path) -> None:
    result = _export(genotype, "--random-weights", "--io", "int16")
    assert result.exit_code == 2
    assert "'int16' is not one of 'float', 'uint8'" in result.output


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_the_graphs_own_doc_strings_say_the_units(io: Io) -> None:
    given = NetworkInput(channels=3, alignment=4, level_range=(0.0, 75.0))
    model = with_doc_strings(onnx.load(MODELS_FOLDER / "color.onnx"), ModelInterface(io=io), given)
    said = {item.name: item.doc_string for item in (*model.graph.input, *model.graph.output)}
    assert "grey levels 0..255" in said["sigma"]
    assert ("0 (black) to 1 (white)" in said["noisy"]) == ("not clipped" in said["denoised"]) == (io == "float")
    assert ("(N, H, W, C), pixels 0..255" in said["noisy"]) == (io == "uint8")
    assert "any H and W that are multiples of 4" in said["noisy"]


def test_the_bundled_files_say_the_unit_of_sigma() -> None:
    for name in bundled_denoisers():
        inputs = {item.name: item.doc_string for item in onnx.load(MODELS_FOLDER / f"{name}.onnx").graph.input}
        assert "grey levels 0..255" in inputs["sigma"] and "0 (black) to 1 (white)" in inputs["noisy"]
