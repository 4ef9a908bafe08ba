"""The blocks a pyramid network is priced by, and the networks that fix their prices.

Engines compute convolutions in tiles of 16 input by 16 output channels, and time goes with their number. So a block is
one such tile at one resolution, or what 16 channels of a map cost beside (sums, activations, memory); a few prices hold
for all widths.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..interface import Block
from .layout import Down, Layout, Run, Up, layout
from .search_settings import Settings
from .space import BlockKind, Level, NetworkDescription, Steps

_TILE = 16


class _Counts(Counter[Block]):
    """How often each block was met."""

    def tiles(self, name: str, in_channels: int, channels: int, stride: int, *, times: int = 1) -> None:
        """A convolution's tiles."""
        self._add(name, _tiles(in_channels) * _tiles(channels) * times, stride)

    def maps(self, name: str, channels: int, stride: int, *, times: int = 1) -> None:
        """What 16 channels of a map cost beside the tiles."""
        self._add(f"{name}_map", _tiles(channels) * times, stride)

    def _add(self, name: str, count: int, stride: int) -> None:
        if count:
            self[Block(name=name, in_channels=_TILE, out_channels=_TILE, stride=stride)] += count


def blocks(description: NetworkDescription, channels: int, scale: int = 1) -> Mapping[Block, int]:
    """How often the network holds each block; start and end part are one block, the frame."""
    plan = layout(description, channels, scale)
    counts = _Counts()
    for run in plan.runs:
        _count_run(counts, run)
    for down, _ in plan.descent:
        if down is not None:
            _count_down(counts, down)
    for up, _ in plan.ascent:
        _count_up(counts, up)
    counts[_frame(plan, channels * scale**2)] += 1
    return counts


def _count_run(counts: _Counts, run: Run) -> None:
    convolution = "conv_5x5" if run.convolution == "5x5" else "conv_3x3"
    for index in range(run.count):
        source = run.channels if index else run.in_channels
        counts.tiles(convolution, source, run.channels, run.stride, times=2 if run.kind == "residual" else 1)
        if run.kind == "squeezed_chain":
            counts.tiles("conv_1x1", source, run.channels, run.stride, times=2)
        counts.maps(run.kind, run.channels, run.stride)


def _count_down(counts: _Counts, down: Down) -> None:
    # A pooled map is convolved only where its width changes; else there are no tiles.
    if down.kind != "max_pool" or down.in_channels != down.channels:
        counts.tiles(f"down_{down.kind}", down.in_channels, down.channels, down.stride)
    counts.maps(f"down_{down.kind}", down.in_channels, down.stride)


def _count_up(counts: _Counts, up: Up) -> None:
    if up.kind != "nearest" or up.in_channels != up.channels:
        counts.tiles(f"up_{up.kind}", up.in_channels, up.channels, up.stride)
    counts.maps(f"up_{up.kind}", up.channels, up.stride)
    counts.maps(up.join, up.joined_channels, up.stride)
    if up.fused is not None:
        counts.tiles("conv_1x1", up.joined_channels, up.fused, up.stride)


def _frame(plan: Layout, channels: int) -> Block:
    return Block(
        name=f"frame_to_{channels}", in_channels=plan.end_channels, out_channels=plan.stem[-1], stride=plan.stride
    )


def _tiles(channels: int) -> int:
    return -(-channels // _TILE)


def latency_probes(settings: Settings) -> Sequence[NetworkDescription]:
    """Networks that differ from each other by few blocks: their latencies together fix every price.

    For each resolution of the stem: levels of each width; for each number of levels and each way to join them, narrow,
    wide, and narrow down to each level; and for each level more blocks of each kind on it, narrow and wide.
    Stacks of one level fix the frames, also where a search has none.

    Plain blocks take any channels, so that a step before them may keep its own. Where there are other kinds, widths and
    ways to join are tried with those, and with plain blocks only where these make a difference.
    """
    found: list[NetworkDescription] = []
    others: list[BlockKind] = [kind for kind in settings.kinds if kind != "plain"]
    usual: BlockKind = others[0] if others else "plain"
    plain = Steps(down=settings.downs[0], up=settings.ups[0], skips=settings.skips[0])
    narrow, wide = settings.widths[0], settings.widths[-1]
    most = settings.levels[1]
    for resolution in settings.resolutions:
        for width in settings.widths:
            for num_levels in {1, most}:
                levels = _levels(settings, (width,) * num_levels, (usual,) * num_levels)
                found.append(settings.description(levels, resolution=resolution, steps=plain))
        for num_levels in range(1, most + 1):
            for num_narrow in range(num_levels + 1):
                widths = (narrow,) * num_narrow + (wide,) * (num_levels - num_narrow)
                levels = _levels(settings, widths, (usual,) * num_levels)
                for steps in _ways_to_join(settings, plain):
                    found.append(settings.description(levels, resolution=resolution, steps=steps))
                for above, below, steps in _steps_that_keep_channels(settings, plain, usual):
                    kinds = (above,) * num_narrow + (below,) * (num_levels - num_narrow)
                    levels = _levels(settings, widths, kinds)
                    found.append(settings.description(levels, resolution=resolution, steps=steps))
        for widths in ((narrow,) * most, (wide,) * most):
            for levels in _with_more_blocks(settings, _levels(settings, widths, (usual,) * most)):
                found.append(settings.description(levels, resolution=resolution, steps=plain))
    return tuple(dict.fromkeys(found))


def _levels(settings: Settings, widths: Sequence[int], kinds: Sequence[BlockKind]) -> tuple[Level, ...]:
    """As few blocks as may be."""
    deepest = len(widths) - 1
    return tuple(
        Level(
            width=width,
            blocks=settings.middle[0] if index == deepest else settings.blocks[0],
            blocks_after=0 if index == deepest else settings.blocks[0],
            kind=kinds[index],
            convolution=settings.convolutions[0],
        )
        for index, width in enumerate(widths)
    )


def _steps_that_keep_channels(
    settings: Settings, plain: Steps, usual: BlockKind
) -> list[tuple[BlockKind, BlockKind, Steps]]:
    """The kinds of the narrow and of the wide levels with which a step, down or up, does not change the channels."""
    found: list[tuple[BlockKind, BlockKind, Steps]] = []
    if "plain" not in settings.kinds:
        return found
    if "nearest" in settings.ups and "concatenate" in settings.skips:
        found.append(("plain", "plain", plain.model_copy(update={"up": "nearest", "skips": "concatenate"})))
    if "max_pool" in settings.downs and usual != "plain":
        # Down without tiles and up with them.
        found.append((usual, "plain", plain.model_copy(update={"down": "max_pool"})))
    return found


def _ways_to_join(settings: Settings, plain: Steps) -> list[Steps]:
    return [
        *(plain.model_copy(update={"down": down}) for down in settings.downs),
        *(plain.model_copy(update={"up": up}) for up in settings.ups),
        *(plain.model_copy(update={"skips": skips}) for skips in settings.skips),
    ]


def _with_more_blocks(settings: Settings, levels: tuple[Level, ...]) -> list[tuple[Level, ...]]:
    """On one level at a time more blocks, of every kind and every convolution."""
    found: list[tuple[Level, ...]] = []
    for index, level in enumerate(levels):
        changes = [{"kind": kind} for kind in settings.kinds]
        changes += [{"convolution": convolution} for convolution in settings.convolutions]
        for change in changes:
            more = level.model_copy(update={"blocks": level.blocks + 4, **change})
            found.append((*levels[:index], more, *levels[index + 1 :]))
    return found
