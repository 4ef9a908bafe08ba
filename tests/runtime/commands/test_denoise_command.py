"""hinas-denoise, run as a person runs it: as a program where that makes a difference, otherwise in this process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.denoise_command import app
from hinas.runtime.model import bundled_models
from hinas.runtime.pictures.image_files import read_picture
from PIL import Image

Models = dict[str, Path]
Run = Callable[..., subprocess.CompletedProcess[str]]


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A process of its own: what libraries write past Python's own streams is seen too."""
    command = [sys.executable, "-m", "hinas.runtime.denoise_command", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def run(in_process: Callable[..., subprocess.CompletedProcess[str]]) -> Run:
    return lambda *arguments: in_process(app, *map(str, arguments))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A noisy colour picture of odd size."""
    generator = np.random.default_rng(0)
    noisy = np.clip(128 + 20 * generator.standard_normal((45, 61, 3)), 0, 255)
    Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / "noisy.png")
    return tmp_path / "noisy.png"


def test_help_shows_an_example() -> None:
    result = program("--help")
    assert result.returncode == 0
    assert "hinas-denoise noisy.png clean.png" in result.stdout


def test_help_waits_for_no_heavy_library() -> None:
    heavy = ("numpy", "PIL", "av", "onnxruntime", "tifffile", "imagecodecs", "tqdm", "torch")
    program = (
        "import sys, hinas.runtime.denoise_command as commands\n"
        "sys.argv = ['hinas-denoise', '--help']\n"
        "try: commands.main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_file_to_a_file(models: Models, picture: Path, tmp_path: Path) -> None:
    result = program(picture, tmp_path / "clean.png", "--model", models["color"])
    assert result.returncode == 0, result.stderr
    assert "61x45 colour 8-bit, sigma " in result.stdout
    assert "(estimated)" in result.stdout
    assert result.stderr == ""
    clean = np.asarray(Image.open(tmp_path / "clean.png"))
    assert clean.shape == (45, 61, 3)
    assert not np.array_equal(clean, np.asarray(Image.open(picture)))


def test_the_result_is_the_denoisers(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    from hinas.runtime import Denoiser

    result = run(picture, tmp_path / "clean.png", "--model", models["color"], "--sigma", "20", "--tile", "16")
    assert "sigma 20.0 (given)" in result.stdout
    expected = Denoiser.load(models["color"], tile=16)(np.asarray(Image.open(picture)), sigma=20)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "clean.png")), expected)


def test_auto_takes_gray_for_grey_and_color_for_colour(
    run: Run, models: Models, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.open(picture).convert("L").save(tmp_path / "grey.png")
    monkeypatch.setattr(bundled_models, "MODELS_FOLDER", models["gray"].parent)
    for source, name in ((tmp_path / "grey.png", "gray"), (picture, "color")):
        assert json.loads(run(source, tmp_path / f"{name}.png", "--json").stdout)["model"] == name


def test_json_is_one_object_for_a_machine(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    result = run(picture, tmp_path / "clean.png", "--model", models["color"], "--json", "--quiet")
    values = json.loads(result.stdout)
    assert (values["width"], values["height"], values["channels"], values["bits"]) == (61, 45, 3, 8)
    assert values["output"] == str(tmp_path / "clean.png")
    assert values["sigma"] == pytest.approx(20, rel=0.15)
    assert "CPUExecutionProvider" in values["backend"]
    assert result.stderr == ""


def test_damaged_tags_are_copied_without_a_word(models: Models, picture: Path, tmp_path: Path) -> None:
    """Pillow and tifffile warn of them, in words for programmers."""
    exif = Image.Exif()
    exif[0x010F] = "a name that is longer than what is left of it"
    Image.open(picture).save(tmp_path / "in.jpg", exif=exif.tobytes()[:-30])
    check = "import warnings; warnings.simplefilter('error'); from PIL import Image; Image.open('in.jpg').getexif()"
    assert (
        "Warning" in subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True).stderr
    )
    result = program(tmp_path / "in.jpg", tmp_path / "out.jpg", "--model", models["color"], "--sigma", "9")
    assert (result.returncode, result.stderr) == (0, "")
    assert read_picture(tmp_path / "out.jpg").metadata.exif == read_picture(tmp_path / "in.jpg").metadata.exif


def test_quiet_prints_nothing(models: Models, picture: Path, tmp_path: Path) -> None:
    result = program(picture, tmp_path / "clean.png", "--model", models["color"], "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_into_a_folder_by_its_own_name(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run(picture, tmp_path / "out", "--model", models["color"]).returncode == 0
    assert (tmp_path / "out" / "noisy.png").is_file()


def test_alpha_and_depth_survive_the_command(run: Run, models: Models, tmp_path: Path) -> None:
    import imagecodecs

    array = np.random.default_rng(0).integers(0, 65535, (20, 30, 4), np.uint16)
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(array))
    result = run(tmp_path / "in.png", tmp_path / "out.tif", "--model", models["color"], "--sigma", 5)
    assert result.returncode == 0, result.stderr
    clean = read_picture(tmp_path / "out.tif")
    assert clean.bits == 16
    assert clean.alpha is not None
    assert np.array_equal(clean.alpha, array[:, :, 3])
    assert not np.array_equal(clean.pixels, array[:, :, :3])
    assert (clean.pixels % 257 != 0).any(), "not reduced to 8 bits"


@pytest.mark.parametrize("name", ["noisy.png", "old.png"])
def test_nothing_is_overwritten_unasked(run: Run, models: Models, picture: Path, tmp_path: Path, name: str) -> None:
    """Neither another picture nor the input itself."""
    (tmp_path / "old.png").write_bytes(picture.read_bytes())
    before = (tmp_path / name).read_bytes()
    result = run(picture, tmp_path / name, "--model", models["color"])
    assert result.returncode == 2
    assert result.stderr == (
        f"error: {tmp_path / name}: exists already; add --overwrite to replace it, or choose another name\n"
    )
    assert (tmp_path / name).read_bytes() == before
    assert run(picture, tmp_path / name, "--model", models["color"], "--overwrite").returncode == 0
    assert (tmp_path / name).read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.png", "out.png"], "missing.png: no such file or folder"),
        (["noisy.png", "none/out.png"], "none: no such folder; create it first or choose another output path"),
        (["noisy.png", "out.jxl"], "out.jxl: no format for the suffix '.jxl'; allowed: .png"),
        (["noisy.png", "out.png", "--model", "colour"], "model 'colour': no such file, and no bundled model"),
        (["noisy.png", "out.png", "--model", "noisy.png"], "noisy.png: damaged, or not an ONNX model"),
        (["noisy.png", "out.png", "--sigma", "much"], "--sigma much: allowed: auto, or a number"),
        (["noisy.png", "out.png", "--tile", "0"], "--tile 0: allowed: auto, or a whole number"),
        (["noisy.png", "out.png", "--memory", "lots"], "--memory lots: allowed: a size such as 2GiB"),
        (["noisy.png", "out.png", "--backend", "tensorrt", "--model", "{color}"], "no TensorRT engine"),
        (["noisy.png", "out.png", "--threads", "0", "--model", "{color}"], "threads is 0; allowed"),
        (["noisy.png", "out.png", "--sigma", "80", "--model", "{color}"], "trained for 0 to 75 grey levels"),
        (["noisy.png", "out.png", "--memory", "1MiB", "--model", "{color}"], "allow at least"),
        (["noisy.png", "out.png", "--model", "{gray}"], "noisy.png: the image is in colour, but the model is for grey"),
        (["text.png", "out.png"], "text.png: not a picture that hinas can read; it reads PNG, JPEG, TIFF, WebP, BMP"),
        (["empty", "out"], "empty: no pictures or films in this folder"),
        (["full", "noisy.png"], "noisy.png: is a file, but full is a folder"),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(
    run: Run,
    models: Models,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    result = run(*(text.format(**models) for text in arguments))
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_is_not_finite_writes_nothing(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    Image.open(picture).convert("L").save(tmp_path / "grey.png")
    result = run(tmp_path / "grey.png", tmp_path / "out.png", "--model", models["infinite"])
    assert result.returncode == 2
    assert "grey.png: tile 1 of 1" in result.stderr
    assert not (tmp_path / "out.png").exists()


def folder_of_pictures(folder: Path, picture: Path) -> Path:
    (folder / "sub" / "deep").mkdir(parents=True)
    for name in ("a.png", "sub/b.png", "sub/deep/c.png"):
        (folder / name).write_bytes(picture.read_bytes())
    (folder / "notes.txt").write_text("hello")
    (folder / "._a.png").write_text("what macOS leaves beside a picture")
    return folder


def test_a_folder_keeps_its_sub_folders(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "in", picture)
    result = run(folder, tmp_path / "out", "--model", models["color"])
    assert result.returncode == 0, result.stderr
    written = [str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert sorted(written) == ["a.png", "sub/b.png", "sub/deep/c.png"]
    assert result.stdout.count(" -> ") == 3
    assert "skipped, not pictures by their names: notes.txt" in result.stderr


def test_a_link_that_leads_out_of_the_output_is_not_followed(
    run: Run, models: Models, picture: Path, tmp_path: Path
) -> None:
    folder = folder_of_pictures(tmp_path / "in", picture)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(elsewhere)
    result = run(folder, tmp_path / "out", "--model", models["color"])
    assert result.returncode == 2
    assert "a link that leads out of" in result.stderr
    assert [file for file in elsewhere.rglob("*") if file.is_file()] == []
    assert (tmp_path / "out" / "a.png").is_file()


def test_noise_of_another_kind_is_told(run: Run, models: Models, tmp_path: Path) -> None:
    pixels = np.full((120, 160), 128, np.uint8)
    pixels.flat[np.random.default_rng(0).choice(pixels.size, 400, replace=False)] = 255
    Image.fromarray(pixels).save(tmp_path / "in.png")
    result = run(tmp_path / "in.png", tmp_path / "out.png", "--model", models["gray"])
    assert result.returncode == 0, result.stderr
    assert "impulses, not Gaussian noise" in result.stderr


def test_a_folder_goes_on_after_a_failure_and_lists_it(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "in", picture)
    (folder / "aa.png").write_bytes(picture.read_bytes()[:300])
    result = run(folder, tmp_path / "out", "--model", models["color"], "--json")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-2:] == [
        "error: 1 of 4 pictures failed, the others are written:",
        f"  {folder / 'aa.png'}",
    ]
    *lines, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert [("error" in line) for line in lines] == [False, True, False, False]
    assert (last["summary"]["written"], last["summary"]["skipped"], last["summary"]["failed"]) == (3, 0, 1)
    assert "truncated PNG" in lines[1]["error"]
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3


def test_an_output_folder_inside_the_input_is_not_read(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "in", picture)
    for _ in range(2):
        assert run(folder, folder / "out", "--model", models["color"], "--overwrite").returncode == 0
    assert len(list((folder / "out").rglob("*.png"))) == 3


def test_an_estimate_outside_the_range_is_told(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    Image.open(picture).convert("L").save(tmp_path / "grey.png")
    result = run(tmp_path / "grey.png", tmp_path / "out.png", "--model", models["narrow"])
    assert result.returncode == 0
    assert "the model was trained for 5 to 10; using 10" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_leaves_nothing_behind(models: Models, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (1200, 1200, 3), np.uint8)).save(tmp_path / "in" / "large.png")
    arguments = [tmp_path / "in", tmp_path / "out", "--model", models["color"], "--tile", "8", "--sigma", "5"]
    command = [sys.executable, "-m", "hinas.runtime.denoise_command", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "out").is_dir():  # made just before the first picture is read
            assert process.poll() is None, "the command ended by itself"
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert stderr == "stopped\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(run: Run, models: Models, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    result = run(picture, tmp_path / "locked" / "out.png", "--model", models["color"])
    assert result.returncode == 2
    assert "locked: cannot write here (Permission denied)" in result.stderr
