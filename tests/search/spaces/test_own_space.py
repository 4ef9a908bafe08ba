"""A space from another package: found by its entry point, searched, trained, exported; and what goes wrong with one."""

import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hinas.errors import UserError
from hinas.export.freeze import frozen_model
from hinas.search.genotype import Genotype, genotype_from_json, read_genotype
from hinas.search.search_command import app
from hinas.search.spaces import registry
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_names, space_settings

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_space"
Install = Callable[[str, str], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """(name, value) of the entry point of a package that is installed beside hinas."""
    monkeypatch.syspath_prepend(str(EXAMPLE))

    def add(name: str, value: str) -> None:
        points = EntryPoints([EntryPoint(name=name, value=value, group="hinas.spaces")])
        monkeypatch.setattr(registry, "entry_points", points.select)

    return add


@pytest.fixture
def stack(install: Install) -> None:
    """The example is installed, as its pyproject.toml says."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    ((name, value),) = project["entry-points"]["hinas.spaces"].items()
    install(name, value)


def test_the_example_is_a_space_like_any_other(stack: None) -> None:
    assert "stack" in space_names() and "hinas" in space_names()
    network = space_named("stack").random(space_settings("stack", {"depths": [3, 3]}), Random(0))
    genotype = Genotype(space="stack", task=TaskDescription(channels=1), network=network)
    assert genotype_from_json(genotype.to_json()) == genotype
    # Freezing measures the halo with a probe and compares the outputs.
    _, report = frozen_model(genotype, None)
    assert report.halo == 3


def test_it_is_searched(stack: None, picture_folder: Path, tmp_path: Path, in_process: Any) -> None:
    changes = (
        "depths=[2,3]", "widths=[8]", "halving.candidates=2", "halving.rounds=1", "halving.first_iterations=10",
        "halving.batch=1", "halving.validation_side=32",
    )  # fmt: skip
    small = [part for change in changes for part in ("--set", change)]
    result = in_process(
        app, picture_folder, "--out", tmp_path / "run", "--space", "stack", "--channels", "1", *small, "--crop", "32",
        "--sigma", "30", "--device", "cpu", "--threads", "1",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert read_genotype(tmp_path / "run" / "genotype.json").space == "stack"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gone", "own_space_that_is_not_there:Space", "the space gone: own_space_that_is_not_there:Space cannot be"),
        ("other", "own_space:StackSpace", "the space other: own_space:StackSpace is not a Space with this name"),
        ("settings", "own_space:Settings", "is not a Space"),
    ],
)
def test_a_package_without_the_space_it_names_is_said(install: Install, name: str, value: str, message: str) -> None:
    install(name, value)
    with pytest.raises(UserError, match=message):
        space_named(name)


def test_hinas_keeps_its_own_names(install: Install) -> None:
    install("hinas", "own_space:StackSpace")
    assert space_named("hinas").name == "hinas" and type(space_named("hinas")).__module__.startswith("hinas.")
    with pytest.raises(UserError, match="got 'nosuch', expected one of clearer, hinas, pyramid, superkernel"):
        space_named("nosuch")
