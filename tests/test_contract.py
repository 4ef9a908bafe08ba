"""What every registered space and task keeps to; a new one is tested by being registered.

Spaces: descriptions survive JSON, networks build, learn a step, export and tile as their geometry says, pictures and
prices cover them, searches run. Tasks: pairs have the right shapes, are repeatable, and score.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.export.freeze import frozen_model
from hinas.network_input import PACKED_BAYER, NetworkInput
from hinas.runtime import Denoiser
from hinas.search.architecture_search.drawings.genotype_drawing import draw_genotype
from hinas.search.architecture_search.search_space import DEFAULT_PRESET, preset_space
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.learning.metrics import validate
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_names
from hinas.search.tasks.interface import Task, TaskOptions
from hinas.search.tasks.registry import (
    channels_of,
    configured_task,
    is_blind,
    task_for_search,
    task_names,
)
from stand_ins.small_spaces import SMALL_SPACES

SCALES = {"super-resolution": (2, 3, 4)}
"""Of the tasks that enlarge; all others have 1."""


def _described(space: str, seed: int, channels: Any = 1, preset: str = DEFAULT_PRESET, **changes: Any) -> Genotype:
    task = TaskDescription(name="raw" if channels == PACKED_BAYER else "denoise", channels=channels)
    settings = preset_space(space, task, preset, changes).settings
    return Genotype(space=space, task=task, network=space_named(space).random(settings, Random(seed)))


@pytest.mark.parametrize("space", space_names())
def test_every_preset_is_valid_and_can_be_changed(space: str) -> None:
    presets = space_named(space).presets
    assert next(iter(presets)) == DEFAULT_PRESET == "fast"
    for name, preset in presets.items():
        assert preset.about
        described = preset_space(space, TaskDescription(channels=3), name, {"epochs": 7})
        assert described.schedule.epochs == 7


@pytest.mark.parametrize("space", space_names())
@pytest.mark.parametrize("seed", range(3))
def test_a_description_survives_json_and_has_one_identity(space: str, seed: int) -> None:
    genotype = _described(space, seed)
    again = genotype_from_json(genotype.to_json())
    assert again == genotype and again.identity == genotype.identity
    assert _described(space, seed).identity == genotype.identity
    assert len({_described(space, other).identity for other in range(8)}) > 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "preset", "channels"),
    [*((space, DEFAULT_PRESET, 3) for space in space_names()), ("superkernel", DEFAULT_PRESET, 4), ("hinas", "v1", 4)],
)
def test_a_random_network_learns_a_step_exports_and_tiles(
    space: str, preset: str, channels: int, tmp_path: Path
) -> None:
    genotype = _described(space, 1, channels, preset, **SMALL_SPACES[space])
    torch.manual_seed(0)
    network = genotype.built()
    given = genotype.network_input
    size = 16 * given.alignment
    inputs = [torch.rand(2, channels, size, size)]
    if given.level_range is not None:
        inputs.append(torch.tensor(given.level_range))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        (network(*inputs) - torch.rand(2, channels, given.scale * size, given.scale * size)).square().mean().backward()
        optimizer.step()
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))

    # Freezing compares the outputs with torch's and, where tiling is exact, the halo with a probe.
    content, report = frozen_model(genotype, None)
    (tmp_path / "model.onnx").write_bytes(content)
    assert report.halo == genotype.geometry.halo and report.alignment == given.alignment
    image = np.random.default_rng(0).random((90, 70) if channels == 1 else (90, 70, channels), np.float32)
    sigma = 25.0 if given.conditioned else None
    whole, tiled = (Denoiser.load(tmp_path / "model.onnx", "cpu", tile=tile) for tile in (None, 24))
    assert whole.manifest.task == genotype.task.name and whole.manifest.tiling == genotype.geometry.tiling
    if genotype.geometry.tiling == "exact":
        np.testing.assert_allclose(tiled(image, sigma), whole(image, sigma), atol=1e-4)


@pytest.mark.parametrize("space", space_names())
def test_prices_cover_every_network_a_search_can_choose(space: str) -> None:
    found = space_named(space)
    if found.pricing is None:
        pytest.skip(f"{space} is not priced by blocks")
    task = TaskDescription(channels=1)
    settings = preset_space(space, task, DEFAULT_PRESET, {}).settings
    priced = {block for probe in found.pricing.probes(settings) for block in found.pricing.blocks(probe, task)}
    for seed in range(10):
        counts = found.pricing.blocks(found.random(settings, Random(seed)), task)
        assert counts and set(counts) <= priced
    if "gradient" in found.methods:
        assert set(found.searcher(settings, task).expected_blocks()) <= priced


@pytest.mark.parametrize("space", space_names())
def test_a_found_network_can_be_drawn(space: str, tmp_path: Path) -> None:
    for path in draw_genotype(_described(space, 2), tmp_path / "genotype"):
        assert path.stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("space", [name for name in space_names() if "gradient" in space_named(name).methods])
def test_a_single_network_is_what_the_searcher_computes_for_it(space: str) -> None:
    """One meaning, one network: the searcher's kernels in a network of its own give the same output."""
    task = TaskDescription(channels=1)
    settings = preset_space(space, task, DEFAULT_PRESET, {}).settings
    torch.manual_seed(0)
    searcher = space_named(space).searcher(settings, task)
    description = searcher.random_description(Random(3))
    size = 4 * searcher.stride
    noisy, level = torch.rand(2, 1, size, size), torch.tensor([10.0, 40.0]) if searcher.conditioned else None
    given = [noisy] if level is None else [noisy, level]
    with torch.no_grad():
        alone = searcher.inherited_network(description).train()(*given)
        torch.testing.assert_close(alone, searcher.train().forward_single(noisy, level, description))


