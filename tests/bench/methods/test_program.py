"""Any program can be scored, and what goes wrong with it is said in a line."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hinas.bench.bench_settings import QualitySettings
from hinas.bench.commands import app
from hinas.bench.devices.environment import describe_machine
from hinas.bench.methods import program as program_module
from hinas.bench.methods.program import program_from_text, scored_programs
from hinas.bench.quality.measure_quality import ScoredMethod
from hinas.bench.quality.noise_protocols import Noise
from hinas.bench.results.entries import Entry
from hinas.bench.results.results_file import read_results
from hinas.errors import UserError

SCRIPT = """
import sys, time
from PIL import Image, ImageFilter
name, source, target, *rest = sys.argv
picture = Image.open(source)
print("talk")
match rest[0] if rest else "copy":
    case "copy": picture.save(target)
    case "blur": picture.filter(ImageFilter.GaussianBlur(float(rest[1]) / 30)).save(target)
    case "fail": print("first", file=sys.stderr); sys.exit("no more film")
    case "small": picture.resize((20, 20)).save(target)
    case "grey": picture.convert("L").save(target)
    case "text": open(target, "w").write("no picture")
    case "nothing": pass
    case "sleep": time.sleep(100)
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The start of a command line that does as its last words say; the folder has a space in its name."""
    file = tmp_path_factory.mktemp("a folder") / "program.py"
    file.write_text(SCRIPT)
    return shlex.join([sys.executable, str(file)]) + " {in} {out} "


def _method(text: str) -> ScoredMethod:
    (method,) = scored_programs([program_from_text(text, 3)], describe_machine(), [])
    return method


def _picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.float32) / np.float32(255)


def test_a_program_gets_exactly_the_noisy_image(script: str) -> None:
    method = _method(script + "copy")
    np.testing.assert_array_equal(method.denoise(_picture(), 30), _picture())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fail", "exit status 1: no more film$"),
        ("small", "wrote 20x20 pixels of Pillow's mode RGB, expected 40x30 of mode RGB"),
        ("grey", "mode L, expected 40x30 of mode RGB"),
        ("text", "no image"),
        ("nothing", "wrote no image"),
    ],
)
def test_what_goes_wrong_is_named(script: str, words: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        _method(script + words).denoise(_picture(), 30)


def test_a_program_that_never_ends_is_stopped(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "TIME_LIMIT_S", 0.5)
    with pytest.raises(UserError, match=r"took more than 0\.5 s"):
        _method(script + "sleep").denoise(_picture(), 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prog {in}", r"lacks \{out\}"),
        ("prog {out}", r"lacks \{in\}"),
        ("", r"lacks \{in\}"),
        ("nosuchprogram {in} {out}", "no program 'nosuchprogram'"),
        ("prog 'open {in} {out}", "cannot be split"),
    ],
)
def test_a_command_line_is_checked_before_anything_runs(text: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        program_from_text(text, 1)


def test_programs_have_names_of_their_own_and_no_noise_that_files_cannot_hold(script: str) -> None:
    machine = describe_machine()
    swapped = script.replace("{in} {out}", "{out} {in}")
    one, other, alone = (program_from_text(text, 1) for text in (script + "1", swapped + "1", script + "copy"))
    methods = scored_programs([one, other, alone, alone], machine, ["gray"])
    assert len({method.name for method in methods}) == 3
    assert methods[2].name == alone.name != alone.text
    others: tuple[Noise, ...] = ("standard", "hinas-patches")
    for noise in others:
        with pytest.raises(UserError, match="give --noise file"):
            QualitySettings(data="photos", sigmas=(30,), noise=noise, programs=(alone,))


def test_programs_are_scored_beside_the_models(
    script: str,
    models: dict[str, Path],
    picture_folder: Path,
    tmp_path: Path,
    in_process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    copy, blur = script + "copy", script + "blur {sigma}"

    def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        common = ["--model", models["gray"], "--sigma", "30", "--data", picture_folder]
        common += ["--size", "16x16", "--rounds", "1", "--limit", "1", "--out", tmp_path / "out"]
        return in_process(app, *common, *arguments)

    result = bench("--noise", "file", "--command", copy, "--command-gray", blur)
    assert result.returncode == 0, result.stderr
    entries = read_results(tmp_path / "out" / "results.json").entries
    qualities = {(entry.model, entry.channels): entry for entry in entries if entry.psnr_db is not None}
    by_source = {entry.source: entry for entry in qualities.values()}

    def score(entry: Entry) -> tuple[float | None, float | None]:
        return entry.psnr_db, entry.ssim

    copied, blurred = by_source[f"program: {copy}"], by_source[f"program: {blur}"]
    assert score(copied) == score(qualities["noisy input", 3])
    assert (blurred.ssim or 0) > (qualities["noisy input", 1].ssim or 1)
    for entry in (copied, blurred):
        assert entry.protocol == "standard, clipped 8-bit"
        assert entry.dataset_time_s
        assert "program's start" in (entry.note or "")

    failed = bench("--noise", "file", "--command", script + "fail")
    assert failed.returncode == 2
    assert "picture-0.png at sigma 30: exit status 1: no more film" in failed.stderr
    assert bench("--command", copy).returncode == 2
