"""The export as a whole: random genotypes, the bundled ones, determinism, checks that bite, mistakes."""

import json
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hinas.errors import UserError
from hinas.export.checks.check_numerics import check_numerics, largest_difference, probed_halo
from hinas.export.commands import app
from hinas.export.freeze import finished_model, frozen_model, plain_export
from hinas.export.graph.onnx_from_network import OPSET, onnx_from_network
from hinas.export.graph.variants import TARGETS
from hinas.export.rewrites.measure_rewrites import Effort, measured_target
from hinas.network_input import NetworkInput
from hinas.runtime import Denoiser
from hinas.runtime.model.checksum import checksum_of
from hinas.runtime.model.manifest import ModelManifest
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.learning.weights import save_weights
from hinas.search.spaces.hinas.space import Activation, NetworkDescription, Operation, Squeeze, Stem
from onnx import numpy_helper

Run = Callable[..., subprocess.CompletedProcess[str]]


def _genotype(document: dict[str, Any]) -> Genotype:
    return genotype_from_json(json.dumps(document))


def _weights(genotype: Genotype, path: Path) -> Path:
    """Weights that do something: random kernels, shaken norms."""
    torch.manual_seed(0)
    network = genotype.built()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else 0.2 * torch.randn_like(tensor))
    save_weights(network, path, identity=genotype.identity, training={"settings": {"sigma_range": [5.0, 50.0]}})
    return path


@pytest.mark.slow
def test_random_genotypes_export_match_torch_and_tile_exactly(
    random_document: Any, tmp_path: Path, genotype_seed: int
) -> None:
    genotype = _genotype(random_document(genotype_seed))
    plain = plain_export(genotype, _weights(genotype, tmp_path / "w.safetensors"))
    channels = genotype.task.channels
    image = np.random.default_rng(genotype_seed).random((67, 93, channels), dtype=np.float32)
    image = image[..., 0] if channels == 1 else image
    for target in TARGETS:
        content, report = finished_model(plain, target)
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        assert 0 < report.parity.largest_difference < 1e-4
        model = onnx.load_from_string(content)
        assert not {node.op_type for node in model.graph.node} & {"BatchNormalization"}
        assert {item.domain for item in model.opset_import} == {""}
        whole = Denoiser.load(path, threads=1)(image, sigma=20)
        tiled = Denoiser.load(path, threads=1, tile=32)(image, sigma=20)
        assert np.abs(whole - image).max() > 1e-3
        np.testing.assert_allclose(tiled, whole, atol=1e-5, rtol=0)


def _choices(genotype: Genotype) -> set[object]:
    """What a random genotype may choose, each with its value; widths, channels and steps by name."""
    network: Any = genotype.network
    chosen: set[object] = {
        f"{genotype.task.channels} channels",
        f"width {network.width}",
        f"widths {network.width_factors}",
        f"stem of {network.stem.channels}",
        f"end of {network.end.channels}",
        f"conditioned {network.conditioning is not None}",
        f"residual {network.residual}",
        f"steps {network.level_strides is not None}",
        network.normalisation,
        network.activation,
        network.squeeze,
        network.stem.resolution,
    }
    return chosen | {operation for cell in network.cells for node in cell.nodes for operation, _ in node}


def test_fifty_random_genotypes_are_of_every_kind(random_document: Any) -> None:
    """What `--genotypes 50` tries: every value of the schema's choices, and several of what it leaves open."""
    chosen = set().union(*(_choices(_genotype(random_document(seed))) for seed in range(50)))
    # Deformable convolutions are not exact in tiles; test_deformation.py is about them.
    named = {*get_args(Operation), *get_args(Activation), *get_args(Squeeze)} - {"def_3x3"}
    for kind, name in ((NetworkDescription, "normalisation"), (Stem, "resolution")):
        named |= set(get_args(kind.model_fields[name].annotation))
    assert named <= chosen
    assert {f"{what} {value}" for what in ("conditioned", "residual", "steps") for value in (False, True)} <= chosen
    assert {"1 channels", "3 channels", "width 3", "width 4", "width 8", "stem of 5", "stem of 8"} <= chosen
    assert sum(str(item).startswith("widths") for item in chosen) == 3


