"""The superkernel space: slices, relaxed samples of them, what a search reads off, and what networks see."""

import json
from itertools import product
from random import Random
from typing import Any

import pytest
import torch
from hinas.errors import UserError
from hinas.export.checks.check_numerics import probed_halo
from hinas.export.freeze import frozen_model
from hinas.export.graph.onnx_from_network import with_folded_branches
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.spaces.superkernel.choices import AttentiveChoice, FactorizedChoice, FilterwiseChoice, JointChoice
from hinas.search.spaces.superkernel.dense_block import DenseBlock
from hinas.search.spaces.superkernel.space import Slice
from hinas.search.spaces.superkernel.superkernel import Superkernel
from stand_ins.small_searchers import ATTENTION, CHOICES, GREY, SUPERKERNEL, superkernel_searcher, superkernel_settings
from torch import Tensor, nn
from torch.nn import functional as F


def _superkernel(mask: Any, act: nn.Module) -> Superkernel:
    torch.manual_seed(1)
    one = Superkernel(3, 4, (1, 3, 5), act, mask)
    nn.init.normal_(one._bias)
    return one


def _slice_output(superkernel: Superkernel, kernel: int, filters: list[int], x: Tensor) -> Tensor:
    """A convolution with the slice alone, by its definition: ones times the superkernel, their mean for the biases."""
    mask = torch.zeros_like(superkernel.convolution.weight)
    margin = (5 - kernel) // 2
    for index in filters:
        mask[index, :, margin : 5 - margin, margin : 5 - margin] = 1
    bias = superkernel._bias * mask.mean((1, 2, 3))
    return F.conv2d(x, superkernel.convolution.weight * mask, bias, padding=2)


def test_one_masked_convolution_is_the_weighted_sum_of_the_slices() -> None:
    superkernel = _superkernel("full", nn.Identity())
    weights = torch.rand(3, 2)
    counts = (2, 4)
    share = sum(
        weights[k, n] * (torch.arange(4) < count) * (torch.arange(3) == k)[:, None]
        for (k, _), (n, count) in product(enumerate((1, 3, 5)), enumerate(counts))
    )
    assert isinstance(share, Tensor)
    superkernel.share_KF = share
    x = torch.randn(2, 3, 9, 8)
    by_hand = sum(
        weights[k, n] * _slice_output(superkernel, kernel, list(range(count)), x)
        for (k, kernel), (n, count) in product(enumerate((1, 3, 5)), enumerate(counts))
    )
    torch.testing.assert_close(superkernel(x), by_hand)


@pytest.mark.parametrize("act", [nn.ReLU(), nn.PReLU()])
def test_separate_is_the_sum_of_the_slices_activations_and_full_is_not(act: nn.Module) -> None:
    choice = JointChoice((1, 3, 5), (2, 4))
    added = choice.perturbation(torch.Generator().manual_seed(3))
    temperature = torch.tensor(1.0)
    weights = ((choice.pairs_KN + added[0]).flatten() / temperature).softmax(0).reshape(3, 2)
    x = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    found: dict[str, Tensor] = {}
    for mask in ("separate", "full"):
        superkernel = _superkernel(mask, act)
        superkernel.share_KF = choice.share(added, temperature)
        found[mask] = superkernel(x)
    by_hand = sum(
        act(weights[k, n] * _slice_output(superkernel, kernel, list(range(count)), x))
        for (k, kernel), (n, count) in product(enumerate((1, 3, 5)), enumerate((2, 4)))
    )
    torch.testing.assert_close(found["separate"], by_hand)
    assert (found["full"] - found["separate"]).abs().max() > 0.01


