"""Steps that draw: one network of the space instead of the mixture of all, and skips that are left out."""

import math
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search.architecture_search.judgement import validation_score
from hinas.search.architecture_search.search_loop import search, skip_dropout_of
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.architecture_search.search_state import (
    Searched,
    SearchState,
    new_search,
    restore_search,
    search_content,
)
from hinas.search.images.image_folder import load_images
from hinas.search.images.splits import split_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.learning.draws import gumbel_like, straight_through
from hinas.search.runs.checkpoint import load_checkpoint, save_checkpoint
from hinas.search.search_command import app
from hinas.search.spaces.hinas.relaxation.drawn_architecture import drawn_architecture, drawn_cells, with_skips_left_out
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import network_description, space_named, space_settings
from hinas.search.spaces.schedule import SearchSchedule
from hinas.search.spaces.searcher import Mixing
from hinas.search.tasks.denoise import Denoise
from torch.utils.flop_counter import FlopCounterMode

GREY = TaskDescription(channels=1)
CPU = torch.device("cpu")
SAMPLED = Mixing(mixture="sampled")
HINAS: dict[str, Any] = {
    "layers": 3, "nodes": 2, "width": 4, "compact_width": 8,
    "stem": {"resolution": "half", "channels": 6}, "end": {"channels": 6, "early_channels": 4},
}  # fmt: skip
CLEARER: dict[str, Any] = {
    "width": 3, "modules": 2, "stem": {"resolution": "half", "blocks": 1, "channels": 2, "expansion": 2},
}  # fmt: skip
SMALL = {"hinas": HINAS, "clearer": CLEARER}
KINDS: dict[str, dict[str, Any]] = {
    "shared cells": {},
    "a copy for every exit": {"cell_sharing": False},
    "levels of lower resolution": {"level_strides": [1, 2, 2]},
    "one width": {"width_search": "fixed"},
    "one alpha for all layers": {"layerwise": False},
}
SCHEDULE = SearchSchedule(
    epochs=4, batch=2, crop=16, warm_up_epochs=1, validate_from_epoch=3, mixture="sampled", skip_dropout=0.5
)


def _searcher(space: str = "hinas", seed: int = 0, **changes: Any) -> Any:
    """A small supernet in training whose last convolution, zero at first, has weights: else outputs would be alike."""
    torch.manual_seed(seed)
    searcher: Any = space_named(space).searcher(space_settings(space, SMALL[space] | changes), GREY)
    last = searcher.supernet.end.last if space == "hinas" else searcher.frame.last
    torch.nn.init.normal_(last.weight, std=0.5)
    return searcher.train()


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([30.0, 50.0])


def _rewound(searcher: Any) -> Any:
    """A generator that will draw what the searcher's will."""
    return torch.Generator().set_state(searcher.randomness())