@pytest.fixture(scope="module")
def exported(random_document: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Genotype, Path, bytes]:
    folder = tmp_path_factory.mktemp("export")
    seed = next(s for s in range(100) if "conditioning" in random_document(s)["network"])
    genotype = _genotype(random_document(seed))
    weights = _weights(genotype, folder / "weights.safetensors")
    return genotype, weights, frozen_model(genotype, weights)[0]


def test_same_input_same_bytes(exported: tuple[Genotype, Path, bytes], exporter_itself: None) -> None:
    genotype, weights, content = exported
    assert frozen_model(genotype, weights)[0] == content


def test_the_model_says_everything_about_itself(exported: tuple[Genotype, Path, bytes]) -> None:
    genotype, _, content = exported
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    manifest = ModelManifest.from_metadata(session.get_modelmeta().custom_metadata_map)
    assert genotype_from_json(manifest.genotype) == genotype
    assert manifest.weights == "trained"
    assert manifest.task == genotype.task.name
    assert manifest.conditioned
    assert manifest.sigma_range == (5.0, 50.0)
    assert manifest.channels == genotype.task.channels
    assert [item.name for item in session.get_inputs()] == ["noisy", "sigma"]
    assert [item.name for item in session.get_outputs()] == ["denoised"]
    assert onnx.load_from_string(content).opset_import[0].version == OPSET


def _plain(random_document: Any) -> tuple[Genotype, torch.nn.Module]:
    seed = next(s for s in range(100) if "conditioning" not in random_document(s)["network"])
    genotype = _genotype(random_document(seed))
    torch.manual_seed(0)
    network = genotype.built().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return genotype, network


def test_a_model_that_differs_from_its_network_is_refused(random_document: Any) -> None:
    genotype, network = _plain(random_document)
    given = genotype.network_input
    model = onnx_from_network(network, given)
    assert check_numerics(model, network, given).largest_difference < 1e-4
    kernel = next(item for item in model.graph.initializer if len(item.dims) == 4)
    changed = numpy_helper.to_array(kernel).copy()
    changed.flat[0] += 0.5
    kernel.CopyFrom(numpy_helper.from_array(changed, kernel.name))
    with pytest.raises(UserError, match=r"differs from the network by .*, more than 1e-04; nothing was written"):
        check_numerics(model, network, given)


def test_an_output_that_is_not_a_number_is_seen_wherever_it_comes() -> None:
    feeds = [{"noisy": np.zeros(1, np.float32)} for _ in range(3)]

    def differing(*values: float) -> float:
        answers = iter(values)
        return largest_difference(lambda _: np.array([next(answers)], np.float32), lambda item: item["noisy"], feeds)

    assert differing(0.25, -0.5, 0.125) == 0.5
    for values in ((np.nan, 0, 0), (0.25, np.nan, 0.5), (0.25, 0.5, np.nan), (0.25, np.inf, 0.5)):
        with pytest.raises(UserError, match="in the reduced precision the output is not finite"):
            differing(*values)


def test_the_probe_sees_what_a_known_network_sees() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.Conv2d(2, 1, 5, padding=4, dilation=2))
    assert probed_halo(network, NetworkInput(channels=1), halo=5) == 5
    # A halo that was computed too small is found out: the probe looks further than it.
    assert probed_halo(network, NetworkInput(channels=1), halo=4) == 5


@pytest.fixture
def export(in_process: Run) -> Run:
    return partial(in_process, app)


def test_the_command_writes_model_and_report(
    export: Run, exported: tuple[Genotype, Path, bytes], tmp_path: Path
) -> None:
    genotype, weights, content = exported
    path = tmp_path / "net.json"
    path.write_text(genotype.to_json())
    (tmp_path / "net.safetensors").write_bytes(weights.read_bytes())
    result = export(path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "model.onnx").read_bytes() == content
    report = json.loads((tmp_path / "model.report.json").read_text())
    assert report["genotype_id"] == genotype.identity
    assert report["halo"] > 0
    assert report["cost"]["parameters"] > 0
    assert "multiply-adds per pixel" in result.stdout


