"""A search space of one's own, outside of hinas: stacks of 3x3 convolutions whose depth and width are searched.

pip install examples/own_space && hinas-search photos --space stack --out runs/stack
"""

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from hinas.search.spaces.diagram import Arrow, Box, GraphDiagram
from hinas.search.spaces.interface import Geometry, SpaceDescription, SpaceSettings, TaskDescription, own
from hinas.search.spaces.space import Preset, Space

if TYPE_CHECKING:
    from torch import nn


class Stack(SpaceDescription):
    """One network: the `network` of a genotype."""

    depth: int
    """Convolutions."""
    width: int
    """Channels between them."""

    @property
    def conditioning_range(self) -> tuple[float, float] | None:
        """It is not told how strong the noise is."""
        return None


class Settings(SpaceSettings):
    """What is fixed before a search; --set depths=[3,9] changes it."""

    depths: tuple[int, int] = (3, 8)
    """The fewest and the most convolutions."""
    widths: tuple[int, ...] = (8, 16, 32)

    @property
    def is_conditioned(self) -> bool:
        """No network is."""
        return False


class StackSpace(Space):
    """Stacks; it has what --method halving needs."""

    name = "stack"
    description_type = Stack
    settings_type = Settings
    presets = {"fast": Preset(about="three to eight convolutions")}  # noqa: RUF012
    methods = ("halving",)

    def geometry(self, description: SpaceDescription, task: TaskDescription) -> Geometry:
        """Every convolution sees one pixel further; any tile will do."""
        return Geometry(halo=own(description, Stack).depth, alignment=1)

    def network(self, description: SpaceDescription, task: TaskDescription) -> "nn.Module":
        """The noise is what the stack computes; it is taken off the picture."""
        # Here, not above: commands that need no PyTorch do not load it.
        from torch import Tensor, nn

        stack = own(description, Stack)

        class Denoising(nn.Sequential):
            def forward(self, input: Tensor, sigma: Tensor | None = None) -> Tensor:
                return input - super().forward(input)

        widths = [task.channels, *[stack.width] * (stack.depth - 1), task.channels]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        return Denoising(*layers[:-1])

    def random(self, settings: SpaceSettings, draw: Random) -> SpaceDescription:
        """Depth and width drawn evenly."""
        given = own(settings, Settings)
        return Stack(depth=draw.randint(*given.depths), width=draw.choice(given.widths))

    def diagram(self, description: SpaceDescription) -> GraphDiagram:
        """The convolutions in a row."""
        stack = own(description, Stack)
        boxes = [Box(label=f"{stack.width}", column=index, row=0, kind="convolution") for index in range(stack.depth)]
        arrows = [Arrow(source=index, target=index + 1) for index in range(stack.depth - 1)]
        return GraphDiagram(boxes=tuple(boxes), arrows=tuple(arrows))
