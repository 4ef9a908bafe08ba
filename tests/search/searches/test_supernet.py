"""The supernet is what the paper says it is: its corners are compact networks, its paths and edges the best ones."""

import itertools
import json
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hinas.export.checks.check_numerics import check_numerics
from hinas.export.graph.onnx_from_network import onnx_from_network
from hinas.network_input import NetworkInput
from hinas.search.learning.batch_norm import normalised
from hinas.search.spaces.hinas.relaxation.architecture import most_probable_path, one_hot_architecture, strongest_edges
from hinas.search.spaces.hinas.search_settings import V1_CANDIDATES, V2_CANDIDATES, Settings
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import network_description, space_named, space_settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

HINAS = space_named("hinas")
GREY = TaskDescription(channels=1)

KINDS: dict[str, dict[str, Any]] = {
    "shared cells": {},
    "a copy for every exit": {"cell_sharing": False},
    "levels of lower resolution": {"level_strides": [1, 2, 2]},
    "one width": {"width_search": "fixed"},
    "doubled widths": {"width_search": "doubled"},
    "one alpha for all layers": {"layerwise": False},
    "no residual, blind, full resolution": {
        "residual": False,
        "conditioning": None,
        "stem": {"resolution": "full", "channels": 6},
    },
    "leaky": {"activation": "leaky_relu"},
    "operations of v1": {"candidates": V1_CANDIDATES},
}


def small_settings(**changes: Any) -> Any:
    """A space small enough to run through."""
    given: dict[str, Any] = {
        "layers": 3,
        "nodes": 2,
        "width": 4,
        "compact_width": 8,
        "stem": {"resolution": "half", "channels": 6},
        "end": {"channels": 6, "early_channels": 4},
        "conditioning": {"range": [0, 75]},
    }
    return space_settings("hinas", given | changes)


def _searcher(settings: Any, task: TaskDescription) -> Any:
    """The space's own searcher: the tests look into it further than its interface allows."""
    return HINAS.searcher(settings, task)


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_entropies_are_those_of_even_choices(kind: str) -> None:
    searcher = _searcher(small_settings(**KINDS[kind]), GREY)
    with torch.no_grad():
        searcher.architecture.alpha.zero_()
        searcher.architecture.beta.zero_()
    assert searcher.largest_entropies_bits() == pytest.approx(searcher.entropies_bits(), abs=1e-5)


def _decided(supernet: Any, seed: int) -> None:
    """Give the last convolution weights: it starts at zero, which would make all outputs alike."""
    torch.manual_seed(seed)
    torch.nn.init.normal_(supernet.supernet.end.last.weight, std=0.5)


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_one_hot_supernet_is_the_compact_network_with_the_same_weights(changes: Any, seed: int) -> None:
    settings = small_settings(**changes)
    torch.manual_seed(seed)
    supernet = _searcher(settings, GREY)
    _decided(supernet, seed)
    description = supernet.random_description(Random(seed))
    network = supernet.inherited_network(description).train()
    noisy, sigma = torch.rand(2, 1, 32, 32), torch.tensor([30.0, 50.0])
    level = sigma if supernet.conditioned else None
    with torch.no_grad():
        one_hot = supernet.forward_single(noisy, level, description)
        compact = network(noisy, sigma) if supernet.conditioned else network(noisy)
    assert (compact - noisy).abs().max() > 0.05
    assert torch.allclose(one_hot, compact, atol=1e-4)


def test_the_relaxed_supernet_at_a_corner_of_alpha_and_beta_is_the_one_hot_supernet() -> None:
    """The same through the softmax itself: logits so far apart that the rest underflows to nothing."""
    settings = small_settings()
    supernet = _searcher(settings, GREY)
    _decided(supernet, 0)
    description = supernet.random_description(Random(4))
    corner = one_hot_architecture(description.cells, settings, torch.device("cpu"))
    with torch.no_grad():
        supernet.architecture.alpha.copy_(200 * torch.stack(corner.operations))
        supernet.architecture.beta.copy_(200 * torch.stack(corner.exits))
        noisy, sigma = torch.rand(2, 1, 16, 16), torch.tensor([30.0, 50.0])
        relaxed, single = supernet(noisy, sigma), supernet.forward_single(noisy, sigma, description)
    assert torch.allclose(relaxed, single, atol=1e-4)
    # Edges that the description leaves out tie at none; those it holds come back.
    assert {(c.level, n) for c in supernet.description().cells for n in map(frozenset, c.nodes)} == {
        (c.level, n) for c in description.cells for n in map(frozenset, c.nodes)
    }


