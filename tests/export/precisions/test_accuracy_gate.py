"""The accuracy gate: good models pass, spoilt ones fail, and the layer that is to blame is found and kept."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hinas.errors import UserError
from hinas.export import export_run
from hinas.export.checks.accuracy_gate import Gate, PrecisionTrial, TooMuchLostError, gate_for, passed
from hinas.export.checks.check_images import check_images
from hinas.export.checks.model_runs import float_arithmetics
from hinas.export.checks.quality_loss import Certificate
from hinas.export.commands import app
from hinas.export.export_run import run_export
from hinas.export.export_settings import ExportSettings
from hinas.export.freeze import PlainExport, finished_model, plain_export
from hinas.export.graph.graph_cost import macs_of_layers
from hinas.export.graph.variants import ModelInterface, Target
from hinas.export.precisions.half_precision import fp16
from hinas.export.precisions.table import Reduction
from hinas.network_input import NetworkInput
from hinas.runtime.backends.openvino_cpu import processor_computes_in
from hinas.runtime.model.manifest import ModelManifest
from hinas.search.genotype import genotype_from_json
from hinas.search.learning.weights import save_weights
from hinas.search.tasks.denoise import Denoise
from hinas.search.tasks.interface import TaskOptions
from hinas.search.tasks.registry import configured_task
from onnx import numpy_helper
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run_folder(small_document: Callable[[int], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.json and net.safetensors: weights that change the picture a little."""
    folder = tmp_path_factory.mktemp("gate")
    genotype = genotype_from_json(json.dumps(small_document(1)))
    (folder / "net.json").write_text(genotype.to_json())
    torch.manual_seed(0)
    network = genotype.built()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    training = {"settings": {"sigma_range": [0.0, 30.0]}}
    save_weights(network, folder / "net.safetensors", identity=genotype.identity, training=training)
    return folder


@pytest.fixture(scope="module")
def plain(run_folder: Path) -> PlainExport:
    genotype = genotype_from_json((run_folder / "net.json").read_text())
    return plain_export(genotype, run_folder / "net.safetensors")


@pytest.fixture(scope="module")
def gate(plain: PlainExport, picture_folder: Path) -> Gate:
    images = check_images(str(picture_folder), task=plain.task, given=plain.given)
    return gate_for(plain.model, images, max_drop_db=0.05, task=plain.task, given=plain.given)


def _candidate(
    plain: PlainExport, write: Callable[[onnx.ModelProto, frozenset[str]], onnx.ModelProto]
) -> PrecisionTrial:
    reduction = Reduction(write, keeps_layers=True)
    return PrecisionTrial(model=plain.model, precision="fp16", target="ort", reduction=reduction)


def _with_constant(model: onnx.ModelProto, layer: str, index: int, change: Callable[[Any], Any]) -> onnx.ModelProto:
    """fp16 but for one constant of one layer, changed: 1 its weights, 2 its bias."""
    lowered = fp16(model, frozenset())
    name = next(node.input[index] for node in lowered.graph.node if node.name == layer)
    constant = next(item for item in lowered.graph.initializer if item.name == name)
    values = numpy_helper.to_array(constant)
    constant.CopyFrom(numpy_helper.from_array(change(values).astype(values.dtype), name))
    return lowered


def _last_layer(plain: PlainExport) -> str:
    """The one that makes the noise: what it does wrong nothing mends."""
    return [node.name for node in plain.model.graph.node if node.op_type == "Conv"][-1]


def test_a_good_precision_passes_and_keeps_nothing(plain: PlainExport, gate: Gate, picture_folder: Path) -> None:
    content, report = finished_model(plain, "tensorrt", "fp16", gate)
    certificate = report.certificate
    assert certificate is not None
    assert certificate.images == tuple(sorted(path.name for path in picture_folder.iterdir()))
    assert [item.case for item in certificate.losses] == ["sigma 15", "sigma 25"]
    assert all(abs(item.psnr_lost_db) < 0.05 and item.psnr_db > 0 for item in certificate.losses)
    assert certificate.worst.psnr_lost_db >= max(item.psnr_lost_db for item in certificate.losses)
    assert certificate.kept_fp32 == ()
    assert certificate.engine.endswith("fp16 emulated")
    assert "kept in fp32  " in report.to_table()
    properties = {item.key: item.value for item in onnx.load_from_string(content).metadata_props}
    manifest = ModelManifest.from_metadata(properties)
    assert manifest.precision == "fp16"
    assert manifest.certificate is not None
    assert Certificate.from_json(manifest.certificate) == certificate
    assert finished_model(plain, "tensorrt", "fp16", gate)[0] == content


