"""The parts of a described network in their order, each with its channels and stride. No torch.

Network, halo, prices and drawing are all read off this one value.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .space import BaseNet, NetworkDescription, Slice


@dataclass(frozen=True, kw_only=True)
class Block:
    """A DCR block."""

    width: int
    """Channels of what comes in and goes out."""
    first: Slice
    second: Slice
    stride: int
    """Image pixels per pixel, along one side."""

    @property
    def inputs(self) -> tuple[int, int, int]:
        """Channels that each of its three convolutions reads: all that came before."""
        behind_first = self.width + self.first.filters
        return self.width, behind_first, behind_first + self.second.filters


@dataclass(frozen=True, kw_only=True)
class Level:
    """All that happens at one resolution on the way down or up."""

    width: int
    stride: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Subnetwork:
    """One U-Net."""

    descent: tuple[Level, ...]
    """From level 0 to the lowest."""
    ascent: tuple[Level, ...]
    """From the lowest but one to level 0."""

    @property
    def blocks(self) -> Iterator[Block]:
        """In the order of the data."""
        for level in (*self.descent, *self.ascent):
            yield from level.blocks


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A network from its first convolution to its last."""

    subnetworks: tuple[Subnetwork, ...]
    in_channels: int
    """Of what the first convolutions read: the image's maps, and sigma's."""
    out_channels: int
    """Of the last convolution."""


def layout(description: NetworkDescription, channels: int) -> Layout:
    """The parts of the network for images of so many channels."""
    slices = iter(description.slices)
    out_channels = channels * description.stride**2
    return Layout(
        subnetworks=tuple(_subnetwork(description, slices) for _ in range(description.subnetworks)),
        in_channels=out_channels + (description.conditioning is not None),
        out_channels=out_channels,
    )


def _subnetwork(net: BaseNet, slices: Iterator[Slice]) -> Subnetwork:
    return Subnetwork(
        descent=tuple(_level(net, level, slices) for level in range(net.depth + 1)),
        ascent=tuple(_level(net, level, slices) for level in reversed(range(net.depth))),
    )


def _level(net: BaseNet, level: int, slices: Iterator[Slice]) -> Level:
    width, stride = net.level_width(level), net.level_stride(level)
    blocks = tuple(
        Block(width=width, first=next(slices), second=next(slices), stride=stride) for _ in range(net.blocks)
    )
    return Level(width=width, stride=stride, blocks=blocks)
