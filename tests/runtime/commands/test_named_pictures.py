"""Several pictures on one command line, and patterns: which files are meant, and where their results go."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.denoise_command import app
from hinas.runtime.files.named_pictures import named_pictures
from PIL import Image

Models = dict[str, Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures in it and below it."""
    for name in ("a.png", "b.png", "sub/c.png", "sub/deep/d.png", "sub/.hidden.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(0).normal(128, 20, (20, 24, 3))
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "output", "source", "files"),
    [
        (["a.png"], "out", "a.png", None),
        (["sub"], "out/", "sub", None),
        (["a.png"], "out/", ".", ["a.png"]),
        (["a.png", "b.png", "a.png"], "out", ".", ["a.png", "b.png"]),
        (["a.png", "sub/c.png"], "out", ".", ["a.png", "sub/c.png"]),
        (["sub/*.png"], "out", "sub", ["sub/c.png"]),
        (["sub/**/*.png"], "out", "sub", ["sub/c.png", "sub/deep/d.png"]),
        (["*"], "out", ".", ["a.png", "b.png", "notes.txt"]),
        (["**/*.png"], "sub", ".", ["a.png", "b.png"]),
        (["sub/*.png"], "sub", "sub", ["sub/c.png"]),
    ],
)
def test_what_names_stand_for(here: Path, inputs: list[str], output: str, source: str, files: list[str] | None) -> None:
    named = named_pictures(inputs, output)
    assert named.source == Path(source)
    assert named.files == (None if files is None else tuple(map(Path, files)))


def test_relative_and_absolute_names_are_brought_together(here: Path) -> None:
    named = named_pictures([str(here / "sub" / "c.png"), "sub/deep/../../a.png"], "out")
    assert named.source == here
    assert named.files == (here / "a.png", here / "sub" / "c.png")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(here: Path) -> None:
    Path("a.png").rename("[1].png")
    assert named_pictures(["[1].png"], "out.png").source == Path("[1].png")
    assert named_pictures(["[1].png", "b.png"], "out").files == (Path("[1].png"), Path("b.png"))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a.png",), "a.png: one name alone; give what to read and what to write"),
        (("a.png", "nix.png", "out"), "nix.png: no such file or folder"),
        (("nix*.png", "out"), "nix*.png: no file has such a name"),
        (("a.png", "sub", "out"), "sub: is a folder; give a folder alone"),
        (("a.png", "", "out"), "INPUT is an empty name"),
        (("a.png", "b.png", "sub/c.png"), "sub/c.png: is a file by its name, but several are to be written"),
        (("a.png", "b.png", "new.png"), "new.png: is a file by its name"),
        (("a.png", "b.png", "notes.txt"), "notes.txt: is a file by its name"),
        (("notes.txt", "notes.txt", "out"), "no pictures or films among the files given"),
        (("", "out", "--ray", "local"), "INPUT is an empty name"),
        (("a.png", "b.png", "out", "--ray", "local"), "--ray local: takes one folder, not 2 names"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    here: Path, mistake: Callable[..., str], names: tuple[str, ...], words: str
) -> None:
    before = sorted(here.rglob("*"))
    assert words in mistake(app, *names)
    assert sorted(here.rglob("*")) == before


def test_results_lie_as_the_pictures_do(models: Models, here: Path, in_process: Callable[..., object]) -> None:
    in_process(app, "a.png", "sub/*.png", "out", "--model", models["color"], "--sigma", "20", "--threads", "1")
    written = sorted(str(file.relative_to("out")) for file in Path("out").rglob("*") if file.is_file())
    assert written == ["a.png", "sub/c.png"]
    in_process(app, "a.png", "alone.png", "--model", models["color"], "--sigma", "20", "--threads", "1")
    assert Path("alone.png").read_bytes() == Path("out/a.png").read_bytes()
