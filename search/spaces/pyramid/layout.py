"""The parts of a described network in their order, each with its channels and stride. No torch.

Network, halo, prices and drawing are all read off this one value.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .space import BlockKind, Convolution, DownSampling, Join, Leave, Level, NetworkDescription, Steps, UpSampling


@dataclass(frozen=True, kw_only=True)
class Run:
    """Blocks of one kind, one after the other; maybe none."""

    kind: BlockKind
    convolution: Convolution
    in_channels: int
    channels: int
    """Behind each block."""
    count: int
    stride: int
    """Image pixels per pixel, along one side; so everywhere below."""


@dataclass(frozen=True, kw_only=True)
class Down:
    """The way from one level to the next."""

    kind: DownSampling
    in_channels: int
    channels: int
    stride: int
    """Of what it gives."""


@dataclass(frozen=True, kw_only=True)
class Up:
    """The way back, and the skip that joins there."""

    kind: UpSampling
    in_channels: int
    channels: int
    """Of what it gives, before the skip joins."""
    skip_channels: int
    join: Join
    leave: Leave
    fused: int | None
    """Channels of a 1x1 convolution behind the joint; None where there is none."""
    stride: int
    """Of what it gives."""

    @property
    def joined_channels(self) -> int:
        """Behind the joint."""
        return self.channels if self.join == "add" else self.channels + self.skip_channels


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A network from its first convolution to its last."""

    stem: tuple[int, ...]
    """Channels from the image's maps to level 0."""
    stem_activated: bool
    """Whether a ReLU ends the stem: what plain blocks expect."""
    descent: tuple[tuple[Down | None, Run], ...]
    """For each level, from level 0 to the deepest, how it is reached and its blocks."""
    ascent: tuple[tuple[Up, Run], ...]
    """For each level above the deepest, the lowest of them first."""
    end_channels: int
    """Of the map that the end part is given."""
    end_activated: bool
    """Whether a ReLU begins the end part: what pre-activated blocks leave to do."""
    out_channels: int
    """Of the last convolution."""
    stride: int
    """Of level 0."""

    @property
    def runs(self) -> Iterator[Run]:
        """The blocks in the order of the data."""
        yield from (run for _, run in self.descent)
        yield from (run for _, run in self.ascent)


def layout(description: NetworkDescription, channels: int, scale: int = 1) -> Layout:
    """The parts of the network for images of so many channels that it makes `scale` times as high and wide."""
    stride, levels = description.stride, description.levels
    given = channels * stride**2 + (description.conditioning is not None)
    stem = (given, *description.stem.channels, levels[0].width)
    descent: list[tuple[Down | None, Run]] = [(None, _run(levels[0], levels[0].blocks, levels[0].width, stride))]
    ascent: list[tuple[Up, Run]] = []
    if description.steps is not None:
        for index in range(1, len(levels)):
            descent.append(_step_down(description.steps, levels, index, stride * 2**index))
        entries = [given, *(down.channels for down, _ in descent if down is not None)]
        below = _channels_behind(descent[-1][1])
        for index in reversed(range(len(levels) - 1)):
            skip = entries[index] if description.steps.skips_leave == "entry" else _channels_behind(descent[index][1])
            ascent.append(_step_up(description.steps, levels[index], below, skip, stride * 2**index))
            below = _channels_behind(ascent[-1][1])
    last = ascent[-1][1] if ascent else descent[-1][1]
    return Layout(
        stem=stem,
        stem_activated=levels[0].kind == "plain",
        descent=tuple(descent),
        ascent=tuple(ascent),
        end_channels=_channels_behind(last),
        end_activated=last.kind in ("single", "chain", "squeezed_chain"),
        out_channels=channels * (stride * scale) ** 2,
        stride=stride,
    )


def _step_down(steps: Steps, levels: tuple[Level, ...], index: int, stride: int) -> tuple[Down, Run]:
    own, above = levels[index], levels[index - 1]
    # The first plain convolution takes any channels; all other blocks add to their input.
    keeps = steps.down == "max_pool" and own.kind == "plain" and own.blocks > 0
    width = above.width if keeps else own.width
    down = Down(kind=steps.down, in_channels=above.width, channels=width, stride=stride)
    return down, _run(own, own.blocks, width, stride)


def _step_up(steps: Steps, own: Level, below: int, skip: int, stride: int) -> tuple[Up, Run]:
    width = own.width_after or own.width
    is_plain = own.kind == "plain" and own.blocks_after > 0
    keeps = steps.up == "nearest" and steps.skips == "concatenate" and is_plain
    up = below if keeps else width
    joined = up + skip if steps.skips == "concatenate" else up
    fused = None if is_plain or joined == width else width
    part = Up(
        kind=steps.up,
        in_channels=below,
        channels=up,
        skip_channels=skip,
        join=steps.skips,
        leave=steps.skips_leave,
        fused=fused,
        stride=stride,
    )
    return part, _run(own, own.blocks_after, fused or joined, stride, width=width)


def _run(level: Level, count: int, in_channels: int, stride: int, *, width: int | None = None) -> Run:
    return Run(
        kind=level.kind,
        convolution=level.convolution,
        in_channels=in_channels,
        channels=width or level.width,
        count=count,
        stride=stride,
    )


def _channels_behind(run: Run) -> int:
    return run.channels if run.count else run.in_channels
