"""Searches and trainings take numbers too small for full precision as 0, because processors are slow with them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search import search_command, train_command
from hinas.search.learning.device import use_processor


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


def test_they_are_zero_once_the_processor_is_set() -> None:
    use_processor(None)
    assert _smallest() == 0


def test_they_are_zero_in_a_training(
    in_process: Callable[..., Any], small_document: Any, picture_folder: Path, tmp_path: Path
) -> None:
    genotype = tmp_path / "small.json"
    genotype.write_text(json.dumps(small_document(3)))
    short = ("--iterations", "1", "--batch", "2", "--crop", "16", "--device", "cpu", "--threads", "1")
    done = in_process(train_command.app, genotype, picture_folder, "--out", tmp_path / "run", *short)
    assert done.returncode == 0, done.stderr
    assert _smallest() == 0


@pytest.mark.parametrize("method", ["gradient", "random"])
def test_they_are_zero_in_a_search(
    in_process: Callable[..., Any], picture_folder: Path, tmp_path: Path, method: str
) -> None:
    small = ("--set", "layers=2", "--set", "nodes=1", "--set", "width=4", "--set", "steps=1", "--set", "samples=1")
    short = ("--method", method, "--epochs", "1", "--batch", "2", "--crop", "16", "--device", "cpu", "--threads", "1")
    done = in_process(search_command.app, picture_folder, "--out", tmp_path / "run", *small, *short)
    assert done.returncode == 0, done.stderr
    assert _smallest() == 0
