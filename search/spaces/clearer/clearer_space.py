"""The CLEARER space as the rest of the program sees it, with its presets."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

from ..diagram import GraphDiagram
from ..interface import Block, Geometry, Pricing, SpaceDescription, SpaceSettings, TaskDescription, own
from ..space import Preset, Space
from .blocks import blocks, latency_probes
from .drawing import diagram
from .random_networks import random_description
from .receptive_field import geometry
from .search_settings import Settings
from .space import NetworkDescription

if TYPE_CHECKING:
    from torch import nn

    from ..searcher import Searcher

PRESETS: Mapping[str, Preset] = {
    "fast": Preset(
        about="three branches at half resolution, no norms, conditioned on sigma, for a small machine",
        schedule={
            "kernel_optimizer": "muon",
            "ssim_weight": 0.0,
            # The published steps of 3e-4 need ten thousand steps to decide.
            "architecture_learning_rate": 0.01,
            "architecture_betas": (0.5, 0.999),
            "architecture_weight_decay": 0.0,
        },
    ),
    "paper": Preset(
        about="CLEARER as published: four branches of 32 to 256 channels, batch norm, blind",
        settings={
            "width": 32,
            "branches": 4,
            "modules": 4,
            "stem": {"resolution": "full", "blocks": 2, "channels": 32, "expansion": 4},
            "normalisation": "batch",
            "residual": False,
            "conditioning": None,
            "complexity_weight": 0.1,
        },
        schedule={
            "epochs": 200,
            "steps": 50,
            "batch": 32,
            "warm_up_epochs": 10,
            # The authors retrain what the last epoch says.
            "validate_from_epoch": 200,
            "ssim_weight": 0.0,
            "architecture_learning_rate": 3e-4,
            "architecture_betas": (0.5, 0.999),
        },
    ),
}


class ClearerPricing(Pricing):
    """Modules and the frame."""

    def blocks(self, description: SpaceDescription, task: TaskDescription) -> Mapping[Block, int]:
        """Counts of the compact network."""
        return blocks(own(description, NetworkDescription), task.channels)

    def probes(self, settings: SpaceSettings) -> Sequence[SpaceDescription]:
        """Networks that differ by one kind of block."""
        return latency_probes(own(settings, Settings))


class ClearerSpace(Space):
    """CLEARER (Gou et al., NeurIPS 2020)."""

    name = "clearer"
    description_type = NetworkDescription
    settings_type = Settings
    presets = PRESETS
    mixtures = ("softmax", "sampled")
    methods = ("gradient", "random", "halving")

    def geometry(self, description: SpaceDescription, task: TaskDescription) -> Geometry:
        """Over all branches and the ways between them."""
        return geometry(own(description, NetworkDescription))

    def network(self, description: SpaceDescription, task: TaskDescription) -> "nn.Module":
        """The compact network."""
        from .network import build

        return build(own(description, NetworkDescription), task.channels)

    def searcher(self, settings: SpaceSettings, task: TaskDescription) -> "Searcher":
        """The supernet with the logits of its modules."""
        from .supernet import ClearerSearcher

        return ClearerSearcher(own(settings, Settings), task.channels)

    def random(self, settings: SpaceSettings, draw: Random) -> SpaceDescription:
        """Each module drawn evenly."""
        return random_description(own(settings, Settings), draw)

    def diagram(self, description: SpaceDescription) -> GraphDiagram:
        """Branches as rows, modules from left to right."""
        return diagram(own(description, NetworkDescription))

    @property
    def pricing(self) -> Pricing:
        """By modules."""
        return ClearerPricing()
