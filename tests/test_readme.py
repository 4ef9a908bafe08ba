"""Every command of the README runs as it stands there; the two with pip are run by .ci/run itself."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stand_ins.commands import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


def test_the_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True, timeout=300)
    pixels = {
        name: np.asarray(Image.open(tmp_path / name), np.float32)
        for name in ("denoised.png", "examples/noisy.png", "examples/clean.png")
    }
    denoised, noisy, clean = pixels.values()
    assert ((denoised - clean) ** 2).mean() < 0.2 * ((noisy - clean) ** 2).mean()


def test_the_two_pip_commands_are_the_ones_ci_runs() -> None:
    installing = [command for command in _commands() if command.startswith("pip ")]
    script = (ROOT / ".ci" / "run").read_text()
    patterns = re.findall(r"readme_command '([^']*)'", script)
    assert len(installing) == len(patterns) == 2
    for command, pattern in zip(installing, patterns, strict=True):
        assert re.search(pattern, command)


def test_every_file_the_readme_shows_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


@pytest.mark.slow
@pytest.mark.usefixtures("small_peaks")
def test_the_hinas_commands_run_in_their_order(
    in_process: Callable[..., subprocess.CompletedProcess[str]],
    picture_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(ROOT / "examples")
    Path("search").symlink_to(ROOT / "search")
    Path("photos").mkdir()
    for path in picture_folder.glob("*.png"):
        with Image.open(path) as picture:
            picture.save(Path("photos", path.name))
    commands = [command for command in _commands() if command.startswith("hinas-")]
    assert {command.split()[0] for command in commands} == set(COMMANDS)
    # One step instead of an hour, a small space instead of a useful one: the last of two equal options counts.
    shorter = {
        "hinas-train": "--max-minutes 0 --threads 1",
        "hinas-search": "--set layers=1 --set nodes=1 --set width_search=fixed --set steps=1 "
        '--set candidates=["conv_3x3","skip","none"] '
        "--max-minutes 0 --batch 2 --crop 32 --threads 1",
        "hinas-bench --operations": "--rounds 1 --size 64x48",
        "hinas-bench --model": "--rounds 1 --size 64x48 --limit 1",
        "hinas-bench --gpu": "--rounds 1 --size 64x48 --limit 1 --model runs/found/model.onnx",
    }
    for command in commands:
        words = shlex.split(command)
        words, output = (words[:-2], words[-1]) if ">" in words else (words, None)
        words += [word for beginning, more in shorter.items() if command.startswith(beginning) for word in more.split()]
        result = in_process(COMMANDS[words[0]], *words[1:])
        assert result.returncode == 0, f"{words}\n{result.stderr}"
        if output is not None:
            Path(output).write_text(result.stdout, encoding="utf-8")
    assert Path("denoised.png").is_file()
