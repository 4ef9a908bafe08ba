"""The sharp training images: smaller copies and drawings, the same ones from the same seed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trainings import make_sharp_images


def _run(monkeypatch: pytest.MonkeyPatch, photographs: Path, out: Path, *, seed: int) -> dict[str, bytes]:
    command = ["make_sharp_images.py", str(photographs), "--out", str(out), "--drawings", "3", "--seed", str(seed)]
    monkeypatch.setattr(sys, "argv", command)
    make_sharp_images.main()
    return {file.name: file.read_bytes() for file in out.iterdir()}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, (height, width) in {"usual": (300, 402), "large": (500, 900), "small": (200, 255)}.items():
        Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


def test_photographs_are_scaled_down_and_drawings_are_made(
    monkeypatch: pytest.MonkeyPatch, photographs: Path, tmp_path: Path
) -> None:
    made = _run(monkeypatch, photographs, tmp_path / "out", seed=1)
    sizes = {}
    for name in made:
        with Image.open(tmp_path / "out" / name) as picture:
            sizes[name] = picture.size
    assert sizes.pop("usual_2.png") == (201, 150)
    assert (sizes.pop("large_2.png"), sizes.pop("large_3.png")) == ((450, 250), (300, 166))
    # What would be smaller than a patch is left out.
    assert sizes == {f"drawing_{number:04d}.png": (256, 256) for number in range(3)}


def test_the_seed_decides_the_drawings(monkeypatch: pytest.MonkeyPatch, photographs: Path, tmp_path: Path) -> None:
    first = _run(monkeypatch, photographs, tmp_path / "1", seed=1)
    assert _run(monkeypatch, photographs, tmp_path / "2", seed=1) == first
    other = _run(monkeypatch, photographs, tmp_path / "3", seed=2)
    assert all(other[name] != first[name] for name in first if name.startswith("drawing"))


def test_drawings_have_edges_as_sharp_as_a_pixel(photographs: Path) -> None:
    files = sorted(photographs.iterdir())
    steps = []
    for number in range(12):
        picture = np.asarray(make_sharp_images.drawing(np.random.default_rng(number), files).convert("L"), float)
        steps.append(max(np.abs(np.diff(picture, axis=axis)).max() for axis in (0, 1)))
    assert np.median(steps) > 100


def test_a_folder_without_photographs_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, complaint in ((tmp_path, "no JPEG or PNG files"), (tmp_path / "none", "no such folder")):
        with pytest.raises(SystemExit):
            _run(monkeypatch, folder, tmp_path / "out", seed=0)
        assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
