"""Steps that draw: one network of the space instead of the mixture of all, and skips that are left out."""

import math
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hinas.search.architecture_search.search_loop import skip_dropout_of
from hinas.search.learning.distributed import Ranks
from hinas.search.learning.draws import gumbel_like, straight_through
from hinas.search.spaces.hinas.relaxation.drawn_architecture import drawn_architecture, drawn_cells, with_skips_left_out
from hinas.search.spaces.schedule import SearchSchedule
from hinas.search.spaces.searcher import Mixing
from stand_ins.small_searchers import SMALL_SPACES, drawing_searcher
from torch.utils.flop_counter import FlopCounterMode

SAMPLED = Mixing(mixture="sampled")
KINDS: dict[str, dict[str, Any]] = {
    "shared cells": {},
    "a copy for every exit": {"cell_sharing": False},
    "levels of lower resolution": {"level_strides": [1, 2, 2]},
    "one width": {"width_search": "fixed"},
    "one alpha for all layers": {"layerwise": False},
}


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([30.0, 50.0])


def _rewound(searcher: Any) -> Any:
    """A generator that will draw what the searcher's will."""
    return torch.Generator().set_state(searcher.randomness())


@pytest.mark.parametrize("space", SMALL_SPACES)
def test_a_softmax_without_dropout_draws_nothing(space: str) -> None:
    searcher = drawing_searcher(space)
    before = searcher.randomness()
    learning = searcher(*_batch())
    searcher.set_mixing(Mixing())
    assert torch.equal(searcher(*_batch()), learning)
    assert torch.equal(searcher.eval()(*_batch()), learning)
    assert torch.equal(searcher.randomness(), before)


def _next_draw(searcher: Any) -> Any:
    """The network that the next step will draw."""
    generator = _rewound(searcher)
    if hasattr(searcher, "architecture"):
        alpha, beta = (gumbel_like(part, generator) for part in searcher.architecture.parameters())
        return searcher.settings.description(drawn_cells(searcher.architecture, alpha, beta))
    drawn = (searcher.logits + gumbel_like(searcher.logits, generator)).argmax(-1).tolist()
    return searcher.settings.description([[("parallel", "fusion")[index] for index in stage] for stage in drawn])


def _learnt(output: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, int]:
    """An output, and what its convolutions cost forwards and backwards; the choices' own weights do not count."""
    with FlopCounterMode(display=False) as counter:
        found = output()
        (found**2).mean().backward()
    by_operation = counter.get_flop_counts()["Global"]
    return found, sum(count for name, count in by_operation.items() if "convolution" in str(name))


CASES = [("hinas", changes) for changes in KINDS.values()] + [("clearer", {})]


@pytest.mark.parametrize(("space", "changes"), CASES, ids=[*KINDS, "clearer"])
def test_a_sampled_step_is_the_drawn_network_alone(space: str, changes: Any) -> None:
    """In value, bit for bit, and in what is computed for it, forwards and backwards."""
    searcher = drawing_searcher(space, **changes)
    searcher.set_mixing(SAMPLED)
    searcher.set_temperature(0.3)
    seen: set[str] = set()
    costs: list[int] = []
    for _ in range(4):
        description = _next_draw(searcher)
        seen.add(description.model_dump_json())
        output, cost = _learnt(lambda: searcher(*_batch()))
        alone, cost_alone = _learnt(lambda chosen=description: searcher.forward_single(*_batch(), chosen))
        assert torch.equal(output, alone)
        assert cost == cost_alone > 0
        costs.append(cost)
    assert len(seen) > 1
    searcher.set_mixing(Mixing())
    assert _learnt(lambda: searcher(*_batch()))[1] > 1.2 * max(costs)


def test_the_gradient_of_a_draw_reaches_all_logits_of_what_was_chosen() -> None:
    searcher = drawing_searcher(nodes=1)
    searcher.set_mixing(SAMPLED)
    searcher.set_temperature(0.5)
    path = (0, *(cell.level for cell in _next_draw(searcher).cells))
    loss = (searcher(*_batch()) ** 2).mean()
    alpha, beta = torch.autograd.grad(loss, searcher.architecture_parameters())
    assert (alpha != 0).all()
    for layer, level in enumerate(path[:-1]):
        exits = list(searcher.settings.exits(layer, level))
        assert (beta[layer, level, exits] != 0).all()
        # What was not on the path has learnt nothing of this draw.
        assert beta[layer].count_nonzero() == len(exits)
    clearer = drawing_searcher("clearer")
    clearer.set_mixing(SAMPLED)
    (logits,) = torch.autograd.grad((clearer(*_batch()) ** 2).mean(), [clearer.logits])
    assert (logits != 0).all()


def test_the_value_of_a_draw_is_exact_and_its_gradient_that_of_the_relaxed_weights() -> None:
    logits = torch.tensor([0.1, -3.0, 0.7], requires_grad=True)
    soft = (logits / 0.3).softmax(0)
    weights = straight_through(torch.tensor([0.0, 1.0, 0.0]), soft)
    assert weights.tolist() == [0, 1, 0]
    factors = torch.tensor([2.0, -1.0, 5.0])
    (found,) = torch.autograd.grad((weights * factors).sum(), [logits], retain_graph=True)
    (wanted,) = torch.autograd.grad((soft * factors).sum(), [logits])
    assert torch.equal(found, wanted)


