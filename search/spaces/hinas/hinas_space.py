"""The space of HiNAS v2 as the rest of the program sees it, with its presets."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, get_args

from ..diagram import CellDiagram, CellsDiagram, EdgeDiagram
from ..interface import Block, Geometry, Pricing, SpaceDescription, SpaceSettings, TaskDescription, own
from ..space import Preset, PresetValues, Space
from .blocks import blocks, latency_probes
from .random_networks import random_description
from .receptive_field import geometry
from .search_settings import V1_CANDIDATES, Settings
from .space import Cell, NetworkDescription, Operation

if TYPE_CHECKING:
    from torch import nn

    from ..searcher import Searcher

_SMALL_PATCHES = {"crop": 48, "validation_side": 96}
"""Of what a network is given: at full resolution it sees as much as others of 96 pixels at half."""
PRESETS: Mapping[str, Preset] = {
    "fast": Preset(
        about="half resolution, no norms, conditioned on sigma: what works best on a small machine",
        schedule={
            "kernel_optimizer": "muon",
            "ssim_weight": 0.0,
            "architecture_weight_decay": 0.0,
            "final_temperature": 0.1,
        },
        for_tasks={
            "super-resolution": PresetValues(
                settings={
                    "layers": 2,
                    "nodes": 3,
                    "stem": {"resolution": "full", "channels": 32},
                    "conditioning": None,
                },
                schedule={"pixel_loss": "l1", "ssim_weight": 0.6},
                halving=_SMALL_PATCHES,
            )
        },
    ),
    "paper": Preset(
        about="HiNAS v2 as published (sections 3 and 4.1)",
        settings={
            "width": 10,
            "compact_width": 20,
            "stem": {"resolution": "full", "channels": 64},
            "end": {"channels": 128, "early_channels": 48},
            "normalisation": "batch",
            "activation": "leaky_relu",
            "conditioning": None,
        },
        for_tasks={
            "super-resolution": PresetValues(
                settings={"layers": 2, "nodes": 3, "width": 8, "compact_width": 16},
                schedule={"pixel_loss": "l1"},
                halving=_SMALL_PATCHES,
            )
        },
    ),
    "v1": Preset(
        about="HiNAS v1 as published (section 3.1): deformable convolutions, one cell for all layers, no residual",
        settings={
            "layers": 4,
            "nodes": 5,
            "width": 10,
            "compact_width": 20,
            "width_factors": (1.0, 2.0, 4.0),
            "candidates": V1_CANDIDATES,
            "layerwise": False,
            "residual": False,
            "stem": {"resolution": "full", "channels": 64},
            "end": {"channels": 128, "early_channels": 48},
            "normalisation": "batch",
            "activation": "relu",
            "conditioning": None,
        },
        schedule={"batch": 12, "ssim_weight": 0.5},
    ),
}


class HinasPricing(Pricing):
    """Operations, squeezes, nodes and the frame."""

    def blocks(self, description: SpaceDescription, task: TaskDescription) -> Mapping[Block, int]:
        """Counts of the compact network."""
        return blocks(own(description, NetworkDescription), task.channels * task.scale**2)

    def probes(self, settings: SpaceSettings) -> Sequence[SpaceDescription]:
        """Networks that differ by one kind of block."""
        return latency_probes(own(settings, Settings))


class HinasSpace(Space):
    """HiNAS v2 (Zhang et al., arXiv 2012.13212), and v1 (arXiv 1909.08228) as a preset."""

    name = "hinas"
    description_type = NetworkDescription
    settings_type = Settings
    presets = PRESETS
    enlarges = True
    mixtures = ("softmax", "sampled")
    chooses_skips = True
    methods = ("gradient", "random", "halving")

    def geometry(self, description: SpaceDescription, task: TaskDescription) -> Geometry:
        """Over all paths through cells and nodes."""
        return geometry(own(description, NetworkDescription), task.scale)

    def network(self, description: SpaceDescription, task: TaskDescription) -> "nn.Module":
        """The compact network."""
        from .network import build

        return build(own(description, NetworkDescription), task.channels, task.scale)

    def searcher(self, settings: SpaceSettings, task: TaskDescription) -> "Searcher":
        """The supernet with its alpha and beta."""
        from .relaxation.search_supernet import build_supernet

        return build_supernet(own(settings, Settings), task.channels, task.scale)

    def random(self, settings: SpaceSettings, draw: Random) -> SpaceDescription:
        """A random path of levels and random cells."""
        return random_description(own(settings, Settings), draw)

    def diagram(self, description: SpaceDescription) -> CellsDiagram:
        """The graphs of the cells and the path of widths."""
        return _diagram(own(description, NetworkDescription))

    @property
    def pricing(self) -> Pricing:
        """By the blocks of the paper's cells."""
        return HinasPricing()


def _diagram(description: NetworkDescription) -> CellsDiagram:
    """Cells with their operations, the widths of the layers, start and end part."""
    levels = range(len(description.width_factors))
    return CellsDiagram(
        start=f"start: {description.stem.resolution} resolution, {description.stem.channels} channels",
        cells=tuple(_cell(number, cell, description) for number, cell in enumerate(description.cells, start=1)),
        end=f"end: {description.end.channels} channels, {description.end.early_channels} from the start part",
        levels=tuple(_level_name(level, description) for level in levels),
        path=tuple(cell.level for cell in description.cells),
        operations=get_args(Operation),
    )


def _cell(number: int, cell: Cell, description: NetworkDescription) -> CellDiagram:
    width = description.level_width(cell.level)
    return CellDiagram(
        title=f"cell {number}: {_level_name(cell.level, description)}",
        inputs=("previous", "before"),
        nodes=tuple(map(str, range(len(cell.nodes)))),
        edges=tuple(
            EdgeDiagram(source=source, target=target, operation=operation)
            for target, edges in enumerate(cell.nodes)
            for operation, source in edges
        ),
        output=f"{len(cell.nodes)} × {width}",
    )


def _level_name(level: int, description: NetworkDescription) -> str:
    stride = description.level_stride(level)
    resolution = "" if stride == 1 else f", 1/{stride} resolution"
    return f"{description.level_width(level)} channels{resolution}"
