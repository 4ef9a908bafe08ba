"""The blocks a CLEARER network is priced by, and the networks that fix their prices.

A block is one module with all its branches; stem, transitions and end are one block, the frame.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..interface import Block
from .search_settings import MODULES, Settings
from .space import Module, NetworkDescription


def module_block(description: NetworkDescription, kind: Module, stage: int) -> Block:
    """A module of a stage, from the width of its widest branch to that of its deepest."""
    return Block(
        name=f"{kind}_{2 + stage}",
        in_channels=description.widths[0],
        out_channels=description.widths[1 + stage],
        stride=description.stride,
    )


def frame_block(description: NetworkDescription, channels: int) -> Block:
    """All that no search decides."""
    return Block(
        name=f"frame_to_{channels}",
        in_channels=description.stem.channels * description.stem.expansion,
        out_channels=description.widths[-1],
        stride=description.stride,
    )


def blocks(description: NetworkDescription, channels: int) -> Mapping[Block, int]:
    """How often the network holds each block."""
    counts = Counter([frame_block(description, channels)])
    for stage, kinds in enumerate(description.stages):
        counts.update(module_block(description, kind, stage) for kind in kinds)
    return counts


def latency_probes(settings: Settings) -> Sequence[NetworkDescription]:
    """Networks that differ by one kind of block: parallel modules alone, and for each kind more of it in one stage."""
    plain = settings.of_one_kind("parallel")
    probes = [plain]
    for stage, kinds in enumerate(plain.stages):
        for kind in MODULES:
            more: tuple[Module, ...] = (kind,) * settings.modules
            changed = list(plain.stages)
            changed[stage] = kinds + more
            probes.append(settings.description(changed))
    return probes