def test_several_targets_are_several_files(export: Run, exported: tuple[Genotype, Path, bytes], tmp_path: Path) -> None:
    genotype, weights, content = exported
    path = tmp_path / "net.json"
    path.write_text(genotype.to_json())
    result = export(path, "--weights", weights, "--target", "openvino,ort", "--out", tmp_path / "a.onnx", "--quiet")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a.ort.onnx").read_bytes() == content
    for name, target in (("a", "openvino"), ("a.ort", "ort")):
        report = json.loads((tmp_path / f"{name}.report.json").read_text())
        assert report["target"] == target
        assert report["rewrites"]["fill_output_blocks"] in (0, 1)
        assert report["timings"] == []


def test_what_each_rewrite_brought_is_measured(exported: tuple[Genotype, Path, bytes]) -> None:
    genotype, weights, _ = exported
    plain = plain_export(genotype, weights)
    places = finished_model(plain, "ort")[1].rewrites
    effort = Effort(width=20, height=9, sessions=1, rounds=2)
    timings = measured_target(plain.model, "ort", plain.geometry.alignment, effort)
    assert [item.stage for item in timings] == ["plain", *(name for name, count in places.items() if count)]
    assert timings[0].gain == timings[0].speedup == 1
    assert all(item.cpu_ms > 0 and item.gain > 0 and item.speedup > 0 for item in timings)


def test_random_weights_are_marked_so(export: Run, exported: tuple[Genotype, Path, bytes], tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(exported[0].to_json())
    result = export(path, "--random-weights", "--out", tmp_path / "timing.onnx", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["weights"] == "random"
    properties = {item.key: item.value for item in onnx.load(tmp_path / "timing.onnx").metadata_props}
    assert properties["hinas.weights"] == "random"
    assert properties["hinas.checksum"] == checksum_of((tmp_path / "timing.onnx").read_bytes())


def test_mistakes_exit_with_2_and_leave_old_outputs_alone(
    exported: tuple[Genotype, Path, bytes], random_document: Any, mistake: Callable[..., str], tmp_path: Path
) -> None:
    genotype, weights, _ = exported
    path = tmp_path / "net.json"
    path.write_text(genotype.to_json())
    old = tmp_path / "model.onnx"
    old.write_bytes(b"old")
    other = tmp_path / "other.json"
    other.write_text(json.dumps(random_document(77)))
    broken = tmp_path / "broken.json"
    broken.write_text('{"format": "hinas-genotype", "version": 1}')
    nowhere = tmp_path / "nowhere" / "model.onnx"
    for arguments, expected in (
        ([tmp_path / "none.json"], "cannot be read"),
        ([broken], "$.space: got None, expected one of clearer, hinas"),
        ([path], "no such weights file; train with hinas-train"),
        ([other, "--weights", weights], f"weights of genotype {genotype.identity}"),
        ([path, "--weights", weights, "--random-weights"], "give one of the two"),
        ([path, "--weights", weights, "--out", tmp_path / "model.txt"], "ends in .onnx"),
        ([path, "--weights", weights, "--out", nowhere], "no such folder"),
        ([path, "--weights", weights, "--target", "ort,cuda"], "expected one or more of ort, openvino, tensorrt"),
        ([path, "--weights", weights, "--target", "ort,ort"], "each once"),
        ([path, "--weights", weights, "--target", "tensorrt", "--measure"], "tensorrt cannot be measured here"),
    ):
        assert expected in mistake(app, *arguments)
    assert old.read_bytes() == b"old"
    assert not list(tmp_path.glob(".hinas-*"))
    assert not list(tmp_path.glob("*.report.json"))


def test_ctrl_c_inside_the_exporter_is_ctrl_c(random_document: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    genotype, network = _plain(random_document)

    def wrapping_exporter(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("the exporter failed") from error

    monkeypatch.setattr(torch.onnx, "export", wrapping_exporter)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        onnx_from_network(network, NetworkInput(channels=genotype.task.channels, alignment=2))
    assert signal.getsignal(signal.SIGINT) is handler
