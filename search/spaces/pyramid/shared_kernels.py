"""All networks of a pyramid search in one: smaller ones use the first channels and blocks of the largest.

Kinds of blocks, convolutions and ways between levels have kernels of their own; so has every resolution of the stem.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..image_output import ImageOutput
from ..interface import SpaceDescription, own
from ..single_path import SinglePathSupernet
from .crossing import crossed
from .layout import layout
from .network import PyramidNetwork, build
from .random_networks import random_description
from .search_settings import Settings
from .space import Level, NetworkDescription, Steps


@dataclass(frozen=True, kw_only=True)
class SharedPart:
    """Where a network's parameter lies among the shared ones."""

    key: str
    joint: tuple[int, int] | None = None
    """Of a kernel behind a concatenation: its inputs from below and the most there can be; the skip's come after."""


def shared_parts(
    description: NetworkDescription, names: Sequence[str], channels: int, widest: int
) -> dict[str, SharedPart]:
    """The shared parameter of each of a network's."""
    plan, deepest = layout(description, channels), len(description.levels) - 1
    found: dict[str, SharedPart] = {}
    for name in names:
        part, _, rest = name.partition(".")
        joint = None
        if part in ("stem", "end"):
            where = part
        else:
            number, _, rest = rest.partition(".")
            index = int(number)
            if part == "downs":
                down = plan.descent[index + 1][0]
                assert down is not None
                where = f"down {index} {down.kind}"
            elif part == "runs":
                run = plan.descent[index][1]
                where = f"before {index} {run.kind} {run.convolution}"
            else:
                up, run = plan.ascent[index]
                level = deepest - 1 - index
                kind = f"{up.kind} {up.join}" if part == "ups" else f"{run.kind} {run.convolution}"
                where = f"{part} {level} {kind}"
                first = "fuse." if up.fused is not None else "0.last."
                behind = rest.startswith(first) and rest.endswith("weight")
                if up.join == "concatenate" and behind:
                    joint = (up.channels, widest)
                    where += " behind"
        # Keys of a ParameterDict hold no dots.
        key = f"{description.stem.resolution} {where} {rest}".replace(".", "-")
        found[name] = SharedPart(key=key, joint=joint)
    return found