@hypothesis_settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), layers=st.integers(1, 5), levels=st.integers(1, 4))
def test_viterbi_finds_the_most_probable_of_all_paths(seed: int, layers: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    routing = random.random((layers, levels, levels))
    rows, columns = np.mgrid[:levels, :levels]
    routing[:, abs(rows - columns) > 1] = 0
    routing /= routing.sum(-1, keepdims=True)

    def probability(path: tuple[int, ...]) -> float:
        steps = zip((0, *path), path, strict=False)
        return float(np.prod([routing[layer][step] for layer, step in enumerate(steps)]))

    every = itertools.product(range(levels), repeat=layers)
    assert most_probable_path(routing) == max(every, key=probability)


@hypothesis_settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 4))
def test_each_node_keeps_its_two_strongest_edges_and_never_none(seed: int, nodes: int) -> None:
    settings = Settings.model_validate(small_settings(nodes=nodes).model_dump())
    weights = np.random.default_rng(seed).dirichlet(np.ones(7), settings.num_edges)
    # Where none wins by far, it still does not count.
    weights[::2, V2_CANDIDATES.index("none")] += 5
    row = 0
    for node, edges in enumerate(strongest_edges(weights, settings)):
        values = {
            (name, source): weights[row + source][V2_CANDIDATES.index(name)]
            for source in range(2 + node)
            for name in V2_CANDIDATES
            if name != "none"
        }
        best_of_edge = {
            source: max((edge for edge in values if edge[1] == source), key=lambda edge: values[edge])
            for source in range(2 + node)
        }
        expected = sorted(best_of_edge.values(), key=lambda edge: -values[edge])[:2]
        assert list(edges) == expected
        row += 2 + node


def test_impossible_exits_get_no_weight_and_no_gradient() -> None:
    supernet = _searcher(small_settings(), GREY)
    _decided(supernet, 0)
    architecture = supernet.architecture()
    for layer, exits in enumerate(architecture.exits):
        for source, target in itertools.product(range(3), repeat=2):
            possible = abs(source - target) <= 1 and source <= layer
            assert (exits[source, target] > 0) == possible
        assert torch.allclose(exits.sum(1)[: layer + 1], torch.ones(min(3, layer + 1)))
    loss = (supernet(torch.rand(2, 1, 16, 16), torch.tensor([30.0, 50.0])) ** 2).mean()
    alpha, beta = torch.autograd.grad(loss, supernet.architecture_parameters())
    assert (alpha.abs().sum((1, 2)) > 0).all()
    for layer, source, target in itertools.product(range(3), repeat=3):
        choices = sum(abs(source - other) <= 1 for other in range(3))
        possible = abs(source - target) <= 1 and source <= layer and choices > 1
        assert (beta[layer, source, target].abs() > 0) == possible, (layer, source, target)


def test_none_contributes_nothing() -> None:
    """With all weight on none an edge's kernels do not matter, whatever they are."""
    settings = small_settings(layers=1, nodes=1)
    supernet = _searcher(settings, GREY)
    _decided(supernet, 0)
    with torch.no_grad():
        supernet.architecture.alpha[0, 0, V2_CANDIDATES.index("none")] = 200.0
        noisy, sigma = torch.rand(2, 1, 16, 16), torch.tensor([30.0, 50.0])
        before = supernet(noisy, sigma)
        # Edge 0 reads the previous layer: another image there changes nothing either.
        for parameter in supernet.supernet.squeeze_previous.parameters():
            parameter.normal_()
        after = supernet(noisy, sigma)
    assert torch.equal(before, after)


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_every_kernel_learns(changes: Any) -> None:
    supernet = _searcher(small_settings(**changes), GREY)
    _decided(supernet, 0)
    sigma = torch.tensor([30.0, 50.0]) if supernet.conditioned else None
    loss = (supernet(torch.rand(2, 1, 32, 32), sigma) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(supernet.supernet.parameters()), allow_unused=True)
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_the_expected_blocks_of_a_decided_architecture_are_its_networks(changes: Any) -> None:
    settings = small_settings(**changes)
    supernet = _searcher(settings, TaskDescription(channels=3))
    for seed in range(5):
        description = supernet.random_description(Random(seed))
        corner = one_hot_architecture(description.cells, settings, torch.device("cpu"))
        # One alpha for all layers has corners of equal cells only.
        if not settings.layerwise and len({cell.nodes for cell in description.cells}) > 1:
            description = description.model_copy(
                update={
                    "cells": tuple(
                        cell.model_copy(update={"nodes": description.cells[0].nodes}) for cell in description.cells
                    )
                }
            )
            corner = one_hot_architecture(description.cells, settings, torch.device("cpu"))
        with torch.no_grad():
            shape = supernet.architecture.alpha.shape
            supernet.architecture.alpha.copy_(200 * torch.stack(corner.operations)[: shape[0]])
            supernet.architecture.beta.copy_(200 * torch.stack(corner.exits))
            expected = {b: c.item() for b, c in supernet.expected_blocks().items() if c > 1e-4}
        counts = dict(supernet.blocks_of(description))
        # The relaxed network squeezes an input that no node of the discrete one reads.
        for block, count in counts.items():
            assert expected[block] == pytest.approx(count, abs=1.01 * block.name.startswith("squeeze"))
        assert all(block in counts or block.name.startswith("squeeze") for block in expected)


