"""Which bundled model is taken where none is named: by the picture, by its noise, and by what was asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.denoise_command import app
from hinas.runtime.model.automatic_model import AUTOMATIC, automatic_model
from hinas.runtime.model.bundled_models import bundled_names
from hinas.runtime.noise.measured_noise import MeasuredNoise
from PIL import Image
from typer.testing import CliRunner

USUAL = {(True, True): "color", (False, True): "gray", (True, False): "photo", (False, False): "photo"}


@pytest.mark.parametrize(("is_colour", "is_white"), USUAL)
def test_what_is_asked_for_is_taken_where_there_is_one(is_colour: bool, is_white: bool) -> None:
    usual = USUAL[is_colour, is_white]
    everything = {f"{usual}{kind}" for kind in ("", "-fast", "-best")}

    def taken(asked: str, bundled: set[str]) -> str:
        return automatic_model(asked, bundled, is_colour=is_colour, is_white=is_white).name

    assert [taken(asked, everything) for asked in AUTOMATIC] == [usual, f"{usual}-fast", f"{usual}-best"]
    assert [taken(asked, {usual}) for asked in AUTOMATIC] == [usual] * 3


def test_a_kind_that_is_missing_is_said() -> None:
    found = automatic_model("best", {"gray"}, is_colour=False, is_white=True)
    assert (found.name, found.reason) == ("gray", "the noise is white; there is no gray-best")


@pytest.mark.parametrize("asked", AUTOMATIC)
def test_the_command_takes_one_that_is_bundled(asked: str, tmp_path: Path) -> None:
    noisy = 128 + np.random.default_rng(0).normal(0, 25, (90, 120))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(tmp_path / "noisy.png")
    arguments = [str(tmp_path / "noisy.png"), str(tmp_path / "clean.png"), "--model", asked]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    names = bundled_names()
    expected = f"gray-{asked}" if f"gray-{asked}" in names else "gray"
    assert f"model {expected} (" in result.output
    assert np.asarray(Image.open(tmp_path / "clean.png")).std() < 8


def test_a_level_beyond_the_model_that_was_taken_says_which_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[..., str]
) -> None:
    monkeypatch.setattr(
        "hinas.runtime.files.picture_stages.measured_noise", lambda _: MeasuredNoise(level=5.0, is_white=False)
    )
    Image.fromarray(np.full((60, 60, 3), 128, np.uint8)).save(tmp_path / "noisy.png")
    stderr = mistake(app, tmp_path / "noisy.png", tmp_path / "clean.png", "--sigma", "40")
    assert "0 to 30 grey levels; photo was taken, because the noise is that of a developed photograph" in stderr
    assert "name another with --model" in stderr
    stderr = mistake(app, tmp_path / "noisy.png", tmp_path / "clean.png", "--sigma", "40", "--model", "photo")
    assert "was taken" not in stderr
    for wrong in ("-1", "nan", "inf"):
        assert "was taken" not in mistake(app, tmp_path / "noisy.png", tmp_path / "clean.png", f"--sigma={wrong}")
