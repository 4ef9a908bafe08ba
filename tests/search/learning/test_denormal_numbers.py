"""Searches and trainings take numbers too small for full precision as 0, because processors are slow with them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search import search_command, train_command
from hinas.search.learning import muon
from hinas.search.learning.device import denormals_as_zero


@pytest.fixture(autouse=True)
def with_denormal_numbers() -> Iterator[None]:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot take denormal numbers as 0")
    torch.set_flush_denormal(False)
    assert _smallest() > 0
    yield
    torch.set_flush_denormal(False)


def _smallest() -> float:
    """A product that is a denormal number, or 0 where there are none; whole vectors, as kernels compute."""
    return float((torch.full((64,), 1e-30) * 1e-10).double().max())


def test_they_are_zero_inside_and_numbers_again_behind() -> None:
    with denormals_as_zero():
        assert _smallest() == 0
        with denormals_as_zero():
            assert _smallest() == 0
        assert _smallest() == 0
    assert _smallest() > 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the smallest number is in every step of Muon."""
    found: list[float] = []
    step = muon.Muon.step

    def observed(self: muon.Muon) -> None:
        found.append(_smallest())
        step(self)

    monkeypatch.setattr(muon.Muon, "step", observed)
    return found


def test_they_are_zero_in_a_training(
    in_process: Callable[..., Any], seen: list[float], small_document: Any, picture_folder: Path, tmp_path: Path
) -> None:
    genotype = tmp_path / "small.json"
    genotype.write_text(json.dumps(small_document(3)))
    short = ("--iterations", "1", "--batch", "2", "--crop", "16", "--device", "cpu", "--threads", "1")
    done = in_process(train_command.app, genotype, picture_folder, "--out", tmp_path / "run", *short)
    assert done.returncode == 0, done.stderr
    assert seen == [0]
    assert _smallest() > 0


_HINAS = ("layers=2", "nodes=1", "width=4", "steps=1", "samples=1")
_PYRAMID = (
    "widths=[8]", "middle=[1,3]", "blocks=[1,2]", "levels=[1,2]", "halving.rounds=1", "halving.first_iterations=10",
    "halving.candidates=2", "supernet.iterations=2", "supernet.random_paths=1", "supernet.population=3",
    "supernet.parents=2", "supernet.generations=1", "supernet.finalists=1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "space", "settings"),
    [
        ("gradient", "hinas", _HINAS),
        ("random", "hinas", _HINAS),
        ("halving", "pyramid", _PYRAMID),
        ("supernet", "pyramid", _PYRAMID),
    ],
)
def test_they_are_zero_in_a_search(
    in_process: Callable[..., Any],
    seen: list[float],
    picture_folder: Path,
    tmp_path: Path,
    method: str,
    space: str,
    settings: tuple[str, ...],
) -> None:
    sizes = [part for kind in ("halving", "supernet") for part in (f"{kind}.batch=2", f"{kind}.crop=32")]
    if space == "pyramid":
        settings = (*settings, *sizes, "halving.validation_side=32")
    changes = [part for setting in settings for part in ("--set", setting)]
    short = () if space == "pyramid" else ("--epochs", "1", "--batch", "2", "--crop", "16")
    asked = ("--space", space, "--method", method, *changes, *short, "--device", "cpu", "--threads", "1")
    done = in_process(search_command.app, picture_folder, "--out", tmp_path / "run", *asked)
    assert done.returncode == 0, done.stderr
    assert seen and not any(seen)
    assert _smallest() > 0