@pytest.mark.parametrize("changes", [KINDS["shared cells"], KINDS["one width"], KINDS["doubled widths"]])
def test_the_expected_halo_of_a_decided_architecture_is_its_networks(changes: Any) -> None:
    settings = small_settings(nodes=3, **changes)
    supernet = _searcher(settings, GREY)
    halos: set[int] = set()
    for seed in range(10):
        description = supernet.random_description(Random(seed))
        corner = one_hot_architecture(description.cells, settings, torch.device("cpu"))
        with torch.no_grad():
            supernet.architecture.alpha.copy_(200 * torch.stack(corner.operations))
            supernet.architecture.beta.copy_(200 * torch.stack(corner.exits))
            expected = supernet.expected_halo().item()
        halos.add(supernet.halo_of(description))
        assert expected == pytest.approx(supernet.halo_of(description), abs=2)
    assert len(halos) > 3


def test_the_probes_fix_the_price_of_every_block_a_search_can_choose() -> None:
    pricing = HINAS.pricing
    assert pricing is not None
    for changes in KINDS.values():
        settings = small_settings(**changes)
        rows = [pricing.blocks(probe, GREY) for probe in pricing.probes(settings)]
        names = sorted({block for row in rows for block in row})
        matrix = np.array([[row.get(block, 0) for block in names] for row in rows], float)
        for seed in range(20):
            counts = pricing.blocks(HINAS.random(settings, Random(seed)), GREY)
            assert set(counts) <= set(names)
            wanted = np.array([counts.get(block, 0) for block in names], float)
            solution = np.linalg.lstsq(matrix.T, wanted, rcond=None)[0]
            # A network whose nodes all leave one input unread is rare in a search, common among these.
            off = [
                name.name for name, miss in zip(names, matrix.T @ solution - wanted, strict=True) if abs(miss) > 1e-6
            ]
            assert all(name.startswith(("squeeze", "frame")) for name in off)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_random_networks_build_learn_a_step_and_export(seed: int) -> None:
    settings = small_settings(level_strides=[1, 2, 2] if seed % 2 else None)
    description = HINAS.random(settings, Random(seed))
    again = network_description("hinas", json.loads(description.model_dump_json()))
    assert again == description
    torch.manual_seed(seed)
    network = HINAS.network(description, TaskDescription(channels=3))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    noisy, sigma = torch.rand(2, 3, 32, 32), torch.tensor([30.0, 50.0])
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        (network(noisy, sigma) ** 2).mean().backward()
        optimizer.step()
    assert all(
        not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True) if new.ndim == 4
    )
    alignment = HINAS.geometry(description, TaskDescription(channels=3)).alignment
    network.eval()
    given = NetworkInput(channels=3, alignment=alignment, level_range=(0.0, 75.0))
    report = check_numerics(onnx_from_network(network, given), network, given)
    assert report.largest_difference <= report.tolerance


def test_a_scale_of_any_strides_gives_the_same_gradients() -> None:
    """torch's own backward pass on channels-last maps reads what lies behind an expanded scale."""
    torch.manual_seed(0)
    x, upstream, scale = torch.randn(2, 12, 6, 6), torch.randn(2, 12, 6, 6), torch.tensor(0.3)
    found = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        maps = x.contiguous(memory_format=memory_format).requires_grad_()
        output = normalised(maps, scale.expand(12))
        found += torch.autograd.grad(output, maps, upstream.contiguous(memory_format=memory_format))
    torch.testing.assert_close(found[1], found[0])