def test_images_of_one_name_in_several_folders_are_several(plain: PlainExport, tmp_path: Path) -> None:
    for folder, name in (("a", "x.png"), ("b", "x.png"), ("b", "y.png")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), "gray").save(tmp_path / folder / name)
    images = check_images(str(tmp_path), task=plain.task, given=plain.given)
    checked = gate_for(plain.model, images, max_drop_db=0.05, task=plain.task, given=plain.given)
    certificate = passed(_candidate(plain, fp16), checked).certificate
    assert certificate.images == ("x.png", "x.png", "y.png")
    assert "of 3 images" in certificate.to_rows()["lost at sigma 25"]


@pytest.mark.parametrize("target", ["ort", "openvino"])
def test_bf16_is_what_the_target_takes(plain: PlainExport, gate: Gate, target: Any) -> None:
    content, report = finished_model(plain, target, "bf16", replace(gate, max_drop_db=1))
    inputs = {item.data_type for item in onnx.load_from_string(content).graph.initializer}
    # OpenVINO rounds an fp32 graph by itself.
    assert (onnx.TensorProto.BFLOAT16 in inputs) == (target == "ort")
    assert report.precision == "bf16"
    assert report.difference_from_fp32 is not None
    assert 0 < report.difference_from_fp32 < 0.1


@pytest.mark.parametrize("interface", [ModelInterface(sizes="any"), ModelInterface(io="uint8")], ids=["any", "uint8"])
def test_bf16_for_openvino_has_every_interface(plain: PlainExport, interface: ModelInterface) -> None:
    content, report = finished_model(plain, "openvino", "bf16", interface=interface)
    assert report.interface == interface
    assert {item.data_type for item in onnx.load_from_string(content).graph.initializer} >= {onnx.TensorProto.FLOAT}


def test_the_spoilt_layer_alone_is_found_and_kept(plain: PlainExport, gate: Gate) -> None:
    spoilt = _last_layer(plain)

    def write(model: onnx.ModelProto, keep: frozenset[str]) -> onnx.ModelProto:
        return fp16(model, keep) if spoilt in keep else _with_constant(model, spoilt, 1, lambda values: 0 * values + 3)

    through = passed(_candidate(plain, write), gate)
    model, certificate = through.model, through.certificate
    assert certificate.kept_fp32 == (spoilt,)
    assert model.SerializeToString() == fp16(plain.model, frozenset({spoilt})).SerializeToString()
    # The same where it gives no numbers at all.

    def write_infinite(model: onnx.ModelProto, keep: frozenset[str]) -> onnx.ModelProto:
        return fp16(model, keep) if spoilt in keep else _with_constant(model, spoilt, 1, lambda values: values + np.inf)

    assert passed(_candidate(plain, write_infinite), gate).certificate.kept_fp32 == (spoilt,)


def test_no_layer_more_is_kept_than_it_takes(plain: PlainExport, gate: Gate) -> None:
    macs = macs_of_layers(plain.model)
    spoilt = set(sorted(macs, key=lambda layer: macs[layer])[:3])

    def write(model: onnx.ModelProto, keep: frozenset[str]) -> onnx.ModelProto:
        lowered = fp16(model, keep)
        weights = {node.input[1] for node in lowered.graph.node if node.name in spoilt - keep}
        for constant in lowered.graph.initializer:
            if constant.name in weights:
                values = numpy_helper.to_array(constant)
                constant.CopyFrom(numpy_helper.from_array(values + values.dtype.type(np.inf), constant.name))
        return lowered

    # Doubling alone would keep four.
    assert set(passed(_candidate(plain, write), gate).certificate.kept_fp32) == spoilt