@pytest.mark.parametrize("space", SMALL)
def test_a_softmax_without_dropout_draws_nothing(space: str) -> None:
    searcher = _searcher(space)
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
    searcher = _searcher(space, **changes)
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
    searcher = _searcher(nodes=1)
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
    clearer = _searcher("clearer")
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
    searcher = _searcher(layers=1, nodes=1, width_factors=[1.0, 2.0])
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
    searcher = _searcher()
    drawn = torch.Generator().manual_seed(1)
    dropped = with_skips_left_out(searcher.architecture(), 0.25, batch=500, generator=drawn, ranks=Ranks())
    assert dropped.skips is not None
    factors = torch.stack(dropped.skips)
    assert factors.shape == (3, searcher.settings.num_edges, 500)
    assert torch.equal(factors.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert (factors == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_processes_leave_out_the_skips_that_one_process_leaves_out_of_the_same_batch() -> None:
    searcher = _searcher()

    def left_out(ranks: Ranks, batch: int) -> torch.Tensor:
        drawn = torch.Generator().manual_seed(1)
        dropped = with_skips_left_out(searcher.architecture(), 0.5, batch=batch, generator=drawn, ranks=ranks)
        assert dropped.skips is not None
        return torch.stack(dropped.skips)

    shares = [left_out(Ranks(rank=rank, count=3), 4) for rank in range(3)]
    assert torch.equal(torch.cat(shares, -1), left_out(Ranks(), 12))


def test_each_picture_loses_skips_of_its_own() -> None:
    searcher = _searcher(layers=1, nodes=1, width_search="fixed")
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
    searcher = _searcher(width_search="fixed")

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


def _new(space: str, schedule: SearchSchedule) -> SearchState:
    torch.manual_seed(0)
    searcher = space_named(space).searcher(space_settings(space, SMALL[space]), GREY)
    return new_search(searcher, schedule, seed=0, device=CPU)


def _searched(folder: Path, schedule: SearchSchedule) -> Searched:
    images = load_images(folder, channels=1, smallest_side=16).images
    kernels, architecture, validation = (PatchSource(part, device=CPU) for part in split_images(images, seed=0))
    return Searched(
        schedule=schedule, method="gradient", task=Denoise(levels=(30.0, 50.0, 70.0), quantised_share=0.0),
        kernels=kernels, architecture=architecture, validation=validation, steps_per_epoch=2, latency=None,
        ranks=Ranks(),
    )  # fmt: skip


def _run(state: SearchState, schedule: SearchSchedule, folder: Path, after_step: Callable[[], None]) -> None:
    search(
        state, _searched(folder, schedule), max_seconds=math.inf, save=lambda: None, report=lambda _: None,
        after_step=after_step,
    )  # fmt: skip


class _InterruptedError(Exception):
    pass


@pytest.mark.parametrize(
    ("space", "mixture", "dropout"),
    [("hinas", "sampled", 0.5), ("hinas", "softmax", 0.5), ("hinas", "sampled", 0.0), ("clearer", "sampled", 0.0)],
)
def test_a_search_that_draws_resumes_exactly(
    space: str, mixture: Any, dropout: float, picture_folder: Path, tmp_path: Path
) -> None:
    schedule = SCHEDULE.model_copy(update={"mixture": mixture, "skip_dropout": dropout})
    through = _new(space, schedule)
    _run(through, schedule, picture_folder, lambda: None)

    first = _new(space, schedule)

    def interrupt() -> None:
        # In the middle of an epoch.
        if (first.epoch, first.step) == (2, 1):
            raise _InterruptedError

    with pytest.raises(_InterruptedError):
        _run(first, schedule, picture_folder, interrupt)
    save_checkpoint(search_content(first, {}, "test"), tmp_path / "checkpoint.pt")
    resumed = _new(space, schedule)
    resumed.searcher.restore_randomness(torch.Generator().manual_seed(99).get_state())
    content = load_checkpoint(tmp_path / "checkpoint.pt", device=CPU)
    restore_search(resumed, content, lambda document: network_description(space, document))
    _run(resumed, schedule, picture_folder, lambda: None)
    for name, value in through.searcher.state_dict().items():
        assert torch.equal(value, resumed.searcher.state_dict()[name]), name
    assert torch.equal(through.searcher.randomness(), resumed.searcher.randomness())
    assert through.best == resumed.best and through.best is not None
    assert [row.losses for row in through.history] == [row.losses for row in resumed.history]


def test_scores_leave_out_no_skip_and_draw_nothing(picture_folder: Path) -> None:
    schedule = SCHEDULE.model_copy(update={"mixture": "softmax"})
    state = _new("hinas", schedule)
    _run(state, schedule, picture_folder, lambda: None)
    searched, before = _searched(picture_folder, schedule), state.searcher.randomness()
    state.searcher.set_mixing(Mixing())
    plain = validation_score(state, searched, None)
    for mixing in (Mixing(skip_dropout=0.9), SAMPLED):
        state.searcher.set_mixing(mixing)
        assert validation_score(state, searched, None) == plain
    assert torch.equal(state.searcher.randomness(), before)
    assert state.searcher.training


@pytest.mark.parametrize("space", SMALL)
def test_a_search_of_drawn_networks_is_judged_by_the_network_read_off(space: str) -> None:
    searcher = _searcher(space)
    assert searcher.judged() is None
    searcher.set_mixing(SAMPLED)
    assert searcher.judged() == searcher.description()


SHORT = (
    "--set", "layers=2", "--set", "nodes=1", "--set", "width=4", "--set", "compact_width=8", "--set", "steps=1",
    "--channels", "1", "--epochs", "2", "--batch", "2", "--crop", "16", "--threads", "1", "--device", "cpu",
)  # fmt: skip


Search = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(in_process: Callable[..., subprocess.CompletedProcess[str]]) -> Search:
    """hinas-search in this process."""
    return lambda *arguments: in_process(app, *arguments)


def test_the_command_searches_with_drawn_networks_and_skip_dropout(
    command: Search, picture_folder: Path, tmp_path: Path
) -> None:
    draws = ("--set", "mixture=sampled", "--set", "skip_dropout=0.3")
    found = command(picture_folder, "--out", tmp_path / "run", *SHORT, *draws)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "run" / "genotype.json").exists()


def test_a_checkpoint_from_before_there_were_draws_goes_on(
    command: Search, picture_folder: Path, tmp_path: Path
) -> None:
    run = (picture_folder, "--out", tmp_path / "run", *SHORT)
    assert command(*run, "--max-minutes", "0").returncode == 0
    content = load_checkpoint(tmp_path / "run" / "checkpoint.pt", device=CPU)
    del content["settings"]["mixture"], content["settings"]["skip_dropout"]
    content["randomness"] = None
    save_checkpoint(content, tmp_path / "run" / "checkpoint.pt")
    other = command(*run, "--resume", "--set", "mixture=sampled")
    assert other.returncode == 2
    assert "searched with mixture softmax, asked to go on with sampled" in other.stderr
    resumed = command(*run, "--resume")
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.parametrize(
    ("space", "change", "message"),
    [
        ("superkernel", "mixture=sampled", "mixture: got sampled, the space superkernel has softmax"),
        ("superkernel", "skip_dropout=0.2", "expected 0: the space superkernel chooses no skips"),
        ("clearer", "skip_dropout=0.2", "expected 0: the space clearer chooses no skips"),
        ("pyramid", "mixture=sampled", "mixture: got sampled, the space pyramid has softmax"),
        ("hinas", "mixture=one", "mixture: Input should be 'softmax' or 'sampled'"),
        ("hinas", "skip_dropout=1", "skip_dropout: Input should be less than 1"),
    ],
)
def test_what_a_space_cannot_do_is_refused_with_a_reason(
    space: str, change: str, message: str, command: Search
) -> None:
    refused = command("--space", space, "--set", change, "--print-space")
    assert refused.returncode == 2
    assert message in refused.stderr


@pytest.mark.parametrize("preset", ["paper", "v1", "fast"])
def test_the_presets_mix_as_published(preset: str) -> None:
    schedule = preset_space("hinas", GREY, preset, {}).schedule
    assert (schedule.mixture, schedule.skip_dropout) == ("softmax", 0.0)