class PyramidSupernet(SinglePathSupernet):
    """Every network within the settings."""

    def __init__(self, settings: Settings, channels: int, scale: int = 1) -> None:
        super().__init__()
        self.settings = settings
        self.channels = channels
        self.scale = scale
        # What networks compute with besides their kernels; the same for all.
        self.image = ImageOutput(channels, stride=1, scale=scale, residual=settings.residual)
        self.conditioned = settings.conditioning is not None
        self.stride = {"full": 1, "half": 2, "quarter": 4}[
            max(settings.resolutions, key=["full", "half", "quarter"].index)
        ] * 2 ** (settings.levels[1] - 1)
        self.kernels = nn.ParameterDict()
        for description in (*self._all_largest(), *self._all_widened()):
            names = [name for name, _ in _bare_network(description, channels, scale).named_parameters()]
            parts = self._parts(description, names)
            new = {name: part.key for name, part in parts.items() if part.key not in self.kernels}
            if new:
                parameters = dict(build(description, channels, scale).named_parameters())
                self.kernels.update({key: nn.Parameter(parameters[name].detach()) for name, key in new.items()})

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, description: SpaceDescription) -> Tensor:
        """One network's output; gradients reach the shared kernels."""
        described = own(description, NetworkDescription)
        network = _bare_network(described, self.channels, self.scale)
        fixed = {f"image.{name}": value for name, value in self.image.named_buffers()}
        return functional_call(network, {**self._values(described, network), **fixed}, (noisy_BCHW, sigma_B))

    def largest(self, draw: Random) -> NetworkDescription:
        """The most levels, widths and blocks; kinds are drawn."""
        return draw.choice([one for one in self._all_largest() if len(one.levels) == self.settings.levels[1]])

    def smallest(self, draw: Random) -> NetworkDescription:
        """The fewest levels, widths and blocks; kinds are drawn."""
        choice = self.settings
        like = random_description(choice, draw)
        levels = self._levels(choice.levels[0], choice.widths[0], choice.blocks[0], choice.middle[0], like.levels[0])
        steps = Steps(down=draw.choice(choice.downs), up=draw.choice(choice.ups), skips=draw.choice(choice.skips))
        return choice.description(levels, resolution=like.stem.resolution, steps=steps)

    def random_description(self, draw: Random) -> NetworkDescription:
        """Within the settings."""
        return random_description(self.settings, draw)

    def crossed(
        self, one: SpaceDescription, other: SpaceDescription, draw: Random, *, share: float
    ) -> NetworkDescription:
        """Of the two, within the settings."""
        parents = own(one, NetworkDescription), own(other, NetworkDescription)
        return crossed(*parents, self.settings, draw, share=share)

    def inherited_network(self, description: SpaceDescription) -> nn.Module:
        """With its part of the kernels."""
        described = own(description, NetworkDescription)
        network = build(described, self.channels, self.scale)
        values = self._values(described, network)
        network.load_state_dict({name: value.detach().clone() for name, value in values.items()})
        return network

    def hidden_kernels(self) -> list[nn.Parameter]:
        """All with spatial axes but those of stem and end."""
        return [
            parameter
            for key, parameter in self.kernels.items()
            if parameter.ndim == 4 and key.split(" ")[1] not in ("stem", "end")
        ]

    def _values(self, description: NetworkDescription, network: nn.Module) -> dict[str, Tensor]:
        parts = self._parts(description, [name for name, _ in network.named_parameters()])
        return {
            name: _sliced(self.kernels[parts[name].key], parameter.shape, parts[name].joint)
            for name, parameter in network.named_parameters()
        }

    def _parts(self, description: NetworkDescription, names: Sequence[str]) -> dict[str, SharedPart]:
        return shared_parts(description, names, self.channels, self.settings.widths[-1])

    def _all_largest(self) -> Iterator[NetworkDescription]:
        """Of every number of levels, and of every kind on all of them alike."""
        choice = self.settings
        for resolution, num_levels in product(choice.resolutions, range(choice.levels[0], choice.levels[1] + 1)):
            for kind, convolution in product(choice.kinds, choice.convolutions):
                like = Level(width=1, blocks=1, kind=kind, convolution=convolution)
                levels = self._levels(num_levels, choice.widths[-1], choice.blocks[1], choice.middle[1], like)
                for down, up, skips in product(choice.downs, choice.ups, choice.skips):
                    yield choice.description(levels, resolution=resolution, steps=Steps(down=down, up=up, skips=skips))

    def _all_widened(self) -> Iterator[NetworkDescription]:
        """As large as can be with a width that changes once: some ways between levels are convolved only there."""
        for description in self._all_largest():
            for split in range(1, len(description.levels)):
                narrower = self.settings.widths[-2:][0]
                levels = tuple(
                    level.model_copy(update={"width": narrower}) if index < split else level
                    for index, level in enumerate(description.levels)
                )
                yield description.model_copy(update={"levels": levels})

    def _levels(self, num_levels: int, width: int, blocks: int, middle: int, like: Level) -> tuple[Level, ...]:
        return tuple(
            Level(
                width=width,
                blocks=middle if index == num_levels - 1 else blocks,
                blocks_after=0 if index == num_levels - 1 else blocks,
                kind=like.kind,
                convolution=like.convolution,
            )
            for index in range(num_levels)
        )


def _bare_network(description: NetworkDescription, channels: int, scale: int) -> PyramidNetwork:
    """The network without values."""
    with torch.device("meta"):
        return PyramidNetwork(description, channels, scale)


def _sliced(shared: Tensor, shape: Sequence[int], joint: tuple[int, int] | None) -> Tensor:
    """The first values along every axis; behind a concatenation the first of both inputs."""
    if joint is None or shape[1] == shared.shape[1]:
        return shared[tuple(slice(length) for length in shape)]
    below, most_below = joint
    rows = shared[: shape[0]]
    return torch.cat([rows[:, :below], rows[:, most_below : most_below + shape[1] - below]], dim=1)
