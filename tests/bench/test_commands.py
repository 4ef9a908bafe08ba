"""hinas-bench as a person runs it."""

import csv
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from hinas.bench.bench_settings import BenchSettings, QualitySettings
from hinas.bench.commands import app
from hinas.bench.latency.measure_latency import Rounds
from hinas.bench.latency.progress import Listener
from hinas.bench.latency.timed_method import Size
from hinas.bench.peers.peer_registry import PEERS, peer_shapes
from hinas.bench.quality.clean_images import evenly_chosen, find_images
from hinas.bench.quality.protocol import noisy_image
from hinas.bench.quality.psnr_ssim import psnr_db
from hinas.bench.results.entries import Entry
from hinas.bench.results.result_texts import results_table
from hinas.bench.results.results_file import read_results
from hinas.bench.session import run_bench
from hinas.errors import UserError
from hinas.runtime import Denoiser
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import save_file

Run = Callable[..., subprocess.CompletedProcess[str]]


def _variant(entry: Entry) -> tuple[str, str | None]:
    return entry.model, entry.backend


@pytest.fixture
def bench(in_process: Run) -> Run:
    return partial(in_process, app)


def test_latency_and_quality_of_two_models(
    bench: Run, models: dict[str, Path], picture_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    result = bench(
        "--model", models["gray"], "--model", models["color1"], "--data", picture_folder, "--sigma", "30",
        "--size", "48x32", "--rounds", "3", "--out", out,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "PSNR dB" in result.stdout
    results = read_results(out / "results.json")
    latencies = [entry for entry in results.entries if entry.latency_ms]
    assert {entry.model for entry in latencies} == {"gray", "color1"}
    for entry in latencies:
        assert entry.latency_ms is not None
        assert entry.latency_ms.runs == len(entry.latency_ms.samples) >= 3
        assert entry.threads == 1
        assert entry.latency_ms.cold_start is not None

    # The figures are those of the images: every one computed again here.
    rows = list(csv.DictReader((out / "quality.csv").open()))
    expected = []
    for path in sorted(picture_folder.glob("*.png")):
        clean = np.asarray(Image.open(path).convert("L"))
        noisy = noisy_image(clean, 30, image=path, noise="standard")
        output = Denoiser.load(models["gray"], threads=1)(noisy / np.float32(255), sigma=30) * np.float32(255)
        expected.append(psnr_db(output, clean))
    got = [float(row["psnr_db"]) for row in rows if row["model"] == "gray"]
    assert got == pytest.approx(expected, abs=1e-6)
    mean = next(entry for entry in results.entries if entry.model == "gray" and entry.psnr_db is not None)
    assert mean.psnr_db == pytest.approx(np.mean(expected))
    assert mean.protocol == "standard"
    assert mean.num_images == 3
    for name in ("tradeoff.png", "tradeoff.svg", "results.csv"):
        assert (out / name).stat().st_size > 100
    report = (out / "report.html").read_text(encoding="utf-8")
    assert report.count('class="compare"') == 3
    assert "denoised by color1" in report


def test_backends_peers_and_a_foreign_model_in_one_run(
    models: dict[str, Path], picture_folder: Path, tmp_path: Path
) -> None:
    out, foreign = tmp_path / "results", tmp_path / "theirs.onnx"
    shape = ["N", 1, "H", "W"]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "theirs", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), foreign)
    weights = tmp_path / "ffdnet.safetensors"
    tensors = {name: np.zeros(shape, np.float32) for name, shape in peer_shapes(PEERS["ffdnet"]).items()}
    save_file(tensors, weights)
    request = BenchSettings(
        models=(str(models["gray"]), str(foreign)),
        quality=QualitySettings(data=str(picture_folder), limit=None, sigmas=(30.0,), noise="standard"),
        sizes=(Size(width=48, height=32),),
        backends=("cpu", "openvino"),
        precisions=(),
        gpus=(),
        peers="ffdnet,dncnn,nlm",
        peer_weights={"ffdnet": weights},
        threads=1,
        rounds=Rounds(fewest=1, seconds=0),
        out=out,
    )
    notes: list[str] = []
    outcome = run_bench(request, Listener(note=notes.append))
    (told,) = [note for note in notes if note.startswith("note: DnCNN-S cpu fp32 has random weights")]
    assert told.endswith("github.com/cszn/KAIR (model_zoo); give them as --peer-weights dncnn=FILE.safetensors")
    entries = outcome.results.entries
    latencies = {_variant(entry): entry for entry in entries if entry.latency_ms}
    scores = {_variant(entry): entry for entry in entries if entry.ssim and entry.model != "noisy input"}
    networks = {(name, backend) for name in ("gray", "theirs", "FFDNet", "DnCNN-S") for backend in ("cpu", "openvino")}
    assert {(entry.model, entry.backend) for entry in latencies.values()} == {*networks, ("NLM", None)}
    for entry in latencies.values():
        assert entry.threads == 1 and entry.device
        assert (entry.share_of_peak is None) == (not entry.macs_per_pixel)
    # Random weights have no quality.
    scored = {key: entry for key, entry in scores.items() if entry.backend}
    assert {entry.model for entry in scored.values()} == {"gray", "theirs", "FFDNet"}
    assert set(scored) < set(latencies)
    [noisy] = [entry for entry in entries if entry.model == "noisy input"]
    assert noisy.psnr_db is not None
    for entry in scored.values():
        if entry.model == "theirs":
            assert entry.psnr_db == pytest.approx(noisy.psnr_db, abs=1e-4), "it gives the image back"
    for words in ("gray openvino fp32", "DnCNN-S cpu fp32 (random weights)", "% of peak", "spread %"):
        assert words in results_table(outcome.results)


