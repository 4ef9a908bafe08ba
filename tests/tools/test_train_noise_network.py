"""The noise network trained as a maintainer does it, and read as the runtime does it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hinas.runtime.noise import noise_network
from hinas.search.noise.network import load_noise_network
from PIL import Image
from train_noise_network import app
from typer.testing import CliRunner


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder with one picture, as small as may be."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    rows, columns = np.mgrid[:128, :140]
    planes = [128 + 90 * np.sin((rows * a + columns * b) / 30) for a, b in ((1, 2), (2, -1), (0, 3))]
    Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).save(folder / "waves.png")
    return folder


@pytest.fixture(autouse=True)
def as_many_threads_as_before():
    """`--threads` holds for the whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_runtime_reads_the_file_as_the_network_that_was_trained(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "noise.npz"
    result = CliRunner().invoke(
        app, [str(photographs), str(photographs), str(out), "--iterations", "2", "--threads", "1"]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{out}: loss of the last 2 steps: level ")
    monkeypatch.setattr(noise_network, "_FILE", out)
    generator = np.random.default_rng(0)
    crops = [generator.uniform(0, 255, (96, 112, 3)).astype(np.float32), np.full((48, 48, 3), 77, np.float32)]
    found = noise_network.noise_of_crops(crops)
    network = load_noise_network(out)
    for place, crop in enumerate(crops):
        with torch.no_grad():
            log_level, whiteness = network(torch.from_numpy(crop).permute(2, 0, 1)[None])
        assert found.levels_N[place] == pytest.approx(max(log_level.exp().item() - 0.5, 0), rel=1e-3, abs=1e-3)
        assert found.whiteness_N[place] == pytest.approx(whiteness.item(), rel=1e-3, abs=1e-3)


def test_a_training_goes_on_from_a_file(photographs: Path, tmp_path: Path) -> None:
    shipped = Path(noise_network.__file__).parents[1] / "models" / "noise.npz"
    out = tmp_path / "more.npz"
    arguments = [str(photographs), str(out), "--iterations", "1", "--start-from", str(shipped)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    with np.load(shipped) as before, np.load(out) as after:
        assert {name: before[name].shape for name in before.files} == {name: after[name].shape for name in after.files}
        for name in before.files:  # the first step of a warm-up is small
            np.testing.assert_allclose(after[name], before[name], atol=1e-3)
        assert any(not np.array_equal(before[name], after[name]) for name in before.files)


def test_mistakes_are_named_before_the_training(photographs: Path, tmp_path: Path, mistake: Callable[..., str]) -> None:
    out = tmp_path / "noise.npz"
    assert "no such file or folder" in mistake(app, tmp_path / "none", out)
    assert "no such folder; create it first" in mistake(app, photographs, tmp_path / "none" / "noise.npz")
    assert "no such file; give an .npz" in mistake(app, photographs, out, "--start-from", tmp_path / "none.npz")
    Image.new("RGB", (127, 300)).save(photographs / "waves.png")
    assert "expected sides of 128 pixels" in mistake(app, photographs, out)
    assert not out.exists()