@pytest.mark.parametrize("space", [name for name in space_names() if "supernet" in space_named(name).methods])
def test_a_single_network_is_what_the_supernet_computes_for_it(space: str) -> None:
    task = TaskDescription(channels=1)
    settings = preset_space(space, task, DEFAULT_PRESET, {}).settings
    torch.manual_seed(0)
    supernet = space_named(space).single_path_supernet(settings, task)
    size = 2 * supernet.stride
    noisy, level = torch.rand(2, 1, size, size), torch.tensor([10.0, 40.0]) if supernet.conditioned else None
    given = [noisy] if level is None else [noisy, level]
    draw = Random(3)
    one, other = supernet.random_description(draw), supernet.smallest(draw)
    for description in (one, other, supernet.largest(draw), supernet.crossed(one, other, draw, share=0.5)):
        with torch.no_grad():
            alone = supernet.inherited_network(description)(*given)
            torch.testing.assert_close(alone, supernet(noisy, level, description))


def test_every_space_can_be_searched() -> None:
    for name in space_names():
        assert "halving" in space_named(name).methods


def _tasks() -> list[tuple[str, int]]:
    return [(name, scale) for name in task_names() for scale in SCALES.get(name, (1,))]


@pytest.mark.parametrize(("name", "scale"), _tasks())
def test_a_task_makes_repeatable_pairs_of_the_right_shapes(name: str, scale: int) -> None:
    for task in (configured_task(name, TaskOptions(scale=scale)), task_for_search(name, TaskOptions(scale=scale))):
        assert (task.name, task.scale) == (name, scale) and task.cases
        given = NetworkInput(channels=channels_of(name, None), scale=scale)
        clean = torch.rand(2, given.picture_channels, 24 * given.picture_scale, 36 * given.picture_scale)
        for make in (task.drawn, lambda clean, generator, task=task: task.of_case(clean, task.cases[0], generator)):
            first, second = (make(clean, torch.Generator().manual_seed(5)) for _ in range(2))
            assert first.degraded_BCHW.shape == (2, given.channels, 24, 36)
            assert first.clean_BCHW.shape == (2, given.channels, 24 * scale, 36 * scale)
            assert torch.equal(first.degraded_BCHW, second.degraded_BCHW)
            assert torch.isfinite(first.degraded_BCHW).all()
            assert is_blind(name) == (task.level_range is None)
            if task.level_range is None:
                assert first.level_B is None
            else:
                assert first.level_B is not None and first.level_B.shape == (2,)
                assert (first.level_B >= 0).all() and (first.level_B <= 255).all()


@pytest.mark.parametrize(("name", "scale"), _tasks())
def test_a_task_scores_a_network(name: str, scale: int) -> None:
    task = configured_task(name, TaskOptions(scale=scale))
    image = np.random.default_rng(1).integers(0, 256, (50, 61, 3), np.uint8)
    given = NetworkInput(channels=channels_of(name, None), alignment=2, scale=scale, level_range=task.level_range)
    score = validate(_Plain(task), [image], task=task, network_input=given, device=torch.device("cpu"))
    assert set(score.psnr_db_by_case) == {case.name for case in task.cases}
    assert score.psnr_db > 5


class _Plain(torch.nn.Module):
    """Hands its input on, each pixel `scale` times along each side."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.scale = task.scale

    def forward(self, degraded_BCHW: torch.Tensor, level_B: torch.Tensor | None = None) -> torch.Tensor:
        return torch.nn.functional.interpolate(degraded_BCHW, scale_factor=self.scale)


def test_a_genotype_of_an_unknown_task_is_refused() -> None:
    document = json.loads(_described("hinas", 0).to_json())
    document["task"]["name"] = "none-such"
    with pytest.raises(Exception, match=r"task\.name.*denoise"):
        genotype_from_json(json.dumps(document))


@pytest.mark.parametrize("space", space_names())
def test_a_space_enlarges_or_says_which_do(space: str) -> None:
    task = TaskDescription(name="super-resolution", channels=1, scale=2)
    found = space_named(space)
    changes = {"conditioning": None}
    if not found.enlarges:
        refused = f"the space {space} has no networks that enlarge; use hinas, pyramid"
        with pytest.raises(UserError, match=refused):
            preset_space(space, task, DEFAULT_PRESET, changes)
        document = json.loads(_described(space, 1).to_json())
        document["task"] |= {"name": "super-resolution", "scale": 2}
        with pytest.raises(UserError, match=refused):
            genotype_from_json(json.dumps(document))
        return
    settings = preset_space(space, task, DEFAULT_PRESET, changes).settings
    genotype = Genotype(space=space, task=task, network=found.random(settings, Random(1)))
    small = torch.rand(1, 1, 8 * genotype.geometry.alignment, 4 * genotype.geometry.alignment)
    with torch.no_grad():
        assert genotype.built()(small).shape == (1, 1, 2 * small.shape[2], 2 * small.shape[3])
