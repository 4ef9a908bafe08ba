"""The compact network: what it computes, what it sees, and how it starts."""

import json
from typing import Any

import pytest
import torch
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.spaces.hinas.blocks import blocks
from hinas.search.spaces.hinas.network import CellNetwork, Layer
from hinas.search.spaces.hinas.space import Cell
from torch import nn
from torch.nn import functional as F

SEEDS = range(24)


def _genotype(random_document: Any, seed: int) -> Genotype:
    return genotype_from_json(json.dumps(random_document(seed)))


def _built(genotype: Genotype) -> nn.Module:
    torch.manual_seed(0)
    network = genotype.built().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network


def _arguments(genotype: Genotype, noisy: torch.Tensor) -> tuple[torch.Tensor, ...]:
    conditioned = genotype.network.conditioning_range is not None
    return (noisy, torch.linspace(5, 50, len(noisy), dtype=noisy.dtype)) if conditioned else (noisy,)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_genotypes_build_run_and_learn(random_document: Any, seed: int) -> None:
    genotype = _genotype(random_document, seed)
    network = genotype.built()
    noisy = torch.rand(2, genotype.task.channels, 16, 32)
    output = network(*_arguments(genotype, noisy))
    assert output.shape == noisy.shape
    output.sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_computed_halo_is_exactly_what_a_nan_shows(random_document: Any, seed: int) -> None:
    genotype = _genotype(random_document, seed)
    place = genotype.geometry
    network = _built(genotype).double()
    size = 2 * place.halo + 6 * place.alignment
    size += -size % place.alignment
    centre = size // 2 - size // 2 % place.alignment
    seen = 0
    for phase in {0, place.alignment - 1}:
        noisy = torch.zeros(1, genotype.task.channels, size, size, dtype=torch.float64)
        noisy[..., centre + phase, centre + phase] = torch.nan
        with torch.no_grad():
            touched = torch.isnan(network(*_arguments(genotype, noisy))).any(1)[0].nonzero()
        seen = max(seen, int((touched - centre - phase).abs().max()))
    assert seen == place.halo


def test_a_cell_is_the_sum_over_its_edges_each_with_its_own_activation() -> None:
    cell = Cell.model_validate(
        {"level": 0, "nodes": [[["conv_3x3", 0], ["skip", 1]], [["sep_3x3", 2], ["dil_3x3", 0]]]}
    )
    torch.manual_seed(1)
    network: Any = CellNetwork(
        cell,
        own=Layer(4, 1),
        previous=Layer(6, 1),
        before_previous=Layer(5, 1),
        squeezes="where_needed",
        norm="none",
        act="leaky_relu",
        offset_limit=None,
    )
    previous, before = torch.randn(2, 6, 9, 9), torch.randn(2, 5, 9, 9)
    s0, s1 = network.squeeze_previous(previous), network.squeeze_before(before)
    conv, sep, dil = network.edges[0][0], network.edges[1][0], network.edges[1][1]
    node_0 = conv(F.leaky_relu(s0, 0.2)) + s1
    node_1 = sep(F.leaky_relu(node_0, 0.2)) + dil(F.leaky_relu(s0, 0.2))
    torch.testing.assert_close(network(previous, before), torch.cat([node_0, node_1], 1))


def test_where_needed_only_inputs_of_another_shape_are_squeezed(random_document: Any) -> None:
    document = random_document(3)
    one_node = [[["conv_3x3", 0], ["skip", 1]]]
    document["network"].update(
        width=10,
        width_factors=[1, 1.5],
        level_strides=[1, 2],
        cells=[{"level": level, "nodes": one_node} for level in (0, 0, 1, 1, 1)],
        squeeze="where_needed",
    )
    genotype = genotype_from_json(json.dumps(document))
    network: Any = genotype.built()
    squeezed = [[not isinstance(c.squeeze_previous, nn.Identity) for c in network.cells]]
    squeezed.append([not isinstance(c.squeeze_before, nn.Identity) for c in network.cells])
    assert squeezed == [[False, False, True, False, False], [False, False, True, True, False]]
    counts = blocks(genotype.network, 1)  # type: ignore[arg-type]
    assert sum(count for block, count in counts.items() if block.name.startswith("squeeze")) == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_an_untrained_residual_network_returns_its_input(random_document: Any, seed: int) -> None:
    genotype = _genotype(random_document, seed)
    network = genotype.built().eval()
    noisy = torch.rand(1, genotype.task.channels, 16, 16)
    expected = noisy if getattr(genotype.network, "residual") else torch.zeros_like(noisy)  # noqa: B009
    torch.testing.assert_close(network(*_arguments(genotype, noisy)), expected)


def test_a_conditioned_network_listens_to_sigma_and_insists_on_it(random_document: Any) -> None:
    seed = next(seed for seed in SEEDS if "conditioning" in random_document(seed)["network"])
    genotype = _genotype(random_document, seed)
    network = _built(genotype)
    noisy = torch.rand(1, genotype.task.channels, 16, 16)
    low, high = network(noisy, torch.tensor([5.0])), network(noisy, torch.tensor([60.0]))
    assert not torch.allclose(low, high)
    with pytest.raises(ValueError, match="needs sigma"):
        network(noisy)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_norm_decides_between_batch_norms_and_biases(random_document: Any, norm: str) -> None:
    document = random_document(3)
    document["network"]["normalisation"] = norm
    genotype = genotype_from_json(json.dumps(document))
    network = genotype.built()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert bool(norms) == (norm == "batch")


def test_widths_follow_the_levels(random_document: Any) -> None:
    document = random_document(3)
    document["network"].pop("level_strides", None)
    document["network"].update(
        width=10, width_factors=[1, 1.5, 2], cells=[{"level": 2, "nodes": [[["conv_3x3", 0], ["skip", 1]]] * 1}]
    )
    genotype = genotype_from_json(json.dumps(document))
    network: Any = genotype.built()
    assert network.cells[0].squeeze_previous[0].out_channels == 20
