"""Which bundled model is taken where none is named: by the picture, by its noise, and by what was asked for."""

from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.denoise_command import app
from hinas.runtime.model.automatic_model import AUTOMATIC, automatic_model
from hinas.runtime.model.bundled_models import bundled_names
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
