"""Fixtures that several rooms' tests use: random genotypes and small pictures."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

OPERATIONS = ("conv_3x3", "sep_3x3", "sep_5x5", "dil_3x3", "dil_5x5", "skip")


def _random_document(seed: int) -> dict[str, Any]:
    """A small random genotype of the hinas space: every choice the schema has, drawn from `seed`."""
    draw = random.Random(seed)
    factors = draw.choice([[1.0], [1.0, 1.5, 2.0], [1.0, 2.0, 4.0]])
    cells = []
    for _ in range(draw.randint(1, 3)):
        nodes = [
            [[draw.choice(OPERATIONS), source] for source in draw.sample(range(2 + index), 2)]
            for index in range(draw.randint(1, 3))
        ]
        cells.append({"level": draw.randrange(len(factors)), "nodes": nodes})
    network: dict[str, Any] = {
        "width": draw.choice([3, 4, 8]),
        "width_factors": factors,
        "normalisation": draw.choice(["batch", "none"]),
        "residual": draw.random() < 0.8,
        "stem": {"resolution": draw.choice(["full", "half"]), "channels": draw.choice([5, 8])},
        "end": {"channels": draw.choice([6, 8]), "early_channels": draw.choice([3, 4])},
        "cells": cells,
    }
    if draw.random() < 0.5:
        network["conditioning"] = {"input": "sigma", "range": [0, 75]}
    return {
        "format": "hinas-genotype",
        "version": 1,
        "space": "hinas",
        "task": {"name": "denoise", "channels": draw.choice([1, 3]), "scale": 1},
        "network": network,
    }


@pytest.fixture(scope="session")
def random_document() -> Callable[[int], dict[str, Any]]:
    """seed -> the JSON document of a small random genotype."""
    return _random_document


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a few small clean pictures with edges, ramps and texture."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(3):
        height, width = 70 + 8 * index, 90
        rows, columns = np.mgrid[:height, :width]
        ramp = 255 * columns / width
        stripes = 127 + 100 * np.sin((rows + index * columns) / 5)
        disc = 255.0 * ((rows - 35) ** 2 + (columns - 45) ** 2 < 400)
        pixels = np.stack([ramp, stripes, disc], axis=-1).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"picture-{index}.png")
    return folder
