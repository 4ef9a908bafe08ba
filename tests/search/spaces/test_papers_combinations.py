"""Every system of the papers with every task that they and this project have: a step of the search, and of the find."""

from typing import Any

import pytest
import torch
from hinas.search.architecture_search.drawn_levels import check_conditioning
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named
from hinas.search.tasks.interface import TaskOptions
from hinas.search.tasks.registry import channels_of, task_for_search
from stand_ins.small_spaces import SMALL_SPACES

SYSTEMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "hinas v1": ("hinas", "v1", {}),
    "hinas v2": ("hinas", "paper", {}),
    "superkernel joint": ("superkernel", "paper", {"choice": "joint"}),
    "superkernel factorized": ("superkernel", "paper", {"choice": "factorized"}),
    "superkernel filterwise": ("superkernel", "paper", {"choice": "filterwise"}),
    "superkernel filterwise with attention": ("superkernel", "paper", {"choice": "filterwise_attention"}),
    "superkernel, multi attentional": ("superkernel", "paper-attention", {}),
    "clearer": ("clearer", "paper", {}),
}
"""Space, preset, and what is set."""
TASKS = ("denoise", "camera", "raw", "derain", "super-resolution")


def _combinations() -> list[tuple[str, str]]:
    """Those that enlarge where the space has networks for it; that the others say so is part of their contract."""
    return [
        (system, task)
        for system, (space, *_) in SYSTEMS.items()
        for task in TASKS
        if task != "super-resolution" or space_named(space).enlarges
    ]


@pytest.mark.parametrize(("system", "task_name"), _combinations())
def test_a_system_learns_for_a_task(system: str, task_name: str) -> None:
    space, preset, changes = SYSTEMS[system]
    scale = 2 if task_name == "super-resolution" else 1
    channels = channels_of(task_name, None)
    described = TaskDescription(name=task_name, channels=channels, scale=scale)
    task = task_for_search(task_name, TaskOptions(scale=scale))
    searched = preset_space(space, described, preset, {**SMALL_SPACES[space], **changes})
    check_conditioning(searched, task)
    torch.manual_seed(0)
    searcher = space_named(space).searcher(searched.settings, described)
    given = described.network_input(alignment=searcher.stride)
    generator = torch.Generator().manual_seed(0)
    clean_patches = torch.rand(2, given.picture_channels, *2 * (8 * given.picture_multiple,))
    pairs = task.drawn(clean_patches.contiguous(memory_format=torch.channels_last), generator)  # as they are drawn
    noisy, level, clean = pairs.degraded_BCHW, pairs.level_B, pairs.clean_BCHW

    gradients: list[torch.Tensor] = []
    # In the first step a last convolution that begins as zeros lets no gradient through.
    for phase in 2 * searcher.phases(searched.schedule):
        output = searcher(noisy, level if searcher.conditioned else None)
        assert output.shape == clean.shape
        searcher.zero_grad()
        (output - clean).square().mean().backward()
        gradients = [parameter.grad for parameter in phase.parameters if parameter.grad is not None]
        assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
        for optimizer in phase.optimizers:
            optimizer.step()
    assert any(gradient.abs().max() > 0 for gradient in gradients)

    found = Genotype(space=space, task=described, network=searcher.description())
    assert genotype_from_json(found.to_json()) == found
    network = found.built()
    output = network(noisy, level) if found.network_input.conditioned else network(noisy)
    (output - clean).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