def test_what_no_layer_in_fp32_mends_fails(plain: PlainExport, gate: Gate) -> None:
    spoilt = _last_layer(plain)
    worse = _candidate(plain, lambda model, _: _with_constant(model, spoilt, 1, lambda values: 0 * values + 3))
    message = r"fp16 for ort loses at sigma \d+ [\d.]+ dB, with \d layers kept in fp32; --max-drop allows 0.05 dB"
    with pytest.raises(TooMuchLostError, match=message):
        passed(worse, gate)
    without = replace(worse, reduction=replace(worse.reduction, keeps_layers=False))
    with pytest.raises(TooMuchLostError, match=r"loses at sigma \d+ [\d.]+ dB; --max-drop"):
        passed(without, gate)
    nan = _candidate(plain, lambda model, _: _with_constant(model, spoilt, 1, lambda values: values + np.nan))
    with pytest.raises(TooMuchLostError, match="all: its output is not finite"):
        passed(nan, gate)


def test_an_infinity_that_an_activation_hides_fails(plain: PlainExport, gate: Gate) -> None:
    before = {value: node for node in plain.model.graph.node for value in node.output}
    activation = next(node for node in plain.model.graph.node if node.op_type in ("Relu", "LeakyRelu"))
    layer = before[activation.input[0]].name

    def write(model: onnx.ModelProto, _: frozenset[str]) -> onnx.ModelProto:
        hidden = _with_constant(model, layer, 2, lambda values: values - np.inf)
        for node in hidden.graph.node:
            if node.name == activation.name:
                node.op_type = "Relu"  # of minus infinity it makes 0
                del node.attribute[:]
        return hidden

    with pytest.raises(TooMuchLostError, match=r"has the value .* inside, which is not finite; nothing was written"):
        passed(_candidate(plain, write), replace(gate, max_drop_db=1000))


@pytest.mark.parametrize(("max_drop_db", "floating"), [(1.0, "bf16"), (1e-6, "fp32")])
def test_what_int8_leaves_in_floating_point_is_in_the_fastest_arithmetic_that_passes(
    plain: PlainExport, gate: Gate, max_drop_db: float, floating: str
) -> None:
    pytest.importorskip("openvino")
    if float_arithmetics("int8", "openvino") == ("fp32",):
        pytest.skip("OpenVINO does not round to bf16 on this processor")
    trial = PrecisionTrial(
        model=plain.model,
        precision="int8",
        target="openvino",
        reduction=Reduction(lambda model, _: model, keeps_layers=False),  # all of it stays in floating point
    )
    through = passed(trial, replace(gate, max_drop_db=max_drop_db))
    assert through.floating == floating
    in_bf16 = "int8 and bf16" if processor_computes_in("bf16") else "int8 and bf16 simulated"
    assert through.certificate.engine.endswith(in_bf16 if floating == "bf16" else "int8")
    found = [text for heading, text in through.certificate.to_rows().items() if heading == "not in bf16"]
    assert len(found) == (0 if floating == "bf16" else 1)
    assert all(text.startswith("loses at sigma ") for text in found)
    assert Certificate.from_json(through.certificate.to_json()) == through.certificate


def test_an_int8_file_for_openvino_says_what_its_floating_point_layers_were_checked_in(
    plain: PlainExport, gate: Gate
) -> None:
    expectations: tuple[tuple[Target, str | None], ...] = (
        ("openvino", float_arithmetics("int8", "openvino")[0]),
        ("ort", None),
    )
    for target, expected in expectations:
        content, report = finished_model(plain, target, "int8", replace(gate, max_drop_db=50), _calibration(plain))
        assert "kept in floating point" in report.to_table() and "kept in fp32" not in report.to_table()
        properties = {item.key: item.value for item in onnx.load_from_string(content).metadata_props}
        assert ModelManifest.from_metadata(properties).float_arithmetic == expected
    unchecked, _ = finished_model(plain, "openvino", "int8", None, _calibration(plain))
    assert all(item.key != "hinas.float_arithmetic" for item in onnx.load_from_string(unchecked).metadata_props)


def _calibration(plain: PlainExport) -> list[dict[str, Any]]:
    noisy = np.random.default_rng(0).random((1, plain.given.channels, 64, 64), np.float32)
    return [{"noisy": noisy, "sigma": np.full(1, 25, np.float32)}]


def test_the_levels_lie_within_the_models_range() -> None:
    for level_range, expected in (
        (None, [15, 25, 50]),
        ((0.0, 75.0), [15, 25, 50]),
        ((20.0, 50.0), [25, 50]),
        ((30.0, 30.0), [30]),
        ((60.0, 70.0), [65]),
    ):
        task = configured_task("denoise", TaskOptions(level_range=level_range))
        assert [case.level for case in task.checked_cases] == expected


