"""The noise levels that a search draws lie in the range that its networks are told."""

import json
from pathlib import Path
from typing import Any

import pytest
from hinas.search.architecture_search.drawn_levels import drawn_task
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.genotype import read_genotype
from hinas.search.search_command import app
from hinas.search.spaces.interface import TaskDescription
from hinas.search.tasks.interface import TaskOptions
from safetensors import safe_open


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sigma", "100,150"), "levels from 100 to 150 are drawn, but networks are conditioned on 0 to 75"),
        (("--sigma", "100,150"), "give other levels, or --set conditioning.range=0,150"),
        (("--set", "conditioning.range=0,20"), "levels from 30 to 70 are drawn"),
        (("--space", "pyramid", "--sigma", "76"), "conditioned on 0 to 75"),
        (("--task", "camera", "--set", "conditioning.range=0,20"), "levels from 0 to 30 are drawn"),
    ],
)
def test_levels_that_networks_cannot_be_told_are_refused(
    arguments: tuple[str, ...], message: str, mistake: Any
) -> None:
    assert message in mistake(app, "--print-space", *arguments)


def test_blind_networks_may_see_several_levels(in_process: Any) -> None:
    blind = in_process(app, "--print-space", "--set", "conditioning=null", "--sigma", "100,150")
    assert blind.returncode == 0, blind.stderr


@pytest.mark.parametrize(
    ("task", "changes", "levels", "drawn"),
    [
        ("denoise", {}, None, (0, 75)),
        ("denoise", {"conditioning.range": [0, 20]}, None, (0, 20)),
        ("denoise", {"conditioning.range": [0, 100]}, None, (0, 100)),
        ("denoise", {"conditioning.range": [0, 20]}, (5.0, 10.0), (5, 10)),
        # Cameras' noise is weaker than what networks can be told.
        ("camera", {}, None, (0, 30)),
        ("camera", {"conditioning.range": [0, 20]}, None, (0, 20)),
        ("derain", {}, None, None),
    ],
)
def test_halving_draws_what_its_networks_are_told(
    task: str, changes: dict[str, Any], levels: tuple[float, ...] | None, drawn: tuple[float, float] | None
) -> None:
    space = preset_space("pyramid", TaskDescription(name=task, channels=3), "fast", changes)
    assert drawn_task(space, TaskOptions(levels=levels), "halving").level_range == drawn


def test_the_weights_of_a_halving_say_the_range_of_the_genotype(
    picture_folder: Path, tmp_path: Path, in_process: Any
) -> None:
    changes = (
        "widths=[8]", "levels=[1,1]", "middle=[1,2]", "halving.candidates=2", "halving.rounds=1", "halving.batch=1",
        "halving.first_iterations=10", "halving.validation_side=32", "conditioning.range=0,20",
    )  # fmt: skip
    given = [part for change in changes for part in ("--set", change)]
    out = tmp_path / "run"
    found = in_process(
        app, picture_folder, "--out", out, "--space", "pyramid", "--channels", "1", *given, "--crop", "32",
        "--device", "cpu", "--threads", "1",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert read_genotype(out / "genotype.json").network.conditioning_range == (0, 20)
    with safe_open(out / "weights.safetensors", framework="np") as opened:
        assert json.loads(opened.metadata()["hinas.training"])["settings"]["sigma_range"] == [0, 20]
