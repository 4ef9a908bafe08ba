"""Searchers of small networks: of the superkernel space, and of the spaces whose searches can draw."""

from typing import Any

import torch
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_settings
from torch import nn

GREY = TaskDescription(channels=1)
SUPERKERNEL = space_named("superkernel")
SMALL_SUPERKERNEL: Any = {"width": 4, "depth": 1}
ATTENTION: Any = {"base": "multi_attentional", "subnetworks": 2, "kernels": [3, 7], "conditioning": None}
CHOICES = ("joint", "factorized", "filterwise", "filterwise_attention")


def superkernel_settings(**changes: Any) -> Any:
    return space_settings("superkernel", SMALL_SUPERKERNEL | changes)


def superkernel_searcher(seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    searcher = SUPERKERNEL.searcher(superkernel_settings(**changes), GREY)
    for parameter in searcher.parameters():
        # Fresh networks are the identity, which would hide everything.
        nn.init.normal_(parameter, std=0.3)
    return searcher


HINAS: dict[str, Any] = {
    "layers": 3, "nodes": 2, "width": 4, "compact_width": 8,
    "stem": {"resolution": "half", "channels": 6}, "end": {"channels": 6, "early_channels": 4},
}  # fmt: skip
CLEARER: dict[str, Any] = {
    "width": 3, "modules": 2, "stem": {"resolution": "half", "blocks": 1, "channels": 2, "expansion": 2},
}  # fmt: skip
SMALL_SPACES = {"hinas": HINAS, "clearer": CLEARER}


def drawing_searcher(space: str = "hinas", seed: int = 0, **changes: Any) -> Any:
    """A small supernet in training whose last convolution, zero at first, has weights: else outputs would be alike."""
    torch.manual_seed(seed)
    searcher: Any = space_named(space).searcher(space_settings(space, SMALL_SPACES[space] | changes), GREY)
    last = searcher.supernet.end.last if space == "hinas" else searcher.frame.last
    torch.nn.init.normal_(last.weight, std=0.5)
    return searcher.train()
