"""hinas-bench --gpu as a person runs it, and the picture it draws."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx
import pytest
from hinas.bench.commands import app
from hinas.bench.devices.gpu_plan import gpu_plan
from hinas.bench.devices.profile import device_profile
from hinas.bench.latency.timed_method import Size
from hinas.bench.methods.lower_precision import manifest_of
from hinas.bench.methods.network_files import network_files
from hinas.bench.methods.open_networks import Variants, open_networks
from hinas.bench.projection.gpu_projections import ProjectedNetwork, project_networks, projected_entry, write_rooflines
from hinas.bench.projection.known_networks import separable_chain
from hinas.bench.projection.roofline import project_latency
from hinas.bench.projection.roofline_plot import roofline_figure
from hinas.bench.results.results_file import read_results
from hinas.errors import UserError
from hinas.export.graph.any_size import with_any_size
from hinas.figures import write_figure
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]

SIZE = Size(width=64, height=48)


@pytest.fixture
def bench(in_process: Run) -> Run:
    return partial(in_process, app)


def test_projections_stand_beside_measurements_and_say_what_they_are(
    bench: Run, models: dict[str, Path], tmp_path: Path
) -> None:
    result = bench(
        "--model", models["gray"], "--gpu", "GTX 1080 Ti", "--gpu", "h200", "--gpu", "H200 SXM",
        "--size", "48x32,64x64", "--rounds", "1", "--out", tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "PROJECTED, not measured" in result.stdout
    entries = read_results(tmp_path / "results.json").entries
    assert [entry.origin for entry in entries].count("measured") == 2
    projected = [entry for entry in entries if entry.origin == "projected"]
    assert {(entry.device, entry.precision) for entry in projected} == {
        ("GeForce GTX 1080 Ti", "fp32"),
        ("GeForce GTX 1080 Ti", "int8"),
        *(("H200 SXM", precision) for precision in ("fp32", "fp16", "bf16", "int8")),
    }
    assert len(projected) == 2 * 6
    model = onnx.load(models["gray"])
    for entry in projected:
        assert entry.latency_ms is not None and entry.latency_range_ms is not None and entry.precision is not None
        width, height = map(int, str(entry.size).split("x"))
        expected = project_latency(
            model, Size(width=width, height=height), device_profile(str(entry.device)), entry.precision
        )
        assert entry.latency_ms.p50 == pytest.approx(expected.latency_ms)
        assert entry.latency_range_ms == pytest.approx(expected.range_ms)
        assert entry.latency_ms.samples == ()
        assert "roofline" in entry.source
    for name in ("roofline-gray.png", "roofline-gray-h200.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 300


def test_a_projection_says_which_network_it_is_of_whatever_the_file_was_opened_on(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    raw, larger = (
        tiny(tmp_path / "raw.onnx", channels=4, conditioned=False, sigma_range=None),
        tiny(tmp_path / "larger.onnx", scale=2),
    )
    files = network_files([str(raw), str(larger)], tmp_path)
    networks = open_networks(files, Variants(backends=("cpu", "openvino")), tmp_path)
    assert {network.name for network in networks} >= {"raw openvino fp32", "larger cpu fp32"}
    entries = map(projected_entry, project_networks(networks, [SIZE], [device_profile("1080ti")]))
    assert {(entry.model, entry.task, entry.channels) for entry in entries} == {
        ("raw", "raw", 4),
        ("larger", "super-resolution x2", 1),
    }


def test_every_model_has_a_roofline_of_its_own(tiny: Callable[..., Path], tmp_path: Path) -> None:
    items: list[ProjectedNetwork] = []
    for name in ("net.1.onnx", "net.2.onnx", "a/net.onnx", "b/net.onnx", "a-net.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (network,) = open_networks(network_files([str(tiny(tmp_path / name))], tmp_path), Variants(), tmp_path)
        items += project_networks([replace(network, model=name)], [SIZE], [device_profile("1080ti")])
    written = [file.name for file in write_rooflines(items, tmp_path)]
    assert written == [f"roofline-{name}.png" for name in ("net.1", "net.2", "a-net", "b-net", "a-net-2")]


def test_an_unknown_gpu_is_refused_before_anything_is_measured(
    bench: Run, models: dict[str, Path], tmp_path: Path
) -> None:
    result = bench("--model", models["gray"], "--gpu", "voodoo", "--out", tmp_path / "out")
    assert result.returncode == 2
    assert "--gpu voodoo: no such GPU in the table; there are 980 (GeForce GTX 980), 1080ti" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_in_a_precision_the_gpu_lacks_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    model = onnx.load(models["gray"])
    precision = next(item for item in model.metadata_props if item.key == "hinas.precision")
    precision.value = "int8"
    onnx.save(model, tmp_path / "reduced.onnx")
    networks = open_networks(network_files([str(tmp_path / "reduced.onnx")], tmp_path), Variants(), tmp_path)
    assert len(project_networks(networks, [SIZE], [device_profile("h200")])) == 1
    with pytest.raises(UserError, match=r"reduced on GeForce GTX 980: .*no usable int8"):
        project_networks(networks, [SIZE], [device_profile("980")])


def test_a_model_that_cannot_be_projected_is_left_out_and_said_to_be(models: dict[str, Path], tmp_path: Path) -> None:
    usual = onnx.load(MODELS_FOLDER / "gray-fast.onnx")
    model = with_any_size(usual, alignment=manifest_of(usual).alignment, scale=1)
    entries = [item for item in model.metadata_props if item.key != "hinas.checksum"]
    del model.metadata_props[:]
    model.metadata_props.extend(entries)
    onnx.save(model, tmp_path / "any.onnx")
    files = network_files([str(tmp_path / "any.onnx"), str(models["gray"])], tmp_path)
    notes: list[str] = []
    networks = open_networks(files, Variants(), tmp_path)
    found = project_networks(networks, [SIZE], [device_profile("980")], note=notes.append)
    assert [item.network.model for item in found] == ["gray"]
    [note] = notes
    assert note.startswith("note: any is not projected: the shape of ") and "without --any-size" in note


def test_a_gpu_that_is_here_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"tensorrt": "10.0.1"}
    monkeypatch.setattr("hinas.bench.devices.gpu_plan.installed_version", lambda first, *_: versions.get(first))
    profile = device_profile("1080ti")
    absent = gpu_plan([profile], is_present=lambda _: False, installed=lambda: ("cuda",))
    assert absent.notes == ("warning: TensorRT 10.0.1 does not run on GeForce GTX 1080 Ti; the last that does is 8.6",)
    assert (absent.backends, absent.projected) == ((), (profile,))
    other = device_profile("h200")
    here = gpu_plan([profile, other], is_present=lambda asked: asked is profile, installed=lambda: ("tensorrt", "cuda"))
    assert (here.backends, here.projected) == (("tensorrt", "cuda"), (other,))
    assert "is measured with tensorrt, cuda" in here.notes[-1]
    bare = gpu_plan([profile], is_present=lambda _: True, installed=lambda: ())
    assert (bare.backends, bare.projected) == ((), (profile,))
    assert "its latencies are projected" in bare.notes[-1]


def test_the_picture_says_that_nothing_was_measured(tmp_path: Path) -> None:
    projection = project_latency(separable_chain(depth=2, width=8), SIZE, device_profile("a100"), "fp16")
    for name in ("one", "two"):
        write_figure(roofline_figure(projection, title="Title"), tmp_path / f"{name}.svg")
    drawing = (tmp_path / "one.svg").read_text()
    for words in ("Title", "projected, not measured", "2039 GB/s", "156 TMAC/s", "depthwise convolution"):
        assert words in drawing
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
