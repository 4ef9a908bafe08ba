"""The superkernel space as the rest of the program sees it, with its presets."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

from ..diagram import GraphDiagram
from ..interface import Block, Geometry, Pricing, SpaceDescription, SpaceSettings, TaskDescription, own
from ..space import Preset, Space
from .blocks import blocks, latency_probes
from .drawing import diagram
from .receptive_field import geometry
from .search_settings import Settings
from .space import NetworkDescription

if TYPE_CHECKING:
    from torch import nn

    from ..searcher import Searcher

_PAPER_NET: Mapping[str, object] = {
    "base": "skipinit",
    "width": 32,
    "depth": 3,
    "blocks": 2,
    "resolution": "full",
    "activation": "prelu",
    "kernels": (3, 5),
    "growths": (0.2, 0.4, 0.6),
    "conditioning": None,
}
_PAPER_ATTENTION: Mapping[str, object] = {
    "base": "multi_attentional",
    "subnetworks": 1,
    "width": 64,
    "width_growth": "doubled",
    "depth": 3,
    "blocks": 1,
    "resolution": "full",
    "activation": "relu",
    "kernels": (3, 5, 7),
    "growths": (0.25, 0.5, 1.0),
    "conditioning": None,
}
_PAPER_SCHEDULE: Mapping[str, object] = {
    "steps": 1000,
    "batch": 4,
    "crop": 128,
    "warm_up_epochs": 0,
    "validate_from_epoch": 1,
    "pixel_loss": "l1",
    "ssim_weight": 0.0,
    "kernel_optimizer": "adam",
    "kernel_learning_rate": 2e-5,
    "architecture_learning_rate": 2e-5,
    "architecture_weight_decay": 0.0,
}

PRESETS: Mapping[str, Preset] = {
    "fast": Preset(
        about="a small SkipInit U-Net at half resolution, conditioned on sigma: for one core",
        schedule={
            "warm_up_epochs": 0,
            "kernel_optimizer": "muon",
            "kernel_learning_rate": 2e-3,
            "architecture_learning_rate": 0.02,
            "architecture_weight_decay": 0.0,
            "ssim_weight": 0.0,
            "final_temperature": 0.1,
        },
    ),
    "paper": Preset(
        about="SkipInit Residual U-Net, Model 1 of section 5.2, with the joint superkernel",
        settings=_PAPER_NET,
        schedule=_PAPER_SCHEDULE,
    ),
    "paper-model-2": Preset(
        about="SkipInit Residual U-Net, Model 2 of section 5.2: shallower and wider",
        settings={**_PAPER_NET, "width": 64, "depth": 2},
        schedule=_PAPER_SCHEDULE,
    ),
    "paper-attention": Preset(
        about="Multi Attentional Residual U-Net of section 5.3; --set subnetworks=3 or 6 for more of them",
        settings=_PAPER_ATTENTION,
        schedule=_PAPER_SCHEDULE,
    ),
}


class SuperkernelPricing(Pricing):
    """Pieces of convolutions, maps beside them, and the frame."""

    def blocks(self, description: SpaceDescription, task: TaskDescription) -> Mapping[Block, int]:
        """Counts of the compact network."""
        return blocks(own(description, NetworkDescription), task.channels)

    def probes(self, settings: SpaceSettings) -> Sequence[SpaceDescription]:
        """Networks that differ by the superkernels of one level."""
        return latency_probes(own(settings, Settings))


class SuperkernelSpace(Space):
    """Superkernel NAS (Mozejko et al., CVPR Workshops 2020)."""

    name = "superkernel"
    description_type = NetworkDescription
    settings_type = Settings
    presets = PRESETS
    methods = ("gradient", "random", "halving")

    def geometry(self, description: SpaceDescription, task: TaskDescription) -> Geometry:
        """Over all levels; approximate where channel attention sees the whole image."""
        return geometry(own(description, NetworkDescription))

    def network(self, description: SpaceDescription, task: TaskDescription) -> "nn.Module":
        """The compact network."""
        from .network import build

        return build(own(description, NetworkDescription), task.channels)

    def searcher(self, settings: SpaceSettings, task: TaskDescription) -> "Searcher":
        """The base net with whole superkernels and the choices of their slices."""
        from .search_supernet import SuperkernelSearcher

        return SuperkernelSearcher(own(settings, Settings), task.channels)

    def random(self, settings: SpaceSettings, draw: Random) -> SpaceDescription:
        """Random slices."""
        return own(settings, Settings).random_description(draw)

    def diagram(self, description: SpaceDescription) -> GraphDiagram:
        """Levels as rows, the slices of every block."""
        return diagram(own(description, NetworkDescription))

    @property
    def pricing(self) -> Pricing:
        """By pieces of convolutions."""
        return SuperkernelPricing()