def test_without_images_the_latency_alone_is_measured(bench: Run, models: dict[str, Path], tmp_path: Path) -> None:
    result = bench("--model", models["gray"], "--size", "16x16", "--rounds", "1", "--out", tmp_path / "r", "--json")
    assert result.returncode == 0, result.stderr
    entries = json.loads(result.stdout)["entries"]
    assert len(entries) == 1
    assert entries[0]["psnr_db"] is None
    assert not (tmp_path / "r" / "tradeoff.png").exists()


def test_without_rounds_the_quality_alone_is_measured(
    bench: Run, models: dict[str, Path], picture_folder: Path, tmp_path: Path
) -> None:
    result = bench(
        "--model", models["gray"], "--data", picture_folder, "--sigma", "30", "--rounds", "0", "--out", tmp_path / "out"
    )
    assert result.returncode == 0, result.stderr
    entries = read_results(tmp_path / "out" / "results.json").entries
    assert {entry.model for entry in entries if entry.psnr_db is not None} == {"gray", "noisy input"}
    assert not any(entry.latency_ms for entry in entries)
    assert not (tmp_path / "out" / "tradeoff.png").exists()
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Which model at which latency" not in report and "Before and after" in report


def test_mistakes_exit_with_2_and_a_line(
    models: dict[str, Path], picture_folder: Path, mistake: Callable[..., str], tmp_path: Path
) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    empty = tmp_path / "empty"
    empty.mkdir()
    out = tmp_path / "out"
    gray = models["gray"]
    for arguments, expected in (
        (["--model", "nosuch"], "nosuch"),
        (["--model", text], "text.onnx"),
        (["--model", gray, "--size", "big"], "is no size; expected WIDTHxHEIGHT"),
        (["--model", gray, "--size", "999999x999999"], "choose a smaller size"),
        (["--model", gray, "--sigma", "30"], "give them with --data IMAGES"),
        (["--model", gray, "--data", empty], "no usable image"),
        (["--model", gray, "--data", tmp_path / "nowhere"], "no such file or folder"),
        (["--model", gray, "--data", picture_folder, "--sigma", "loud"], "is no noise level"),
        (["--model", models["narrow"], "--data", picture_folder, "--sigma", "70"], "no model has trained weights"),
        (["--model", gray, "--rounds", "-1"], "--rounds"),
        (["--model", gray, "--rounds", "0"], "--rounds 0: measures no latency"),
        (["--operations", text, "--rounds", "0"], "--rounds 0: no latency would be measured"),
        (["--figure", "14a", "--data", picture_folder, "--rounds", "0"], "--rounds 0 measures none"),
        (["--model", gray, "--backend", "auto"], "--backend: got 'auto', expected one or more of tensorrt, cuda"),
        (["--model", gray, "--backend", "cpu,tensorrt"], "--backend tensorrt needs tensorrt"),
        (["--model", gray, "--precision", "fp8"], "--precision: got 'fp8'"),
        (["--model", gray, "--precision", "int8"], "give --data IMAGES"),
        (["--model", gray, "--peers", "resnet"], "no peer 'resnet'"),
        (["--model", gray, "--peer-weights", "ffdnet=x"], "name them with --peers"),
    ):
        assert expected in mistake(app, *arguments, "--out", out)
    assert not (out / "results.json").exists()


def test_images_are_chosen_evenly_and_unusable_ones_named(picture_folder: Path, tmp_path: Path) -> None:
    files = [Path(f"{index:03}.png") for index in range(200)]
    assert evenly_chosen(files, 25) == files[::8]
    assert evenly_chosen(files, None) == files
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    Image.new("L", (5, 50)).save(tmp_path / "thin.png")
    with pytest.raises(UserError, match="no usable image"):
        find_images(str(tmp_path))
    Image.new("L", (50, 50)).save(tmp_path / "whole.png")
    found = find_images(str(tmp_path))
    assert [file.name for file in found.files] == ["whole.png"]
    assert len(found.warnings) == 2
    assert len(find_images(str(picture_folder / "*.png")).files) == 3
