"""`--precision int8`: which file it takes, what that loses, and what is said where there is none."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.backends.open_backend import open_backend, twin_in_fp32
from hinas.runtime.denoise_command import app
from hinas.runtime.model import int8_files
from hinas.runtime.model.bundled_models import MODELS_FOLDER, bundled_names
from hinas.runtime.model.int8_files import Int8Choice, int8_choice, int8_file
from hinas.runtime.model.int8_processors import is_known_to_lack_vnni
from PIL import Image
from stand_ins.model_files import written_as

Models = dict[str, Path]
EXAMPLES = Path(__file__).parents[3] / "examples"
DENOISERS = ("gray", "gray-best", "gray-fast", "color", "color-best", "color-fast", "photo", "photo-fast")
TARGETS = ("ort", "openvino")
MOST_LOST_DB = 0.1
"""The gate allows 0.05 on average over images and for each level; one image may lose more."""


def example(name: str, folder: Path) -> tuple[Path, np.ndarray]:
    """(noisy file, clean pixels), both of the kind that a model takes, a part of the picture."""
    mode, part = "L" if name.startswith("gray") else "RGB", (96, 40, 288, 232)
    with Image.open(EXAMPLES / "noisy.png") as noisy, Image.open(EXAMPLES / "clean.png") as clean:
        noisy.crop(part).convert(mode).save(folder / "noisy.png")
        return folder / "noisy.png", np.asarray(clean.crop(part).convert(mode), np.float64)


def psnr_db(file: Path, clean: np.ndarray) -> float:
    with Image.open(file) as picture:
        return float(10 * np.log10(255**2 / np.mean((np.asarray(picture, np.float64) - clean) ** 2)))


def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_files, "find_spec", lambda _: None)


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
@pytest.mark.parametrize("name", DENOISERS)
def test_every_bundled_denoiser_runs_in_int8_and_loses_little(
    in_process: Callable[..., Any], tmp_path: Path, name: str, backend: str
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    noisy, clean = example(name, tmp_path)
    options = ["--model", name, "--backend", backend, "--sigma", "30", "--threads", "1", "--json"]
    said = in_process(app, noisy, tmp_path / "int8.png", *options, "--precision", "int8")
    assert said.returncode == 0, said.stderr
    assert re.search(", int8( and bf16)?, ", json.loads(said.stdout)["backend"])
    assert in_process(app, noisy, tmp_path / "fp32.png", *options).returncode == 0
    reduced, full = (psnr_db(tmp_path / file, clean) for file in ("int8.png", "fp32.png"))
    assert abs(full - reduced) < MOST_LOST_DB
    assert (tmp_path / "int8.png").read_bytes() != (tmp_path / "fp32.png").read_bytes()


@pytest.mark.parametrize("model", ["auto", "fast", "best"])
def test_the_model_that_a_picture_gets_runs_in_int8(in_process: Callable[..., Any], tmp_path: Path, model: str) -> None:
    noisy, _ = example("gray", tmp_path)
    options = ["--model", model, "--precision", "int8", "--backend", "cpu", "--threads", "1", "--json"]
    said = in_process(app, noisy, tmp_path / "out.png", *options)
    assert said.returncode == 0, said.stderr
    report = json.loads(said.stdout)
    assert report["model"] == {"fast": "gray-fast", "best": "gray-best"}.get(model, "gray")
    assert ", int8, " in report["backend"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", DENOISERS)
def test_the_files_are_small_passed_the_gate_and_tell_nothing_of_the_machine_they_were_made_on(
    name: str, target: str
) -> None:
    full = MODELS_FOLDER / f"{name}.onnx"
    file = MODELS_FOLDER / f"{name}.{target}.int8.onnx"
    # A quarter, and more with every layer that the gate kept in float.
    assert file.stat().st_size < 0.7 * full.stat().st_size
    content = file.read_bytes()
    assert re.search(rb"/(home|root|tmp|work|mnt|opt|Users|usr|var)/", content) is None
    manifest = open_backend("cpu", file, threads=1).manifest
    assert (manifest.precision, manifest.weights) == ("int8", "trained")
    certificate = json.loads(manifest.certificate or "{}")
    assert all(item["psnr_lost_db"] <= certificate["max_drop_db"] for item in certificate["losses"])
    twin = twin_in_fp32(file, manifest, threads=1)
    assert twin is not None and twin.manifest.precision == "fp32"


def test_int8_files_are_no_models_of_their_own() -> None:
    assert not [name for name in bundled_names() if "." in name]


@pytest.mark.parametrize("name", ["gray-fast", "color"])
def test_tiles_differ_by_rounding_alone(name: str, tmp_path: Path) -> None:
    noisy, _ = example(name, tmp_path)
    with Image.open(noisy) as picture:
        image = np.asarray(picture)[:, :171]
    small, large = (
        Denoiser.load(name, "cpu", precision="int8", threads=1, tile=tile, listener=lambda _: None)
        for tile in (64, 4096)
    )
    assert len(small.plan_for(image)) > len(large.plan_for(image)) == 1
    # Where the layers in float differ by rounding, a value between two of the 256 steps may fall to either.
    difference = np.abs(small(image, sigma=30).astype(int) - large(image, sigma=30))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_the_backend_decides_which_file_is_taken(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "mine.v2.onnx"
    model.write_bytes(models["gray"].read_bytes())
    ort, openvino = tmp_path / "mine.v2.ort.int8.onnx", tmp_path / "mine.v2.openvino.int8.onnx"
    assert (int8_file(model, "ort"), int8_file(model, "openvino")) == (ort, openvino)
    monkeypatch.setattr(int8_files, "find_spec", lambda name: name)
    written_as("int8", model, ort)
    # Without a file for OpenVINO, the other one.
    assert int8_choice(model, "auto") == Int8Choice(file=ort, backend="cpu")
    written_as("int8", model, openvino)
    assert int8_choice(model, "auto") == int8_choice(model, "openvino") == Int8Choice(file=openvino, backend="openvino")
    assert int8_choice(model, "cpu") == Int8Choice(file=ort, backend="cpu")
    without_openvino(monkeypatch)
    assert int8_choice(model, "auto") == Int8Choice(file=ort, backend="cpu")


def test_a_file_of_another_training_is_not_taken(models: Models, tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    model.write_bytes(models["gray"].read_bytes())
    file = written_as("int8", model, int8_file(model, "ort"))
    assert int8_choice(model, "cpu").file == file
    retrained = onnx.load(model)
    onnx.helper.set_model_props(
        retrained, {entry.key: entry.value for entry in retrained.metadata_props} | {"hinas.training": "more"}
    )
    onnx.save(retrained, model)
    with pytest.raises(UserError, match=r"mine\.ort\.int8\.onnx: made of other weights than mine\.onnx; make it again"):
        int8_choice(model, "cpu")


def test_a_file_in_int8_is_taken_as_it_is(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_files, "find_spec", lambda name: name)
    own = written_as("int8", models["gray"], tmp_path / "mine.onnx")
    assert int8_choice(own, "cpu") == Int8Choice(file=own, backend="cpu")
    assert int8_choice(own, "auto") == Int8Choice(file=own, backend="openvino")
    for_ort = written_as("int8", models["gray"], tmp_path / "other.ort.int8.onnx")
    assert int8_choice(for_ort, "auto") == Int8Choice(file=for_ort, backend="cpu")


def test_a_model_without_an_int8_file_names_the_command_that_makes_it(
    mistake: Callable[..., str], models: Models, tmp_path: Path
) -> None:
    noisy, _ = example("gray", tmp_path)
    options = ["--precision", "int8", "--backend", "cpu"]
    said = mistake(app, noisy, tmp_path / "out.png", "--model", models["gray"], *options)
    file = models["gray"].with_name("gray.ort.int8.onnx")
    assert f"{file}: no such file; make it: hinas-export GENOTYPE --out {file} --target ort --precision int8 " in said
    assert "--calibration IMAGES --check OTHER_IMAGES" in said
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("cuda", "ONNX Runtime has no int8 convolutions for GPUs"),
        ("tensorrt", "an engine computes in what it was built for; build one in int8: hinas-export GENOTYPE --engine"),
        ("gpu", "backend 'gpu': no such backend"),
    ],
)
def test_backends_that_gain_nothing_by_int8_files_say_so(
    mistake: Callable[..., str], tmp_path: Path, backend: str, message: str
) -> None:
    noisy, _ = example("color", tmp_path)
    options = ["--model", "color", "--precision", "int8", "--backend", backend]
    assert message in mistake(app, noisy, tmp_path / "out.png", *options)


def test_an_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="an engine computes in what it was built for"):
        int8_choice(tmp_path / "model.engine", "auto")


def test_a_processor_without_the_instructions_is_known_by_its_flags() -> None:
    assert is_known_to_lack_vnni(frozenset({"avx2", "fma"}))
    assert not is_known_to_lack_vnni(frozenset({"avx2", "avx512_vnni"}))
    assert not is_known_to_lack_vnni(frozenset({"avx2", "avx_vnni"}))
    # An ARM processor, or a system that does not say.
    assert not is_known_to_lack_vnni(frozenset({"asimd", "asimddp"}))
    assert not is_known_to_lack_vnni(frozenset())


@pytest.mark.parametrize(("flags", "notes"), [({"avx2"}, 1), ({"avx2", "avx512_vnni"}, 0)])
def test_a_slow_processor_is_told_of_once(monkeypatch: pytest.MonkeyPatch, flags: set[str], notes: int) -> None:
    from hinas.runtime import denoiser

    monkeypatch.setattr(denoiser, "processor_flags", lambda: frozenset(flags))
    told: list[str] = []
    Denoiser.load("gray-fast", "cpu", precision="int8", threads=1, listener=told.append)
    assert len(told) == notes
    assert all("no VNNI instructions" in note for note in told)