def test_operations_and_exits_are_drawn_by_their_probabilities() -> None:
    searcher = drawing_searcher(layers=1, nodes=1, width_factors=[1.0, 2.0])
    names = searcher.settings.candidates
    with torch.no_grad():
        searcher.architecture.alpha.zero_()
        searcher.architecture.alpha[0, 0, names.index("skip")] = 2.0
        # Every edge of a node stays, so none is no operation to draw.
        searcher.architecture.alpha[0, 0, names.index("none")] = 30.0
        searcher.architecture.beta[0, 0, :2] = torch.tensor([0.0, 1.0])
    # A low temperature changes nothing of the draw.
    searcher.set_temperature(0.01)
    generator = torch.Generator().manual_seed(5)
    counts: Counter[str] = Counter()
    levels: Counter[int] = Counter()
    for _ in range(2000):
        drawn = drawn_architecture(searcher.architecture, generator)
        (column,) = (index for index, runs in enumerate(drawn.present[0][0]) if runs)
        counts[names[column]] += 1
        levels[drawn.paths[0][0].index(True)] += 1
    others = [name for name in names if name not in ("skip", "none")]
    total = math.exp(2) + len(others)
    assert counts["none"] == 0
    assert counts["skip"] / 2000 == pytest.approx(math.exp(2) / total, abs=0.05)
    assert all(counts[name] / 2000 == pytest.approx(1 / total, abs=0.03) for name in others)
    assert levels[1] / 2000 == pytest.approx(math.e / (1 + math.e), abs=0.05)


def test_a_skip_is_left_out_at_the_rate_and_its_mean_stays() -> None:
    searcher = drawing_searcher()
    drawn = torch.Generator().manual_seed(1)
    dropped = with_skips_left_out(searcher.architecture(), 0.25, batch=500, generator=drawn, ranks=Ranks())
    assert dropped.skips is not None
    factors = torch.stack(dropped.skips)
    assert factors.shape == (3, searcher.settings.num_edges, 500)
    assert torch.equal(factors.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert (factors == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_processes_leave_out_the_skips_that_one_process_leaves_out_of_the_same_batch() -> None:
    searcher = drawing_searcher()

    def left_out(ranks: Ranks, batch: int) -> torch.Tensor:
        drawn = torch.Generator().manual_seed(1)
        dropped = with_skips_left_out(searcher.architecture(), 0.5, batch=batch, generator=drawn, ranks=ranks)
        assert dropped.skips is not None
        return torch.stack(dropped.skips)

    shares = [left_out(Ranks(rank=rank, count=3), 4) for rank in range(3)]
    assert torch.equal(torch.cat(shares, -1), left_out(Ranks(), 12))


def test_each_picture_loses_skips_of_its_own() -> None:
    searcher = drawing_searcher(layers=1, nodes=1, width_search="fixed")
    with torch.no_grad():
        searcher.architecture.alpha[..., searcher.settings.candidates.index("skip")] = 200.0
        factors = torch.tensor([[0.0, 2.0], [0.0, 2.0]])
        weights = replace(searcher.architecture(), skips=(factors,)).cell(1)
        maps = torch.rand(2, 4, 8, 8)
        mixed = searcher.supernet.cells["1_0"](maps, maps, weights)
    # Two edges, both a skip: the first picture has lost both, those of the second are twice as strong.
    assert not mixed[0].any()
    assert torch.allclose(mixed[1], 4 * maps[1])


@pytest.mark.parametrize("mixture", ["softmax", "sampled"])
def test_dropout_leaves_out_nothing_but_skips(mixture: Any) -> None:
    searcher = drawing_searcher(width_search="fixed")

    def outputs(dropout: float) -> list[torch.Tensor]:
        searcher.set_mixing(Mixing(mixture=mixture, skip_dropout=dropout))
        found = []
        for seed in range(6):
            # The same network is drawn with and without dropout.
            searcher.restore_randomness(torch.Generator().manual_seed(seed).get_state())
            with torch.no_grad():
                found.append(searcher(*_batch()))
        return found

    def differ() -> bool:
        return any(not torch.equal(one, other) for one, other in zip(outputs(0.5), outputs(0.0), strict=True))

    assert differ()
    with torch.no_grad():
        searcher.architecture.alpha[..., searcher.settings.candidates.index("skip")] = -200.0
    assert not differ()


def test_the_rate_falls_evenly_from_the_first_epoch_to_none_in_the_last() -> None:
    schedule = SearchSchedule(epochs=5, skip_dropout=0.8)
    assert [skip_dropout_of(epoch, schedule) for epoch in range(5)] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0])
    assert skip_dropout_of(4, schedule) == 0
    assert skip_dropout_of(0, SearchSchedule(epochs=1, skip_dropout=0.8)) == 0.8
    assert {skip_dropout_of(epoch, SearchSchedule(epochs=5)) for epoch in range(5)} == {0.0}


Search = Callable[..., subprocess.CompletedProcess[str]]
