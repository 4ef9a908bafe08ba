"""What each bundled model costs and gives, in a line for people."""

import json
from dataclasses import dataclass

from .bundled_models import MODELS_FOLDER

DESCRIPTIONS = MODELS_FOLDER / "models.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDescription:
    """An entry of `models.json`."""

    name: str
    multiply_adds_per_pixel: int
    """Of the input; a test compares it with the model file."""
    gives: str
    """What it is for and what was measured, in a few words; docs/models.md has the protocol."""


def model_descriptions() -> list[ModelDescription]:
    """Of every bundled model, in the order of the file."""
    return [ModelDescription(**entry) for entry in json.loads(DESCRIPTIONS.read_text(encoding="utf-8"))]


def model_lines() -> list[str]:
    """One line for each bundled model: name, thousands of multiply-adds per pixel, what it gives."""
    return [f"{one.name:<10} {one.multiply_adds_per_pixel / 1000:>4.0f}  {one.gives}" for one in model_descriptions()]
