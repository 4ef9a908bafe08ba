"""The pyramid space as the rest of the program sees it, with its presets."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

from ..diagram import GraphDiagram
from ..interface import Block, Geometry, Pricing, SpaceDescription, SpaceSettings, TaskDescription, own
from ..space import Preset, PresetValues, Space
from .blocks import blocks, latency_probes
from .drawing import diagram
from .random_networks import random_description
from .receptive_field import geometry
from .search_settings import Settings
from .space import NetworkDescription

if TYPE_CHECKING:
    from torch import nn

    from ..single_path import SinglePathSupernet

_ENLARGING = PresetValues(
    settings={
        "resolutions": ("full",),
        "levels": (1, 1),
        "widths": (32, 48, 64),
        "middle": (3, 12),
        "conditioning": None,
    },
    # At full resolution a network sees as much in patches of 48 pixels as others do in 96 at half.
    halving={"crop": 48, "validation_side": 96},
    supernet={"crop": 48},
)
"""Stacks at the resolution of the small picture."""
PRESETS: Mapping[str, Preset] = {
    "fast": Preset(
        about="one to three levels at half or quarter resolution, conditioned on sigma",
        for_tasks={"super-resolution": _ENLARGING},
    ),
    "stacks": Preset(
        about="one level: chains, stacks and residual stacks, for low noise and small tiles",
        settings={"levels": (1, 1), "middle": (4, 24)},
        for_tasks={"super-resolution": _ENLARGING},
    ),
}


class PyramidPricing(Pricing):
    """Tiles of convolutions, maps beside them, and the frame."""

    def blocks(self, description: SpaceDescription, task: TaskDescription) -> Mapping[Block, int]:
        """Counts of the network as it is exported."""
        return blocks(own(description, NetworkDescription), task.channels, task.scale)

    def probes(self, settings: SpaceSettings) -> Sequence[SpaceDescription]:
        """Networks that differ by few blocks."""
        return latency_probes(own(settings, Settings))


class PyramidSpace(Space):
    """Dense convolutions on levels of resolution: chains, FFDNet, U-Nets, Open Image Denoise's shape."""

    name = "pyramid"
    description_type = NetworkDescription
    settings_type = Settings
    presets = PRESETS
    enlarges = True
    methods = ("halving", "supernet")

    def geometry(self, description: SpaceDescription, task: TaskDescription) -> Geometry:
        """Over all levels and skips."""
        return geometry(own(description, NetworkDescription), task.scale)

    def network(self, description: SpaceDescription, task: TaskDescription) -> "nn.Module":
        """The described network."""
        from .network import build

        return build(own(description, NetworkDescription), task.channels, task.scale)

    def single_path_supernet(self, settings: SpaceSettings, task: TaskDescription) -> "SinglePathSupernet":
        """Of all networks within the settings."""
        from .shared_kernels import PyramidSupernet

        return PyramidSupernet(own(settings, Settings), task.channels, task.scale)

    def random(self, settings: SpaceSettings, draw: Random) -> SpaceDescription:
        """Levels with random widths, blocks and joints."""
        return random_description(own(settings, Settings), draw)

    def diagram(self, description: SpaceDescription) -> GraphDiagram:
        """Levels as rows, the data from left to right."""
        return diagram(own(description, NetworkDescription))

    @property
    def pricing(self) -> Pricing:
        """By tiles of convolutions."""
        return PyramidPricing()
