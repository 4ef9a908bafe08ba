"""The TensorRT build from model file to engine file, driven with a stand-in for TensorRT."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import onnx
import pytest
from hinas.errors import UserError
from hinas.export.graph.model_interface import with_uint8_interface
from hinas.export.tensorrt import engine_beside_model, engine_from_onnx
from hinas.export.tensorrt.build_progress import progress_monitor
from hinas.export.tensorrt.build_request import BuildRequest, input_shapes, request_from_texts
from hinas.export.tensorrt.engine_beside_model import EngineReport
from hinas.export.tensorrt.engine_from_onnx import engine_for
from hinas.runtime.engines.engine_file import read_engine
from hinas.runtime.engines.gpu import Gpu
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from hinas.runtime.model.manifest import ModelManifest
from hinas.runtime.tiling.planner import plan_tiles
from hypothesis import given, settings
from hypothesis import strategies as st

VERSIONS = ("8.6.1", "10.16.1.11", "11.4.0.106")
GRAY = MODELS_FOLDER / "gray.onnx"
COLOR = MODELS_FOLDER / "color.onnx"
SMALL = BuildRequest(tile=64)


@pytest.fixture
def build(tmp_path: Path, gpus: dict[str, Gpu]) -> Callable[..., Path]:
    """(trt, model, request) -> the engine file, in a cache of this test."""

    def run(trt: Any, model: Path = GRAY, request: BuildRequest = SMALL, gpu: str = "h200") -> Path:
        return engine_for(model, request, trt=trt, gpu=gpus[gpu], cache_folder=tmp_path / "cache", quiet=True)

    return run


def _with_manifest(model: Path, path: Path, **changes: Any) -> Path:
    proto = onnx.load(model)
    manifest = ModelManifest.from_metadata({item.key: item.value for item in proto.metadata_props})
    onnx.helper.set_model_props(proto, replace(manifest, **changes).to_metadata())
    onnx.save(proto, path)
    return path


def _member(enumeration: Any, flags: Iterable[str]) -> int:
    return sum(1 << int(getattr(enumeration, flag)) for flag in flags)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_model_becomes_an_engine_file_that_says_what_it_is(
    build: Callable[..., Path], stand_in: Callable[..., Any], version: str
) -> None:
    trt = stand_in(version)
    request = BuildRequest(
        tile=(60, 100), batch=(1, 2, 4), optimisation_level=4, workspace_bytes=2**30, version_compatible=True,
        hardware_compatible=True,
    )  # fmt: skip
    engine = read_engine(build(trt, COLOR, request))
    assert engine.plan == b"plan " * 100
    assert engine.key.tensorrt_version == version
    assert engine.manifest.channels == 3
    assert json.loads(EngineReport(engine).to_json())["layers"] == [{"Name": "a", "LayerType": "Convolution"}]
    assert "1 Convolution" in EngineReport(engine).to_table()
    assert "1x3x60x100 .. 2x3x60x100 .. 4x3x60x100" in EngineReport(engine).to_table()

    [made] = trt.builds
    config = made["config"]
    strong = {"8": "EXPLICIT_BATCH", "10": "STRONGLY_TYPED"}.get(version.split(".")[0])
    assert made["network"]._flags == _member(trt.NetworkDefinitionCreationFlag, [strong] if strong else [])
    assert config._flags == {"VERSION_COMPATIBLE"}
    assert config._pools == {trt.MemoryPoolType.WORKSPACE: 2**30}
    assert config.builder_optimization_level == 4
    assert config.hardware_compatibility_level == trt.HardwareCompatibilityLevel.AMPERE_PLUS
    noisy = tuple((batch, 3, 60, 100) for batch in (1, 2, 4))
    assert config._profiles == [{"noisy": noisy, "sigma": ((1,), (2,), (4,))}]


def test_the_report_of_an_engine_names_the_axes_that_it_takes(
    build: Callable[..., Path], stand_in: Callable[..., Any], tmp_path: Path
) -> None:
    assert "input (N, C, H, W)" in EngineReport(read_engine(build(stand_in("11.4.0.106")))).to_table()
    pixels = tmp_path / "pixels.onnx"
    onnx.save(with_uint8_interface(onnx.load(GRAY)), pixels)
    _with_manifest(pixels, pixels, io="uint8")
    engine = read_engine(build(stand_in("11.4.0.106"), pixels, BuildRequest(tile=(60, 100))))
    assert "input (N, H, W, C)  1x64x104x1" in EngineReport(engine).to_table()


def test_an_engine_is_built_once_and_again_for_every_other_wish(
    build: Callable[..., Path], stand_in: Callable[..., Any], tmp_path: Path
) -> None:
    trt = stand_in("10.16.1.11")
    path = build(trt)
    assert build(trt) == path
    assert len(trt.builds) == 1
    path.write_bytes(path.read_bytes()[:-7])
    assert build(trt) == path
    assert len(trt.builds) == 2
    others = [
        build(trt, COLOR),
        build(trt, gpu="2080ti"),
        build(stand_in("10.4.0")),
        build(trt, _with_manifest(GRAY, tmp_path / "other.onnx", sigma_range=(0.0, 50.0))),
        *(
            build(trt, request=replace(SMALL, **changes))
            for changes in (
                {"tile": 66}, {"batch": (1, 1, 2)}, {"precision": "fp16"}, {"optimisation_level": 2},
                {"workspace_bytes": 1}, {"version_compatible": True}, {"hardware_compatible": True},
            )
        ),
    ]  # fmt: skip
    assert len({path, *others}) == 1 + len(others)


@pytest.mark.parametrize(
    ("version", "model", "asked", "expected"),
    [
        ("8.6.1", "fp32", None, {"EXPLICIT_BATCH"}),
        ("8.6.1", "fp32", "fp16", {"EXPLICIT_BATCH", "FP16"}),
        ("8.6.1", "fp16", None, {"EXPLICIT_BATCH", "FP16"}),
        ("8.6.1", "int8", None, {"EXPLICIT_BATCH", "INT8"}),
        ("8.6.1", "bf16", None, "TensorRT 8.6 has no bf16; ask for fp16 or fp32, or install TensorRT 10 or 11"),
        ("8.6.1", "fp32", "int8", "cannot make an int8 engine of an fp32 model file; export the model with .* int8"),
        ("10.16.1.11", "fp32", "fp16", {"FP16"}),
        ("10.16.1.11", "fp32", "bf16", {"BF16"}),
        ("10.16.1.11", "fp16", "fp16", {"STRONGLY_TYPED"}),
        ("10.16.1.11", "int8", None, {"STRONGLY_TYPED"}),
        ("10.16.1.11", "fp16", "fp32", "cannot make an fp32 engine of an fp16 model file"),
        ("11.4.0.106", "bf16", None, set()),
        ("11.4.0.106", "fp32", "fp16", r"TensorRT 11\.4 cannot make an fp16 engine .* with --precision fp16"),
    ],
)
def test_precision_goes_each_versions_way(
    build: Callable[..., Path],
    stand_in: Callable[..., Any],
    tmp_path: Path,
    version: str,
    model: str,
    asked: Any,
    expected: set[str] | str,
) -> None:
    trt = stand_in(version)
    path = _with_manifest(GRAY, tmp_path / "model.onnx", precision=model)
    request = replace(SMALL, precision=asked)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            build(trt, path, request)
        return
    assert read_engine(build(trt, path, request)).key.precision == (asked or model)
    of_the_network = {"EXPLICIT_BATCH", "STRONGLY_TYPED"} & expected
    assert trt.builds[0]["network"]._flags == _member(trt.NetworkDefinitionCreationFlag, of_the_network)
    assert trt.builds[0]["config"]._flags == expected - of_the_network


@pytest.mark.parametrize(
    ("version", "gpu", "request_changes", "expected"),
    [
        ("8.6.1", "1080ti", {}, None),
        ("10.0.1", "1080ti", {}, r"TensorRT 10\.0 does not run on NVIDIA GeForce GTX 1080 Ti .* tensorrt==8\.6\.1"),
        ("11.4.0.106", "1080ti", {}, r"TensorRT 11\.4 does not run .*capability 6\.1\); install tensorrt==8\.6\.1"),
        ("8.6.1", "v100", {}, None),
        ("10.4.0", "v100", {}, None),
        ("10.5.0", "v100", {}, r"does not run on Tesla V100.*; install 'tensorrt==10\.4\.\*'"),
        ("11.4.0.106", "2080ti", {}, None),
        ("10.16.1.11", "2080ti", {"precision": "bf16"}, "has no bf16, which begins with compute capability 8.0"),
        ("11.4.0.106", "2080ti", {"hardware_compatible": True}, "cannot build hardware-compatible engines"),
        ("8.5.3", "h200", {}, r"TensorRT 8\.5\.3 is not supported; install tensorrt==8\.6\.1, 10\.x or 11\.x"),
        ("9.2.0", "h200", {}, r"TensorRT 9\.2\.0 is not supported"),
    ],
)
def test_what_cannot_go_together_is_said_before_the_build(
    build: Callable[..., Path],
    stand_in: Callable[..., Any],
    version: str,
    gpu: str,
    request_changes: dict[str, Any],
    expected: str | None,
) -> None:
    trt = stand_in("10.16.1.11" if version[0] == "9" else version)
    trt.__version__ = version
    request = replace(SMALL, **request_changes)
    if expected is None:
        build(trt, request=request, gpu=gpu)
        return
    with pytest.raises(UserError, match=expected) as raised:
        build(trt, request=request, gpu=gpu)
    assert "\n" not in str(raised.value)
    assert trt.uses == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_parsers_errors_name_the_node(
    build: Callable[..., Path], stand_in: Callable[..., Any], version: str, tmp_path: Path
) -> None:
    trt = stand_in(version, refused="DepthToSpace")
    name = next(node.name for node in onnx.load(GRAY).graph.node if node.op_type == "DepthToSpace")
    with pytest.raises(UserError, match=rf"cannot read the model: {name} \(DepthToSpace\): no importer for Depth"):
        build(trt)
    assert not list(tmp_path.rglob("*.engine"))


def test_an_operator_that_8_6_had_none_for_is_a_mistake_to_mend(
    build: Callable[..., Path], stand_in: Callable[..., Any], tmp_path: Path
) -> None:
    model = onnx.load(GRAY)
    parts = onnx.helper.make_node("Split", ["denoised_whole"], ["top", "bottom"], "halves", axis=2, num_outputs=2)
    joined = onnx.helper.make_node("Concat", ["top", "bottom"], ["denoised"], "joined", axis=2)
    for node in model.graph.node:
        node.output[:] = ["denoised_whole" if name == "denoised" else name for name in node.output]
    model.graph.node.extend([parts, joined])
    entries = {item.key: item.value for item in model.metadata_props if item.key != "hinas.checksum"}
    onnx.helper.set_model_props(model, entries)
    path = tmp_path / "halves.onnx"
    onnx.save(model, path)
    build(stand_in("10.16.1.11"), path)
    expected = (
        r"halves\.onnx: .* opset 17, the newest that TensorRT 8\.6 takes \(No Adapter .* for Split\); take Tensor"
    )
    with pytest.raises(UserError, match=expected):
        build(stand_in("8.6.1"), path)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_builder_says_is_shown(
    build: Callable[..., Path], stand_in: Callable[..., Any], version: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="could not build the engine: no implementation for node /end/Conv"):
        build(stand_in(version, fails="no implementation for node /end/Conv"))
    with pytest.raises(UserError, match="cannot start on this machine: CUDA initialization failure with error: 35"):
        build(stand_in(version, starts=False))
    assert not list(tmp_path.rglob("*.engine"))
    assert not list(tmp_path.rglob("*.timing"))


def test_measurements_of_one_build_serve_the_next(
    build: Callable[..., Path], stand_in: Callable[..., Any], tmp_path: Path
) -> None:
    trt = stand_in("10.16.1.11")
    build(trt)
    [timings] = (tmp_path / "cache").glob("*.timing")
    whole = timings.read_bytes()
    for content, expected in ((whole, b"timings of 10.16.1.11"), (whole[:-3], b""), (b"", b"")):
        timings.write_bytes(content)
        build(trt, request=replace(SMALL, workspace_bytes=len(trt.builds)))
        assert trt.builds[-1]["config"]._timing._content == expected
    # Another TensorRT never sees them; should it, because files were moved, it begins anew.
    other = stand_in("10.4.0")
    build(other)
    assert other.builds[-1]["config"]._timing._content == b""
    for path in (tmp_path / "cache").glob("*.timing"):
        path.write_bytes(whole)
    build(other, request=replace(SMALL, tile=66))
    assert other.builds[-1]["config"]._timing._content == b""


def test_measurements_that_cannot_be_kept_do_not_cost_the_engine(
    build: Callable[..., Path], stand_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: bytes, path: Path) -> None:
        raise UserError(f"{path}: could not be written (No space left on device)")

    monkeypatch.setattr(engine_from_onnx, "write_timing_cache", full)
    assert read_engine(build(stand_in("10.16.1.11"))).plan


@pytest.mark.parametrize("version", VERSIONS)
def test_ctrl_c_ends_a_build_and_leaves_nothing(
    build: Callable[..., Path], stand_in: Callable[..., Any], version: str, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(stand_in(version, during_build=lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert not list(tmp_path.rglob("*.engine"))
    assert build(stand_in(version)).is_file()


def test_the_progress_monitor_shows_bars_on_a_terminal_alone_and_stops_the_build_when_told(
    stand_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert progress_monitor(stand_in("8.6.1"), Event(), quiet=False) is None
    for is_terminal, quiet in ((False, False), (True, True), (True, False)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda is_terminal=is_terminal: is_terminal)
        stop = Event()
        monitor = progress_monitor(stand_in("11.4.0.106"), stop, quiet=quiet)
        assert monitor is not None
        monitor.phase_start("Building Engine", None, 2)
        monitor.phase_start("Tactics", "Building Engine", 30)
        assert monitor.step_complete("Tactics", 0) is True
        monitor.phase_finish("Tactics")
        stop.set()
        assert monitor.step_complete("Building Engine", 0) is False
        monitor.phase_finish("Building Engine")
        shown = capsys.readouterr().err
        assert ("Building Engine" in shown and "Tactics" in shown) == (is_terminal and not quiet)


def test_files_that_are_no_models_are_named(
    build: Callable[..., Path], stand_in: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "damaged.onnx").write_bytes(GRAY.read_bytes()[:5000])
    plain = onnx.load(GRAY)
    del plain.metadata_props[:]
    onnx.save(plain, tmp_path / "plain.onnx")
    for name, expected in (
        ("none.onnx", r"none\.onnx: cannot read the model file"),
        ("damaged.onnx", r"damaged\.onnx: damaged, or not an ONNX model"),
        ("plain.onnx", r"plain\.onnx: not a hinas model"),
    ):
        with pytest.raises(UserError, match=expected):
            build(stand_in("10.16.1.11"), tmp_path / name)


@settings(deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    tile=st.integers(1, 90),
    halo=st.integers(0, 30),
    alignment=st.sampled_from([1, 2, 4, 8]),
)
def test_the_profile_holds_every_window_that_the_runtime_cuts(
    height: int, width: int, tile: int, halo: int, alignment: int
) -> None:
    manifest = ModelManifest(
        channels=3, halo=halo, alignment=alignment, conditioned=False, weights="random", genotype="{}"
    )
    [noisy] = input_shapes(manifest, BuildRequest(tile=tile))
    window = (1, 3, *plan_tiles(height, width, tile=tile, halo=halo, alignment=alignment).window_shape)
    assert all(low <= side <= high for low, side, high in zip(noisy.smallest, window, noisy.largest, strict=True))
    large = plan_tiles(20 * tile, 20 * tile, tile=tile, halo=halo, alignment=alignment).window_shape
    assert all(side <= most for side, most in zip(large, noisy.largest[2:], strict=True))
    [fixed] = input_shapes(manifest, BuildRequest(tile=(height, width)))
    assert fixed.smallest == fixed.typical == fixed.largest
    assert fixed.typical[2:] == plan_tiles(height, width, tile=None, halo=halo, alignment=alignment).window_shape


def _from_texts(**texts: Any) -> BuildRequest:
    given: dict[str, Any] = {
        "tile": "512", "batch": "1", "optimisation_level": 3, "workspace": None, "version_compatible": False,
        "hardware_compatible": False,
    }  # fmt: skip
    return request_from_texts(**given | texts)


def test_options_are_read_as_they_are_written() -> None:
    assert _from_texts() == BuildRequest()
    assert _from_texts(tile="481x321").tile == (321, 481)
    assert _from_texts(batch="8").batch == (8, 8, 8)
    assert _from_texts(batch="1:4:8").batch == (1, 4, 8)
    assert _from_texts(workspace="2GiB").workspace_bytes == 2**31


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"tile": "big"}, "--tile big: allowed: pixels such as 512, or WIDTHxHEIGHT"),
        ({"tile": "4x"}, "--tile 4x"),
        ({"tile": "x4"}, "--tile x4"),
        ({"tile": "4x4x4"}, "--tile 4x4x4"),
        ({"tile": "0"}, r"tile \(0,\): allowed: at least 1 pixel"),
        ({"batch": "1:2"}, "--batch 1:2: allowed: a number of windows, or FEWEST:TYPICAL:MOST"),
        ({"batch": "4:2:8"}, r"batch \(4, 2, 8\): allowed: 1 <= fewest <= typical <= most"),
        ({"optimisation_level": 6}, "optimisation level 6: allowed: 0 to 5"),
        ({"workspace": "much"}, "--workspace much: allowed: a size such as 2GiB"),
    ],
)
def test_options_that_cannot_be_read_are_named(texts: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        _from_texts(**texts)


def test_the_command_writes_engine_and_report_beside_the_model(
    stand_in: Callable[..., Any], gpus: dict[str, Gpu], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trt = stand_in("11.4.0.106")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(engine_beside_model, "require_libraries", lambda *_, **__: None)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setattr(engine_beside_model, "first_gpu", lambda: gpus["h200"])
    model = tmp_path / "gray.onnx"
    model.write_bytes(GRAY.read_bytes())
    path, engine = engine_beside_model.write_engine_beside(model, SMALL, quiet=True)
    assert path == tmp_path / "gray.engine"
    assert read_engine(path) == engine
    assert json.loads((tmp_path / "gray.engine.json").read_text())["key"]["gpu"]["name"] == "NVIDIA H200"
