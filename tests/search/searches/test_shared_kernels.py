"""The pyramid's supernet: each of its networks computes what the compact one does, with its part of the kernels."""

from random import Random
from typing import Any

import pytest
import torch
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.pyramid.crossing import crossed
from hinas.search.spaces.pyramid.random_networks import random_description
from hinas.search.spaces.pyramid.search_settings import Settings
from hinas.search.spaces.pyramid.shared_kernels import PyramidSupernet
from hinas.search.spaces.registry import space_named
from hypothesis import given, settings
from hypothesis import strategies as st

SMALL = Settings(resolutions=("half",), widths=(4, 6, 8), middle=(1, 3), blocks=(1, 2))
KINDS: dict[str, dict[str, Any]] = {
    "usual": {},
    "all blocks": {"kinds": ("residual", "single", "chain", "squeezed_chain", "plain")},
    "all ways": {"downs": ("strided", "unshuffle", "max_pool"), "ups": ("shuffle", "transposed", "nearest")},
    "convolutions": {"convolutions": ("5x5", "reparameterised"), "kinds": ("plain", "single"), "levels": (1, 2)},
    "one width, unconditioned": {"widths": (8,), "conditioning": None},
}


def _changed(changes: dict[str, Any]) -> Settings:
    return Settings.model_validate(SMALL.model_dump() | changes)


def _input(supernet: PyramidSupernet) -> tuple[torch.Tensor, torch.Tensor | None]:
    side = 2 * supernet.stride
    noisy = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    return noisy, torch.tensor([30.0]) if supernet.conditioned else None


def _with_living_end(supernet: PyramidSupernet) -> PyramidSupernet:
    """Fresh residual networks are the identity; with other last kernels all others count."""
    with torch.no_grad():
        for key, kernel in supernet.kernels.items():
            if " end last-" in key:
                kernel.normal_(std=0.1)
    return supernet


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_every_network_computes_what_its_compact_network_does(changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    supernet = _with_living_end(PyramidSupernet(_changed(changes), 1))
    given_input = _input(supernet)
    draw = Random(1)
    for _ in range(6):
        for description in (supernet.random_description(draw), supernet.largest(draw), supernet.smallest(draw)):
            output = supernet(*given_input, description)
            assert torch.equal(output, supernet.inherited_network(description)(*given_input))
            assert not torch.equal(output, given_input[0])


def test_the_largest_network_is_the_kernels_themselves_and_a_smaller_one_their_beginning() -> None:
    supernet = PyramidSupernet(_changed({"levels": (2, 2), "kinds": ("chain",), "ups": ("shuffle",)}), 1)
    draw = Random(0)
    largest, smallest = (supernet.inherited_network(one(draw)) for one in (supernet.largest, supernet.smallest))
    kernel = largest.state_dict()["runs.1.links.0.last.weight"]
    assert kernel.shape == (8, 8, 3, 3)
    assert torch.equal(smallest.state_dict()["runs.1.links.0.last.weight"], kernel[:4, :4])
    assert any(torch.equal(kernel, shared) for shared in supernet.kernels.values())


def test_a_concatenated_skip_has_its_own_inputs_in_every_width() -> None:
    """What comes from below meets the same kernels in every width, and so does what comes across."""
    choice = _changed({"levels": (2, 2), "skips": ("concatenate",), "kinds": ("single",), "ups": ("shuffle",)})
    supernet = PyramidSupernet(choice, 1)
    fuse = supernet.inherited_network(supernet.largest(Random(0))).state_dict()["ups.0.fuse.weight"]
    narrow = supernet.inherited_network(supernet.smallest(Random(0))).state_dict()["ups.0.fuse.weight"]
    assert fuse.shape[:2] == (8, 16) and narrow.shape[:2] == (4, 8)
    assert torch.equal(narrow[:, :4], fuse[:4, :4])
    assert torch.equal(narrow[:, 4:], fuse[:4, 8:12])


def test_gradients_reach_the_part_that_a_network_uses_and_nothing_else() -> None:
    supernet = _with_living_end(PyramidSupernet(_changed({"levels": (1, 1), "kinds": ("single",)}), 1))
    supernet(*_input(supernet), supernet.smallest(Random(0))).square().mean().backward()
    (kernel,) = [
        value for key, value in supernet.kernels.items() if "before 0" in key and key.endswith("0-last-weight")
    ]
    assert kernel.grad is not None
    assert kernel.grad[:4, :4].abs().sum() > 0
    assert kernel.grad[4:].abs().sum() == 0 and kernel.grad[:, 4:].abs().sum() == 0


def test_muon_takes_the_kernels_between_stem_and_end() -> None:
    supernet = PyramidSupernet(SMALL, 1)
    chosen = {id(kernel) for kernel in supernet.hidden_kernels()}
    for key, kernel in supernet.kernels.items():
        is_hidden = kernel.ndim == 4 and " stem " not in key and " end " not in key
        assert (id(kernel) in chosen) == is_hidden, key


@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_child_is_a_network_of_the_space(seed: int, share: float) -> None:
    choice = _changed(KINDS["all blocks"] | {"resolutions": ("half", "quarter"), "levels": (1, 4)})
    draw = Random(seed)
    one, other = random_description(choice, draw), random_description(choice, draw)
    child = crossed(one, other, choice, draw, share=share)
    low, high = choice.levels
    assert low <= len(child.levels) <= high
    assert child.stem.resolution in choice.resolutions
    for index, level in enumerate(child.levels):
        is_deepest = index == len(child.levels) - 1
        limits = choice.middle if is_deepest else choice.blocks
        assert limits[0] <= level.blocks <= limits[1]
        assert level.blocks_after == 0 if is_deepest else choice.blocks[0] <= level.blocks_after <= choice.blocks[1]
        assert level.width in choice.widths and level.kind in choice.kinds
    widths = [level.width for level in child.levels]
    assert widths == sorted(widths)
    assert crossed(one, other, choice, Random(seed), share=0) == one
    assert crossed(one, other, choice, Random(seed), share=1) == other


def test_the_space_offers_it() -> None:
    supernet = space_named("pyramid").single_path_supernet(SMALL, TaskDescription(channels=3))
    # Three levels at half resolution.
    assert (supernet.stride, supernet.conditioned) == (8, True)
    with pytest.raises(TypeError, match="no single-path supernet"):
        space_named("hinas").single_path_supernet(SMALL, TaskDescription(channels=3))