def test_images_are_chosen_evenly_and_cut_to_their_middle(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:300, :70]
    for index in range(40):
        Image.fromarray((rows % 256).astype(np.uint8) if index else columns.astype(np.uint8)).save(
            tmp_path / f"{index:02}.png"
        )
    (tmp_path / "02.png").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("")
    task = Denoise(range=(25, 25))
    given = NetworkInput(channels=3, alignment=4, level_range=(25, 25))
    images = check_images(str(tmp_path / "*.png"), task=task, given=given)
    assert [item.image for item in images] == [f"{index:02}.png" for index in range(0, 40, 2) if index != 2]
    assert {item.example.degraded_BCHW.shape for item in images} == {(1, 3, 256, 68)}
    np.testing.assert_allclose(images[1].example.clean_BCHW[0, 0, :, 0] * 255, np.arange(22, 22 + 256) % 256, atol=1e-4)
    noise, other = ((item.example.degraded_BCHW - item.example.clean_BCHW) * 255 for item in images[:2])
    assert abs(float(noise.std()) - 25) < 0.5
    assert not np.array_equal(noise, other)
    again = check_images(str(tmp_path), task=task, given=given)
    assert all(
        np.array_equal(a.example.degraded_BCHW, b.example.degraded_BCHW) for a, b in zip(images, again, strict=True)
    )


def test_no_images_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    for source in (tmp_path, tmp_path / "notes.txt", tmp_path / "nothing-*.png"):
        with pytest.raises(UserError, match="no images there; give a folder, a file or a 'glob' of clean images"):
            check_images(
                str(source),
                task=Denoise(),
                given=NetworkInput(channels=1, alignment=2),
            )


def test_what_does_not_pass_is_not_written_and_said_at_the_end(
    run_folder: Path, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ExportSettings(
        genotype=run_folder / "net.json",
        out=tmp_path / "m.onnx",
        target="openvino",
        precision="fp32,bf16",
        check=str(picture_folder),
        quiet=True,
    )
    # A gate that nothing passes.
    monkeypatch.setattr(
        export_run, "gate_for", lambda *args, **kinds: replace(gate_for(*args, **kinds), max_drop_db=-9)
    )
    with pytest.raises(UserError, match=r"fp32 for openvino loses(.|\n)*bf16 for openvino loses"):
        list(run_export(settings))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def export(in_process: Run) -> Run:
    return partial(in_process, app)


def test_the_command_writes_checked_and_unchecked_models(
    export: Run, run_folder: Path, picture_folder: Path, tmp_path: Path
) -> None:
    arguments = (run_folder / "net.json", "--precision", "fp16,fp32", "--out", tmp_path / "m.onnx")
    result = export(*arguments, "--check", picture_folder)
    assert result.returncode == 0, result.stderr
    assert "lost at sigma 25" in result.stdout
    for name, precision in (("m", "fp16"), ("m.fp32", "fp32")):
        report = json.loads((tmp_path / f"{name}.report.json").read_text())
        assert report["precision"] == precision
        assert len(report["certificate"]["images"]) == 3
        assert report["file_bytes"] == (tmp_path / f"{name}.onnx").stat().st_size
    result = export(*arguments)
    assert result.returncode == 0, result.stderr
    assert "m.onnx: what fp16 costs was not checked on images" in result.stderr
    assert "m.fp32.onnx: what" not in result.stderr
    assert "not checked on images" in result.stdout
    assert json.loads((tmp_path / "m.report.json").read_text())["certificate"] is None


def test_mistakes_exit_with_2(run_folder: Path, mistake: Callable[..., str], tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    Image.fromarray(np.zeros((63, 200), np.uint8)).save(small / "a.png")
    net = run_folder / "net.json"
    for arguments, expected in (
        (["--precision", "fp16,fp8"], "--precision: got 'fp16,fp8', expected one or more of fp32, fp16, bf16"),
        (["--precision", "fp16,fp16"], "each once"),
        (["--check", small], "a.png: 200x63 is smaller than 64x64"),
        (["--check", small, "--random-weights"], "--check: random weights"),
        (["--max-drop", "-1"], "--max-drop: got -1, expected dB of at least 0"),
        (["--max-drop", "nan"], "--max-drop: got nan"),
    ):
        assert expected in mistake(app, net, "--out", tmp_path / "m.onnx", *arguments)
    assert not list(tmp_path.glob("m*"))