@pytest.mark.parametrize("mask", ["full", "separate"])
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("base", [{}, ATTENTION, {"activation": "prelu", "blocks": 2}])
def test_a_slice_of_every_superkernel_is_the_distilled_network(base: Any, choice: str, mask: str) -> None:
    searcher = superkernel_searcher(choice=choice, mask=mask, **base)
    noisy = torch.rand(2, 1, 16, 24)
    given = [noisy, torch.tensor([5.0, 60.0])] if searcher.conditioned else [noisy, None]
    for description in (searcher.description(), searcher.random_description(Random(1))):
        with torch.no_grad():
            alone = searcher.inherited_network(description)(*given)
            torch.testing.assert_close(searcher.forward_single(*given, description), alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("choice", CHOICES)
def test_relaxed_samples_decide_as_the_temperature_falls(choice: str) -> None:
    searcher = superkernel_searcher(choice=choice, width=8)

    def undecided() -> float:
        """How far shares are from 0 and 1, on average."""
        shares = [share.detach() for _ in range(10) for share in searcher.sampled_shares()]
        return float(torch.cat([(share * (1 - share)).flatten() for share in shares]).mean())

    found: list[float] = []
    for temperature in (2.0, 0.3, 0.001):
        searcher.set_temperature(temperature)
        found.append(undecided())
    assert found[0] > 1.3 * found[1] and found[2] < 0.002, found


def test_samples_follow_the_probabilities() -> None:
    pairs = JointChoice((3, 5), (1, 2))
    with torch.no_grad():
        pairs.pairs_KN.copy_(torch.tensor([[0.0, 1.0], [2.0, -1.0]]))
    filters = FilterwiseChoice((3,), 3)
    with torch.no_grad():
        filters.base_F.copy_(torch.tensor([-1.0, 0.0, 2.0]))
    generator, cold, one = torch.Generator().manual_seed(0), torch.tensor(0.01), torch.tensor(1.0)
    for choice in (pairs, filters):
        drawn = torch.stack([choice.share(choice.perturbation(generator), cold) for _ in range(1000)]).mean(0)
        torch.testing.assert_close(drawn, choice.share(None, one), atol=0.06, rtol=0)


def test_the_most_probable_slice_is_distilled_and_filters_above_a_logit_of_a_half() -> None:
    joint, factorized = JointChoice((3, 5), (2, 4)), FactorizedChoice((3, 5), (2, 4))
    with torch.no_grad():
        joint.pairs_KN.copy_(torch.tensor([[0.0, 3.0], [2.0, 2.5]]))
        factorized.sizes_K.copy_(torch.tensor([0.0, 1.0]))
        factorized.numbers_N.copy_(torch.tensor([0.1, 0.0]))
    assert joint.decided() == Slice(kernel=3, filters=4)
    assert factorized.decided() == Slice(kernel=5, filters=2)
    filterwise = FilterwiseChoice((3, 5), 5)
    with torch.no_grad():
        filterwise.sizes_K.copy_(torch.tensor([0.0, 1.0]))
        filterwise.base_F.copy_(torch.tensor([0.6, 0.4, -1.0, 2.0, 0.49]))
    assert filterwise.decided() == Slice(kernel=5, filters=2)
    assert filterwise.kept(2).tolist() == [0, 3]
    with torch.no_grad():
        filterwise.base_F.sub_(5)
    assert filterwise.decided().filters == 1 and filterwise.kept(1).tolist() == [3]


def test_attention_mixes_the_filters_logits_by_their_keys() -> None:
    choice = AttentiveChoice((3,), 6, 4)
    keys, base = choice.keys_FL.detach(), choice.base_F.detach()
    torch.testing.assert_close(choice.filter_logits().detach(), torch.softmax(keys @ keys.T, dim=1) @ base)
    choice.filter_logits().sum().backward()
    assert choice.keys_FL.grad is not None and choice.keys_FL.grad.abs().max() > 0


def test_the_papers_models_have_as_many_superkernels_as_it_says() -> None:
    counts = {
        preset: len(preset_space("superkernel", GREY, preset, {}).settings.slice_levels)  # type: ignore[attr-defined]
        for preset in ("paper", "paper-model-2", "paper-attention")
    }
    assert counts == {"paper": 28, "paper-model-2": 20, "paper-attention": 14}


def _random(seed: int, **changes: Any) -> Genotype:
    return Genotype(
        space="superkernel", task=GREY, network=SUPERKERNEL.random(superkernel_settings(**changes), Random(seed))
    )


BASES = [
    {},
    {"resolution": "full", "depth": 2, "kernels": [1, 3, 5, 7], "width": 2, "activation": "prelu"},
    {"resolution": "quarter", "blocks": 2, "width_growth": "doubled", "residual": False, "conditioning": None},
]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("seed", range(4))
def test_the_computed_halo_of_skipinit_is_exactly_what_a_probe_finds(base: Any, seed: int) -> None:
    genotype = _random(seed, **base)
    place, network = genotype.geometry, genotype.built()
    assert place.tiling == "exact"
    assert probed_halo(network, genotype.network_input, halo=place.halo) == place.halo


def test_channel_attention_sees_the_whole_image_and_says_so() -> None:
    genotype = _random(0, **ATTENTION)
    assert genotype.geometry.tiling == "approximate"
    torch.manual_seed(0)
    network = genotype.built().double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    size = genotype.geometry.alignment * (2 * genotype.geometry.halo // genotype.geometry.alignment + 8)
    noisy = torch.rand(1, 1, size, size, dtype=torch.float64)
    changed = noisy.clone()
    changed[..., 0, 0] += 1
    with torch.no_grad():
        assert (network(noisy) - network(changed))[..., -1, -1].abs().max() > 0


@pytest.mark.slow
def test_subnetworks_with_attention_export() -> None:
    genotype = _random(1, **ATTENTION | {"subnetworks": 1}, activation="prelu")
    _, report = frozen_model(genotype, None)
    assert report.tiling == "approximate" and report.parity.largest_difference < 1e-5


def test_blocks_begin_as_the_identity_and_fold_into_plain_convolutions() -> None:
    network = _random(2, blocks=2).built()
    block: Any = next(part for part in network.modules() if isinstance(part, DenseBlock))
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(block(x), x)
    nn.init.constant_(block.last.scale, 0.7)
    with torch.no_grad():
        torch.testing.assert_close(with_folded_branches(block)(x), block(x))
        assert not torch.equal(block(x), x)


MISTAKES = [
    ({"slices": []}, r"\$\.network: .*slices: got 0, expected 6, two for each DCR block"),
    ({"subnetworks": 3}, r"\$\.network: .*subnetworks: got 3, but skipinit has one; choose multi_attentional"),
    ({"slices": [{"kernel": 4, "filters": 2}] * 6}, r"slices\[0\]\.kernel: .*1, 3, 5 or 7, got 4"),
    ({"slices": [{"kernel": 3, "filters": 0}] * 6}, r"slices\[0\]\.filters: .*greater.*got 0"),
    ({"base": "resnet"}, r"\$\.network\.base: .*'skipinit' or 'multi_attentional', got"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), MISTAKES)
def test_a_mistake_in_a_description_is_named_by_its_path(change: Any, said: str) -> None:
    document = json.loads(_random(0).to_json())
    document["network"] |= change
    with pytest.raises(UserError, match=said):
        genotype_from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"kernels": [5, 3]}, "kernels: expected ascending"), ({"choice": "random"}, "'filterwise_attention'")],
)
def test_a_mistake_in_the_settings_is_named(change: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        preset_space("superkernel", GREY, "fast", change)
